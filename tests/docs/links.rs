//! Links between the documents, and the commands that they show.

use std::fs;
use std::path::{Path, PathBuf};

const TOP: [&str; 6] =
    ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "docs"];

/// Every Markdown document.
pub(super) fn documents(root: &Path) -> Vec<PathBuf> {
    let in_folder = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let all = TOP.iter().map(|name| root.join(name)).chain(in_folder);
    all.filter(|path| path.extension().is_some_and(|name| name == "md")).collect()
}

/// The targets of the links of a page: a path, which may be empty, and an anchor.
pub(super) fn links(page: &str) -> Vec<(String, Option<String>)> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://"));
    let parts = inside.map(|target| match target.split_once('#') {
        Some((path, anchor)) => (path.to_owned(), Some(anchor.to_owned())),
        None => (target.to_owned(), None),
    });
    parts.collect()
}

/// The anchors that a renderer makes of the headings.
pub(super) fn anchors(page: &str) -> Vec<String> {
    let prose = page.split("```").step_by(2).collect::<String>();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let anchor = |heading: &str| heading.to_lowercase().chars().filter(kept).collect::<String>();
    headings.map(|line| anchor(line.trim_start_matches('#').trim()).replace(' ', "-")).collect()
}

/// Each `assumed …` that a page shows as code, as its words.
pub(super) fn commands(page: &str) -> Vec<Vec<String>> {
    let mut code = Vec::new();
    for (at, part) in page.split("```").enumerate() {
        if at % 2 == 0 {
            code.extend(part.split('`').skip(1).step_by(2));
        } else if let Some(script) = part.strip_prefix("sh\n") {
            code.extend(script.lines());
        } else if let Some(transcript) = part.strip_prefix("console\n") {
            code.extend(transcript.lines().filter_map(|line| line.strip_prefix("$ ")));
        }
    }
    code.into_iter().flat_map(of_line).collect()
}

fn of_line(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    let simple = line.split(['|', ';', '&', '>', '<', '(', ')', '"']).map(str::trim);
    let typed = simple.map(|part| part.trim_start_matches("sudo "));
    let ours = typed.filter(|part| part.starts_with("assumed "));
    let words = |part: &str| {
        part.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
    };
    ours.map(words).collect()
}
