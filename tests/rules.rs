//! Every protocol rule that the repository cites is defined in docs/rules.md, once,
//! and every page that it names is in the repository.
//!
//! An id is a letter of that page and a number, such as `F17`. It is cited as a
//! word of any text (comment, string, table) or at the beginning of a test's
//! name (`fn f17_f18_...`), and each conformance case begins with the ids that
//! it stands for.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The letters of the sections of docs/rules.md.
const LETTERS: &str = "HFPTGCXMQEVSKAZ";

/// Has no letter: it is the id of a table of docs/rules.md.
const VALUES: &str = "4.1";

/// Look like ids and are none: a display server, a calling convention.
const NO_IDS: &[&str] = &["X11", "X32"];

const GRADES: [&str; 4] = ["must", "should", "may", "note"];

/// Where ids are cited, beside the root's own files; not all of them have to exist.
const PLACES: [&str; 7] = ["src", "crates", "tests", "docs", "fuzz", "benches", "man"];

/// The extensions of the files that are read; scripts have none.
const TEXTS: [&str; 10] = ["rs", "txt", "md", "py", "sh", "js", "go", "html", "toml", "1"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/rules.md")).unwrap()
}

fn is_id(word: &str) -> bool {
    let Some(number) = word.strip_prefix(|letter| LETTERS.contains(letter)) else {
        return false;
    };
    let digits = number.strip_suffix(['a', 'b']).unwrap_or(number);
    let plain = digits == number;
    matches!(digits.len(), 1..=2)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !(plain && digits.starts_with('0'))
        && !NO_IDS.contains(&word)
}

/// A row of docs/rules.md.
struct Rule<'a> {
    /// The letter of the heading above it.
    section: &'a str,
    id: &'a str,
    grade: &'a str,
    cells: usize,
}

fn rules(page: &str) -> Vec<Rule<'_>> {
    let mut found = Vec::new();
    let mut section = "";
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split(':').next().unwrap();
        }
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            continue;
        };
        let cells: Vec<&str> = row.split(" | ").collect();
        let id = cells.first().copied().unwrap_or_default();
        if is_id(id) || id == VALUES {
            let grade = cells.get(2).copied().unwrap_or_default();
            found.push(Rule { section, id, grade, cells: cells.len() });
        }
    }
    found
}

/// What is wrong with the page itself.
fn faults(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for Rule { section, id, grade, cells } in rules(page) {
        if !seen.insert(id) {
            found.push(format!("{id} is defined twice"));
        }
        if !id.starts_with(section) && id != VALUES {
            found.push(format!("{id} is in section {section}"));
        }
        if cells != 4 || !GRADES.contains(&grade) {
            found.push(format!("{id} needs a rule, a grade ({}) and a source", GRADES.join(", ")));
        }
    }
    found
}

/// The words of a line that may be ids: not escapes (`%C3`), flags (`-N16`) or
/// ends of character classes (`A-Z0`).
fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    line.split(move |letter| !is_part(letter)).filter(move |word| {
        let start = word.as_ptr() as usize - line.as_ptr() as usize;
        !line[..start].ends_with(['%', '-'])
    })
}

/// `F17` and `F18` of `f17_f18_what_it_shows`.
fn ids_of_name(name: &str) -> Vec<String> {
    name.split('_').map(str::to_uppercase).take_while(|part| is_id(part)).collect()
}

/// The ids that a line of a file cites.
fn cited(line: &str, is_case: bool) -> BTreeSet<String> {
    if let Some((ids, _)) = head(line).filter(|_| is_case) {
        return ids.into_iter().map(str::to_owned).collect();
    }
    let mut found = BTreeSet::new();
    let mut before = "";
    for word in words(line) {
        if is_id(word) {
            found.insert(word.to_owned());
        } else if matches!(before, "fn" | "def") {
            found.extend(ids_of_name(word));
        }
        before = word;
    }
    found
}

/// The ids and the grade that a conformance case begins with.
fn head(line: &str) -> Option<(Vec<&str>, &str)> {
    let (head, _) = line.split_once(": ")?;
    let (ids, grade) = head.rsplit_once(' ')?;
    matches!(grade, "must" | "should").then(|| (ids.split(' ').collect(), grade))
}

fn is_case(path: &Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with("conformance/cases"))
}

fn is_text(path: &Path) -> bool {
    let extension = path.extension().map_or(Some(""), |extension| extension.to_str());
    extension.is_some_and(|extension| extension.is_empty() || TEXTS.contains(&extension))
}

/// The texts in a directory, and below it unless only its own are wanted.
fn collect(directory: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.map(Result::unwrap) {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && deep && !hidden {
            collect(&entry.path(), deep, found);
        } else if kind.is_file() && is_text(&entry.path()) {
            found.push(entry.path());
        }
    }
}

/// Each text with its path below the root; what is not UTF-8 cites nothing.
fn texts() -> BTreeMap<PathBuf, String> {
    let mut paths = Vec::new();
    collect(&root(), false, &mut paths);
    for place in PLACES {
        collect(&root().join(place), true, &mut paths);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        Some((path.strip_prefix(root()).unwrap().to_owned(), text))
    };
    paths.into_iter().filter_map(read).collect()
}

