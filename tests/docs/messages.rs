//! What the program can say, read from its own sources.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// Where failures on the way to credentials are made.
const FAILING: [&str; 18] = [
    "rotation/arrival.rs",
    "rotation/task.rs",
    "sts/base.rs",
    "sts/chain.rs",
    "sts/client/calls.rs",
    "sts/client/mod.rs",
    "sts/command.rs",
    "sts/failure.rs",
    "sts/input.rs",
    "sts/jwt.rs",
    "sts/login.rs",
    "sts/mfa.rs",
    "sts/neighbour.rs",
    "sts/process.rs",
    "sts/route.rs",
    "sts/saml.rs",
    "sts/shared_files.rs",
    "sts/transport.rs",
];

/// Every text in the sources, one a line.
pub(super) fn texts(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&texts(&path));
        } else if path.extension().is_some_and(|name| name == "rs") {
            all.push_str(&strings(production(&path)).join("\n"));
            all.push('\n');
        }
    }
    all
}

/// The message of each `Failure::new`, where it is written there.
pub(super) fn failures(source: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in FAILING {
        calls(production(&source.join(name)), &mut found);
    }
    found
}

fn calls(code: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    for (place, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let before: String =
            tokens[..place].iter().rev().take(4).map(ToString::to_string).collect();
        if before == "new::Failure" {
            found.extend(strings(group.stream()).into_iter().next());
        }
        calls(group.stream(), found);
    }
}

/// The error codes in the tables.
pub(super) fn codes(table: &Path) -> Vec<String> {
    let is_code = |text: &String| {
        text != "Exception"
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_alphanumeric())
    };
    strings(production(table)).into_iter().filter(is_code).collect()
}

/// What of a message is always the same: what stands between `…` or `{…}`.
pub(super) fn pieces(message: &str) -> Vec<String> {
    let parts = message.split('…').flat_map(|part| part.split('{'));
    let fixed = parts.map(|part| part.rsplit('}').next().unwrap_or_default().trim());
    fixed.filter(|part| part.len() > 2).map(str::to_owned).collect()
}

/// A source file up to its tests.
fn production(path: &Path) -> TokenStream {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod").next().unwrap().parse().unwrap()
}

/// The string literals, as their readers see them.
fn strings(code: TokenStream) -> Vec<String> {
    code.into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => strings(group.stream()),
            TokenTree::Literal(literal) => text(&literal.to_string()).into_iter().collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn text(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    // A line that goes on begins where its text does.
    let mut lines = inner.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let whole = lines.fold(first, |text, line| text + line.trim_start());
    Some(whole.replace("\\\"", "\"").replace("\\\\", "\\"))
}
