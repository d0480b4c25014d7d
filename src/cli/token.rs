//! `assumed token`: consumers of the container endpoint, made and ended by hand.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Globals;
use super::reach::{Daemon, say, say_json};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::control::{Listed, Minted, Wanted};
use crate::fatal::{Exit, Fatal};
use crate::secret::Secret;
use crate::status::when;

/// Make, list and end tokens for the container endpoint
///
/// Example: assumed token create ci --lifetime 12h
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a consumer, and print what it has to know
///
/// Example: assumed token create ci --file /run/ci/token
#[derive(Debug, Args)]
struct Create {
    /// What it is called
    name: String,
    /// The role it may have [default: the active one]
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// How long it counts [default: until it is revoked]
    #[arg(long, value_name = "SPAN", value_parser = config::duration)]
    lifetime: Option<Duration>,
    /// Write the token into this file (0600, without a line feed) instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    file: Option<PathBuf>,
    /// A secret path instead of a token, for clients that send no Authorization
    #[arg(long)]
    path: bool,
    /// It ends with the daemon
    #[arg(long)]
    passing: bool,
    /// End an earlier one of that name
    #[arg(long)]
    replace: bool,
}

/// List all consumers
///
/// Example: assumed token list
#[derive(Debug, Args)]
struct List {}

/// End a consumer at once
///
/// Example: assumed token revoke ci
#[derive(Debug, Args)]
struct Revoke {
    /// Which one
    name: String,
}

pub(super) fn main(token: &Token, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    match &token.order {
        Order::Create(create) => created(create, &daemon, globals),
        Order::List(_) => listed(&daemon, globals),
        Order::Revoke(revoke) => {
            daemon.delete("/v1/tokens/", &revoke.name)?;
            if globals.json {
                say_json(&json!({"revoked": revoke.name}));
            } else {
                say(&format!("{} is revoked\n", revoke.name));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn created(create: &Create, daemon: &Daemon, globals: &Globals) -> Result<ExitCode, Fatal> {
    if create.replace && everybody(daemon)?.iter().any(|token| token.name == create.name) {
        daemon.delete("/v1/tokens/", &create.name)?;
    }
    let minted: Minted = daemon.post(
        "/v1/tokens",
        &Wanted {
            name: Some(create.name.clone()),
            role: create.role.clone(),
            lifetime_seconds: create.lifetime.map(|lifetime| lifetime.as_secs()),
            kept: !create.passing,
            in_path: create.path,
            process: false,
            narrowing: None,
        },
    )?;
    let mut set = vec![];
    if create.path {
        set.push(("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", minted.uri.as_str()));
    } else {
        set.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", minted.uri.as_str()));
    }
    let file = create.file.as_deref().map(|path| in_full(path).display().to_string());
    match (&create.file, &file) {
        (Some(path), Some(name)) => {
            written(path, &minted.secret).inspect_err(|_| {
                // A token that nobody has is good for nothing.
                let _ = daemon.delete("/v1/tokens/", &minted.name);
            })?;
            set.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", name));
        }
        _ if create.path => {}
        _ => set.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN", minted.secret.expose())),
    }
    if globals.json {
        let set: serde_json::Map<String, Value> =
            set.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        say_json(&json!({"name": minted.name, "role": minted.role, "environment": set}));
        return Ok(ExitCode::SUCCESS);
    }
    let lines =
        set.iter().fold(String::new(), |text, (name, value)| format!("{text}{name}={value}\n"));
    say(&lines);
    Ok(ExitCode::SUCCESS)
}

/// A client reads the file from wherever it runs.
fn in_full(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// To the letter; what was there is replaced, but never by way of a link.
fn written(path: &Path, secret: &Secret) -> Result<(), Fatal> {
    let _ = std::fs::remove_file(path);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.expose().as_bytes())).map_err(|error| {
        Fatal::new(Exit::Unavailable, format!("{}: {error}", path.display()))
            .hint("no token was made; may this user write there?")
    })
}

#[derive(Deserialize)]
struct Listing {
    tokens: Vec<Listed>,
}

fn everybody(daemon: &Daemon) -> Result<Vec<Listed>, Fatal> {
    daemon.get("/v1/tokens").map(|Listing { tokens }| tokens)
}

fn listed(daemon: &Daemon, globals: &Globals) -> Result<ExitCode, Fatal> {
    let tokens = everybody(daemon)?;
    if globals.json {
        say_json(&json!({"tokens": tokens}));
    } else if tokens.is_empty() {
        say("nobody; `assumed token create NAME` makes one\n");
    } else {
        say(&table(&tokens, SystemClock.now().wall));
    }
    Ok(ExitCode::SUCCESS)
}

/// Three lines each: there is no room for three times in one.
fn table(tokens: &[Listed], now: Timestamp) -> String {
    let mut text = row(["NAME", "ROLE", "", ""]);
    for token in tokens {
        let at = |moment: Option<Timestamp>, never: &str| {
            moment.map_or_else(|| never.to_owned(), |at| when(at, now))
        };
        let ends = match token.kept {
            _ if token.name.starts_with("exec-") => "with its process",
            true => "when it is revoked",
            false => "with the daemon",
        };
        let rows = [
            [&*token.name, &*token.role, "made", &*at(Some(token.created), "")],
            ["", "", "used", &*at(token.last_use, "never, since the daemon started")],
            ["", "", "ends", &*at(token.expires, ends)],
        ];
        text.extend(rows.map(row));
    }
    text
}

/// At most 80 columns, whatever the names.
fn row([name, role, what, when]: [&str; 4]) -> String {
    let cut = |word: &str, width: usize| word.chars().take(width).collect::<String>();
    let line =
        format!("{:<22}  {:<10}  {what:<4}  {}", cut(name, 22), cut(role, 10), cut(when, 38));
    line.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_consumers_fits_a_terminal() {
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        let token = Listed {
            name: "n".repeat(64),
            role: "r".repeat(64),
            place: "authorization".to_owned(),
            created: Timestamp::MIN,
            last_use: Some(now),
            expires: None,
            kept: true,
            narrowed: false,
        };
        let short = Listed { name: "exec-4711-1".into(), role: "dev".into(), ..token.clone() };
        let text = table(&[token, short], now);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("\nexec-4711-1             dev         made  "), "{text}");
        assert!(text.contains("ends  with its process\n"), "{text}");
        let when = "2026-01-01 00:00:00Z (now)\n";
        assert!(text.contains(&format!("used  {when}")), "absolute and relative: {text}");
    }
}