/// Every place that cites what the page does not define, as `file:line: id`.
fn unresolved(page: &str, texts: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let known: BTreeSet<&str> = rules(page).iter().map(|rule| rule.id).collect();
    let mut found = Vec::new();
    for (path, text) in texts {
        for (number, line) in text.lines().enumerate() {
            let unknown = cited(line, is_case(path)).into_iter();
            let unknown = unknown.filter(|id| !known.contains(id.as_str()));
            found.extend(unknown.map(|id| format!("{}:{}: {id}", path.display(), number + 1)));
        }
    }
    found
}

#[test]
fn every_cited_rule_is_defined() {
    let texts = texts();
    let found = unresolved(&page(), &texts);
    assert!(found.is_empty(), "docs/rules.md does not define\n{}", found.join("\n"));
    let all: BTreeSet<String> = texts
        .iter()
        .filter(|(path, _)| !path.ends_with("docs/rules.md"))
        .flat_map(|(path, text)| text.lines().flat_map(|line| cited(line, is_case(path))))
        .collect();
    assert!(all.len() > 140, "only {} rules are cited: are all files read?", all.len());
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The Markdown pages that a text names, by their last part.
fn pages(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let words = text.split(move |letter| !is_part(letter));
    words.map(|word| word.trim_matches('.')).filter(|word| is_page(Path::new(word)))
}

#[test]
fn every_page_that_is_named_is_in_the_repository() {
    let texts = texts();
    let there: BTreeSet<&str> = texts
        .keys()
        .filter(|path| is_page(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    let mut missing = Vec::new();
    for (path, text) in &texts {
        let named = pages(text).filter(|page| !there.contains(page));
        missing.extend(named.map(|page| format!("{}: {page}", path.display())));
    }
    assert!(missing.is_empty(), "not in the repository:\n{}", missing.join("\n"));
    let other = ["elsewhere", ".md"].concat();
    let text = format!("(see ../{other}, `CHANGELOG.md`.)");
    assert_eq!(pages(&text).collect::<Vec<_>>(), [other.as_str(), "CHANGELOG.md"]);
}

#[test]
fn the_page_defines_each_rule_once_in_its_section() {
    let page = page();
    let found = faults(&page);
    assert!(found.is_empty(), "docs/rules.md\n{}", found.join("\n"));
    let sections: BTreeSet<&str> = rules(&page).iter().map(|rule| rule.section).collect();
    assert_eq!(sections.into_iter().collect::<String>().len(), LETTERS.len());
    let known: Vec<&str> = rules(&page).iter().map(|rule| rule.id).collect();
    assert!(NO_IDS.iter().all(|word| !known.contains(word)), "{NO_IDS:?}");
}

#[test]
fn a_rule_with_a_case_graded_must_is_a_must() {
    let page = page();
    let rules = rules(&page);
    let musts: BTreeSet<&str> =
        rules.iter().filter(|rule| rule.grade == "must").map(|rule| rule.id).collect();
    let texts = texts();
    let cases = texts.iter().filter(|(path, _)| is_case(path));
    let heads = cases.flat_map(|(_, text)| text.lines().filter_map(head));
    let graded = heads.filter(|(_, grade)| *grade == "must").flat_map(|(ids, _)| ids);
    let weaker: BTreeSet<&str> = graded.filter(|id| !musts.contains(id)).collect();
    assert!(weaker.is_empty(), "cases grade as must, docs/rules.md does not: {weaker:?}");
}

#[test]
fn every_form_of_a_citation_is_found() {
    // Put together here, or this file itself would cite them.
    let (wrong, name) = (["T", "99"].concat(), ["f", "99"].concat());
    let forms = [
        format!("/// How long (F17, {wrong})."),
        format!("assert!(done, \"{wrong}: said\");"),
        format!("    async fn {}_f17_it_works() {{", wrong.to_lowercase()),
        format!("| `PUT` | 400 ({wrong}) |"),
    ];
    for form in &forms {
        assert!(cited(form, false).contains(&wrong), "{form}");
    }
    assert!(cited(&format!("fn f17_{name}_b()"), false).contains(&name.to_uppercase()));
    assert!(cited(&format!("F17 {wrong} must: it"), true).contains(&wrong));
    assert!(cited("F17 5.9 must: it", true).contains("5.9"));
    for none in ["%C3%E9", "od -N16 -T99", "[A-Z0-9]{16}", "T09:00", "EC2", "fn v9x_a()", "E402"] {
        assert!(cited(none, false).is_empty(), "{none}");
    }
}

#[test]
fn faults_of_page_and_text_are_found() {
    let page = "## F: a\n| F1 | a | must | b |\n| F1 | a | must | b |\n| T2 | a | must | b |\n\
                | F3 | a | perhaps | b |\n| F4 | a | must |\n";
    let found = faults(page);
    assert_eq!(found.len(), 4, "{found:?}");
    let text = "// F1 and F3\n// F17, F1\n".to_owned();
    let found = unresolved(page, &BTreeMap::from([(PathBuf::from("src/a.rs"), text)]));
    assert_eq!(found, ["src/a.rs:2: F17"]);
}
