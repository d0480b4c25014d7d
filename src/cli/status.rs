//! `assumed status` and `assumed health`: how it stands, for people, prompts
//! and scripts.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::Globals;
use super::reach::{Daemon, escaped, say, say_json};
use crate::fatal::Fatal;
use crate::status::{Paint, Status, when};

/// How often `--watch` looks.
const BEAT: Duration = Duration::from_secs(1);

/// Show whose credentials are served, until when, and what is wrong
///
/// Example: assumed status --watch
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Look again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// One line, for a prompt: the role and how long its credentials last
    #[arg(long)]
    short: bool,
}

pub(super) fn main(show: &Show, globals: &Globals) -> Result<ExitCode, Fatal> {
    if show.watch {
        return watch(show, globals);
    }
    let status = Daemon::find(globals)?.get("/v1/status")?;
    say(&shown(&status, show, globals.json));
    Ok(ExitCode::SUCCESS)
}

/// Until somebody ends it; a daemon that restarts meanwhile is waited for.
fn watch(show: &Show, globals: &Globals) -> Result<ExitCode, Fatal> {
    // Without a daemon at the start there is nothing to watch.
    Daemon::find(globals)?;
    let redraws = io::stdout().is_terminal() && !show.short && !globals.json;
    loop {
        let status = Daemon::find(globals).and_then(|daemon| daemon.get("/v1/status"));
        let text = match status {
            Ok(status) => shown(&status, show, globals.json),
            Err(fatal) if redraws => format!("{fatal}\n"),
            Err(fatal) => return Err(fatal),
        };
        // To the upper left, and nothing of what was drawn before.
        let text = if redraws { format!("\x1b[H\x1b[2J{text}") } else { text };
        let mut out = io::stdout();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        rest();
    }
}

// Nothing tells of time that passes but time.
#[allow(clippy::disallowed_methods)]
fn rest() {
    std::thread::sleep(BEAT);
}

fn shown(status: &Status, show: &Show, json: bool) -> String {
    if json {
        format!("{}\n", serde_json::to_string(status).unwrap_or_default())
    } else if show.short {
        format!("{}\n", status.short())
    } else {
        status.table(paint())
    }
}

/// Colour for a terminal whose user did not say no.
pub(super) fn paint() -> Paint {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    Paint { colour: io::stdout().is_terminal() && !refused && !dumb }
}

/// Succeed while clients get credentials; for probes
///
/// Example: assumed health || echo "nothing to serve"
#[derive(Debug, Args)]
pub(super) struct Health {
    /// The role [default: the active one]
    role: Option<String>,
}

pub(super) fn health(health: &Health, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let query = health.role.as_deref().map(|role| format!("?role={}", escaped(role)));
    let path = format!("/v1/health{}", query.unwrap_or_default());
    let answer: Value = daemon.get(&path)?;
    if globals.json {
        say_json(&answer);
        return Ok(ExitCode::SUCCESS);
    }
    let status: Status = daemon.get("/v1/status")?;
    if let Some(role) = status.role(health.role.as_deref())
        && let Some(expires) = role.expires
    {
        let ends = when(expires, status.now);
        say(&format!("{} is {}, expires {ends}\n", role.name, role.state.word()));
    }
    Ok(ExitCode::SUCCESS)
}
