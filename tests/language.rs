//! Documents, messages and doc comments are written in plain technical English.
//!
//! Counts idioms that a reader has to decode. A rewritten page may contain none; for
//! everything else the count is recorded, and a new idiom fails the test. If you remove
//! some, lower the number.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

/// Separated by bars; `*` matches any one word.
const IDIOMS: &str = "
    whoever | whomever | whosever | somebody | nobody | everybody | anybody | whatever |
    he | his | him | himself |
    , for it | , for they | , for there | , for we | , for that | , for what | , for nothing |
    , for none | , for the * is | , for the * has | , for the * may | , for a * may |
    , for a * is | , for this * is |
    where nothing | where none | where no | where there is | where there are | where it is none |
    where it is not | where it has | where one is | true where | absent where |
    is told | are told | was told | is had | be had | are had | is meant | has it done |
    as * has it | as * have it | to the letter | mend | mends | mended | comes of it | came of it |
    what there is | stands | stand there | twice is once | away with it | in hand | of ours |
    all the same | and its like | and its kin | as they stand | makes room for | hear of |
    hears of | heard out | hung up on | goes without";

/// Pages that are still to be rewritten, and how many idioms they contain.
const OLD_PAGES: (&[&str], usize) = (
    &[
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "docs/access.md",
        "docs/configuration.md",
        "docs/rules.md",
        "docs/troubleshooting.md",
    ],
    96,
);

/// The same for string literals, doc comments and conformance cases in `src`.
const SOURCES: usize = 791;

const PAGES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs",
    "systemd",
    "launchd",
    "container",
    "packaging",
    ".github",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files at or below `path`, relative to the repository.
fn files(path: &str) -> Vec<String> {
    let below = |folder: PathBuf| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let paths = entries.map(|name| format!("{path}/{}", name.to_str().unwrap()));
        paths.flat_map(|path| files(&path)).collect()
    };
    let place = root().join(path);
    match () {
        () if place.is_dir() => below(place),
        () if place.is_file() => vec![path.to_owned()],
        // Some folders are not in the packaged crate.
        () => Vec::new(),
    }
}

/// Lower-case words and punctuation marks.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for c in text.to_lowercase().chars() {
        let part_of_word = c.is_alphanumeric() || "'-_".contains(c);
        match tokens.last_mut() {
            Some(word) if part_of_word => word.push(c),
            _ if c.is_whitespace() => tokens.push(String::new()),
            _ => tokens.extend([c.to_string(), String::new()]),
        }
    }
    let words = tokens.iter().map(|word| word.strip_suffix("'s").unwrap_or(word).to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

/// Each idiom in the text, with the words around it.
fn idioms(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for idiom in IDIOMS.split('|') {
        let idiom: Vec<&str> = idiom.split_whitespace().collect();
        for (at, window) in tokens.windows(idiom.len()).enumerate() {
            if window.iter().zip(&idiom).all(|(word, wanted)| *wanted == "*" || word == wanted) {
                let until = tokens.len().min(at + idiom.len() + 5);
                found.push(tokens.get(at.saturating_sub(5)..until).unwrap_or_default().join(" "));
            }
        }
    }
    found
}

/// A page without its code, which may quote anything.
fn prose(page: &str) -> String {
    let outside = page.split("```").step_by(2).collect::<Vec<_>>().join(" ");
    outside.split('`').step_by(2).collect::<Vec<_>>().join(" _ ")
}

/// String literals and doc comments, up to the tests.
fn strings(code: TokenStream) -> String {
    let text = |token| match token {
        TokenTree::Group(group) => strings(group.stream()),
        TokenTree::Literal(literal) => literal.to_string().trim_matches('"').to_owned(),
        _ => String::new(),
    };
    code.into_iter().map(text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn text(path: &str) -> String {
    let text = fs::read_to_string(root().join(path)).unwrap();
    match Path::new(path).extension().and_then(|name| name.to_str()) {
        Some("md") => prose(&text),
        Some("rs") => strings(text.split("#[cfg(test)]\nmod").next().unwrap().parse().unwrap()),
        _ => text,
    }
}

fn at_most(limit: usize, paths: &[String]) {
    let in_file = |path: &String| -> Vec<String> {
        idioms(&text(path)).into_iter().map(|found| format!("{path}: {found}")).collect()
    };
    let found: Vec<String> = paths.iter().flat_map(in_file).collect();
    let all = found.join("\n");
    assert!(found.len() <= limit, "{all}\n{} idioms, at most {limit} are allowed", found.len());
}

/// The pages that are rewritten, and those that are not.
fn pages() -> (Vec<String>, Vec<String>) {
    let pages = PAGES.iter().flat_map(|path| files(path));
    pages.partition(|path| !OLD_PAGES.0.contains(&path.as_str()))
}

#[test]
fn rewritten_pages_are_plain_english() {
    let (rewritten, _) = pages();
    assert!(rewritten.len() > 20, "{rewritten:?}");
    at_most(0, &rewritten);
}

#[test]
fn the_other_pages_become_plainer() {
    at_most(OLD_PAGES.1, &pages().1);
}

#[test]
fn messages_and_doc_comments_become_plainer() {
    let sources = files("src").into_iter();
    let sources = sources.filter(|path| !path.contains("tests"));
    at_most(SOURCES, &sources.collect::<Vec<_>>());
}

#[test]
fn an_idiom_is_found_in_prose_and_in_code_but_not_in_quotations() {
    let page = "Whoever\nasks: `nobody`, for it mends.\n```sh\nsomebody\n```\nAs Rust has it";
    assert_eq!(idioms(&prose(page)).len(), 4, "{:?}", idioms(&prose(page)));
    let code = "/// Nobody's.\nfn f() { g(\"as it stands, for they err\") }".parse().unwrap();
    let found = idioms(&strings(code));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(idioms("The standard, for the first time, hesitates.").is_empty());
}
