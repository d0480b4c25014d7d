//! The documents, compared with the code that they describe.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/messages.rs"]
mod messages;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assumed::config::{KEYS, Key, LEAVES};
use assumed::fatal::Exit;
use clap::error::ErrorKind;
use common::client::Client;
use common::program::{Daemon, Home};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The cells of each row of all tables, without the heads.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.filter(|line| line.contains('`')).map(|line| line.split(" | ").collect()).collect()
}

/// What stands between backticks.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn documented(key: &Key) -> String {
    let Key { path, meaning, default, example, .. } = key;
    format!("| `{path}` | {meaning} | {default} | `{example}` |")
}

#[test]
fn every_setting_is_documented_as_the_program_has_it() {
    let page = page("configuration.md");
    let lines: BTreeSet<&str> = page.lines().collect();
    let missing: Vec<String> =
        KEYS.iter().map(documented).filter(|row| !lines.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks\n{}", missing.join("\n"));
    let known: BTreeSet<&str> = KEYS.iter().map(|key| key.path).chain(LEAVES.to_vec()).collect();
    for row in rows(&page) {
        let name = row[0].trim_matches('`');
        assert!(known.contains(name), "docs/configuration.md has {name}, which is no setting");
    }
    for leaf in LEAVES {
        assert!(page.contains(&format!("| `{leaf}` | ")), "docs/configuration.md lacks {leaf}");
    }
}

#[test]
fn every_example_of_a_setting_can_be_written_so() {
    for key in KEYS {
        let line = format!("key = {}", key.example);
        assert!(toml::de::DeTable::parse(&line).is_ok(), "{}: {line}", key.path);
    }
}

#[test]
fn every_message_in_the_documents_is_one_of_the_program() {
    let texts = messages::texts(&root().join("src"));
    let page = page("troubleshooting.md");
    let known = |message: &str| messages::pieces(message).iter().all(|piece| texts.contains(piece));
    for row in rows(&page).iter().filter(|row| row[0].starts_with('`')) {
        for message in spans(row[0]) {
            assert!(known(message), "docs/troubleshooting.md has `{message}`, which nothing says");
        }
    }
}

#[test]
fn every_failure_on_the_way_to_credentials_is_documented() {
    let page = page("troubleshooting.md");
    let quoted: Vec<&str> = spans(&page);
    let failures = messages::failures(&root().join("src"));
    assert!(failures.len() > 20, "{failures:?}");
    for failure in &failures {
        let pieces = messages::pieces(failure);
        let told = |message: &&str| pieces.iter().all(|piece| message.contains(piece.as_str()));
        assert!(quoted.iter().any(told), "docs/troubleshooting.md lacks `{failure}`");
    }
    let codes = messages::codes(&root().join("src/sts/codes.rs"));
    assert!(codes.len() > 30, "{codes:?}");
    for code in &codes {
        assert!(quoted.contains(&code.as_str()), "docs/troubleshooting.md lacks the code {code}");
    }
}

#[test]
fn every_exit_code_is_documented() {
    use Exit::{Bug, Refused, Settings, Unavailable, Usage, Waiting};
    let page = page("troubleshooting.md");
    for exit in [Usage, Unavailable, Bug, Waiting, Refused, Settings] {
        assert!(page.contains(&format!("\n| {} | ", exit as u8)), "{exit:?}");
    }
}

/// Every path below `/latest/` that a listing leads to.
fn walk(client: &Client, directory: &str, found: &mut Vec<String>) {
    let listing = client.get(&format!("/latest/{directory}")).text().to_owned();
    for name in listing.lines() {
        let path = format!("{directory}{name}");
        // The top lists directories without a slash.
        match (directory, path.ends_with('/')) {
            ("", _) => walk(client, &format!("{path}/"), found),
            (_, true) => walk(client, &path, found),
            (_, false) => found.push(path),
        }
    }
}

#[test]
fn every_path_that_is_served_is_documented() {
    let home = Home::new();
    let arguments = ["--log-format", "json", "demo", "--session", "1h", "--listen", "127.0.0.1:0"];
    let mut daemon = Daemon::start(home.command(&arguments));
    let client = Client::new(daemon.address());
    let mut found = Vec::new();
    walk(&client, "", &mut found);
    assert!(found.len() > 15, "{found:?}");
    let page = page("imds.md");
    let quoted = spans(&page);
    for path in found {
        let path = path.replace("/security-credentials/demo", "/security-credentials/ROLE");
        assert!(quoted.contains(&path.as_str()), "docs/imds.md lacks `{path}`");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in links::documents(&root()) {
        let page = fs::read_to_string(&document).unwrap();
        for (path, anchor) in links::links(&page) {
            let target = match path.as_str() {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let shown = document.display();
            assert!(target.exists(), "{shown} links to {path}");
            let Some(anchor) = anchor else { continue };
            let anchors = links::anchors(&fs::read_to_string(target).unwrap());
            assert!(anchors.contains(&anchor), "{shown} links to {path}#{anchor}");
        }
    }
}

#[test]
fn every_page_is_in_the_index() {
    let index = links::links(&page("README.md"));
    for document in links::documents(&root()) {
        let name = document.file_name().unwrap().to_str().unwrap();
        let listed = index.iter().any(|(path, _)| path.rsplit('/').next() == Some(name));
        assert!(listed || name == "README.md", "docs/README.md does not list {name}");
    }
}

/// False for what the program would not understand; a text may leave arguments out.
fn can_be_typed(words: &[String]) -> bool {
    use ErrorKind::{
        DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand,
    };
    let bare =
        [DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand];
    let parsed = assumed::cli::command().try_get_matches_from(words);
    parsed.map_or_else(|error| !error.use_stderr() || bare.contains(&error.kind()), |_| true)
}

#[test]
fn every_command_in_the_documents_can_be_typed() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for document in links::documents(&root()) {
        for words in links::commands(&fs::read_to_string(&document).unwrap()) {
            let placeholder = words.iter().any(|word| word.contains(['[', '…']) || word == "...");
            let known = placeholder || words[1] == "COMMAND" || can_be_typed(&words);
            seen += 1;
            wrong.extend((!known).then(|| format!("{}: {}", document.display(), words.join(" "))));
        }
    }
    assert!(seen > 100, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
