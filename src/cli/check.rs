//! `assumed check`: everything that `run` would look at, without running.
//!
//! Calls nobody, binds nothing and writes nothing. What it cannot see so is
//! left to the start: whether a port is free, whether STS agrees.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::inputs::{self, Found};
use super::run::Choice;
use super::{Globals, outlook};
use crate::config::{Mistake, Mistakes};
use crate::daemon::check_user_lookup;
use crate::fatal::{Exit, Fatal};
use crate::sys::state::{self, Outlook};

/// Validate all settings and say what would be served where; calls nobody
///
/// Example: assumed check --profile dev
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn main(check: Check, globals: &Globals) -> Result<ExitCode, Fatal> {
    let json = globals.json;
    let read = check.choice.sources(globals).read().and_then(|found| {
        let key = state::outlook(&found.settings.state_dir);
        let key = key.map_err(|trouble| {
            Mistake::new(trouble.to_string()).key("state_dir").hint(trouble.hint())
        })?;
        check_user_lookup(&found.settings)?;
        Ok((found, key))
    });
    match read {
        Ok((found, key)) if json => say(&format!("{:#}\n", as_json(&found, key))),
        Ok((found, key)) => say(&as_text(&found, key)),
        Err(mistakes) if json => {
            say(&format!("{:#}\n", refusal(&mistakes)));
            return Ok(Exit::Settings.into());
        }
        Err(mistakes) => return Err(inputs::wrong(&mistakes)),
    }
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) {
    // A closed standard output changes nothing about the settings.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn refusal(mistakes: &Mistakes) -> Value {
    json!({ "valid": false, "mistakes": mistakes.iter().map(mistake).collect::<Vec<_>>() })
}

fn mistake(mistake: &Mistake) -> Value {
    let place = mistake.place.as_ref();
    json!({
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "key": mistake.key,
        "what": mistake.what,
        "hint": mistake.hint,
    })
}

fn as_json(found: &Found, key: Outlook) -> Value {
    json!({
        "valid": true,
        "served": outlook::json(&found.settings, key),
        "files": files(found),
        "warnings": found.warnings().iter().map(mistake).collect::<Vec<_>>(),
    })
}

fn as_text(found: &Found, key: Outlook) -> String {
    let mut text = String::from("the settings are valid; this would be served:\n\n");
    let files = ("files", files(found).join("\n"));
    for (name, lines) in outlook::rows(&found.settings, key).into_iter().chain([files]) {
        for (index, line) in lines.lines().enumerate() {
            let name = if index == 0 { name } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<10}{line}");
        }
    }
    for warning in found.warnings() {
        let _ = write!(text, "\nwarning: {}\n", warning.to_string().replace('\n', "\n  "));
    }
    text
}

/// What was read, the first of each kind that is there.
fn files(found: &Found) -> Vec<String> {
    let own = found.inputs.config_file.as_ref().map(|file| &file.path);
    let shared = &found.inputs.shared_files;
    let shared = [&shared.config, &shared.credentials].into_iter().flatten();
    let paths = own.into_iter().chain(shared.map(|file| &file.path));
    paths.map(|path| path.display().to_string()).collect()
}
