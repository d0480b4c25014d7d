//! `assumed doctor`: everything that could be wrong, looked at once.
//!
//! Each line is ok, warn or fail, with a hint; the exit code is that of the
//! first failure. Changes nothing, and calls STS once unless told not to.

mod endpoint;
mod files;
mod sts;

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Globals;
use super::inputs::Found;
use super::reach::{Daemon, say, say_json, serving};
use super::status::paint;
use crate::config::Mistake;
use crate::control::Refusal;
use crate::fatal::{Exit, Fatal};
use crate::status::{Paint, Status, when};

/// Look for whatever keeps programs from their credentials
///
/// Example: assumed doctor
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The profile that the daemon is to serve [default: the one that it serves]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Do not ask STS
    #[arg(long)]
    offline: bool,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Ok,
    Warn,
    /// What the program ends with.
    Fail(Exit),
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    grade: Grade,
    about: &'static str,
    what: String,
    hint: Option<String>,
}

impl Finding {
    fn new(grade: Grade, about: &'static str, what: impl Into<String>) -> Self {
        Self { grade, about, what: what.into(), hint: None }
    }

    fn ok(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Grade::Ok, about, what)
    }

    fn warn(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Grade::Warn, about, what)
    }

    fn fail(exit: Exit, about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Grade::Fail(exit), about, what)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn hinted(mut self, hint: Option<&String>) -> Self {
        self.hint = hint.cloned();
        self
    }

    fn of(grade: Grade, about: &'static str, mistake: &Mistake) -> Self {
        let bare = Mistake { hint: None, ..mistake.clone() };
        Self::new(grade, about, bare.to_string()).hinted(mistake.hint.as_ref())
    }
}

pub(super) fn main(doctor: &Doctor, globals: &Globals) -> Result<ExitCode, Fatal> {
    let mut found = Vec::new();
    let status = Daemon::find(globals).and_then(|daemon| daemon.get::<Status>("/v1/status"));
    let settings = settings(doctor, status.as_ref().ok(), globals, &mut found);
    files::look(settings.as_ref(), &mut found);
    let status = daemon(status, globals, &mut found);
    endpoint::look(settings.as_ref(), status.as_ref(), &mut found);
    if let Some(settings) = settings.filter(|_| !doctor.offline) {
        sts::look(settings, &mut found)?;
    }
    if globals.json {
        say_json(&json!({"findings": found.iter().map(as_json).collect::<Vec<_>>()}));
    } else {
        say(&as_text(&found, paint()));
    }
    let worst = found.iter().find_map(|finding| match finding.grade {
        Grade::Fail(exit) => Some(exit),
        _ => None,
    });
    Ok(worst.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// What `run` would read here, and what SDKs would prefer to us.
///
/// A daemon that runs was perhaps told by a flag what no file says; its settings
/// were right when it started, so that what is wrong now can wait.
fn settings(
    doctor: &Doctor,
    status: Option<&Status>,
    globals: &Globals,
    found: &mut Vec<Finding>,
) -> Option<Found> {
    let read = |profile: Option<&str>| serving(profile, globals).read();
    let told = read(doctor.profile.as_deref()).or_else(|mistakes| match status {
        Some(status) if doctor.profile.is_none() => {
            read(Some(&status.active)).map_err(|_| mistakes)
        }
        _ => Err(mistakes),
    });
    match told {
        Ok(read) => {
            let roles: Vec<_> = read.settings.roles.iter().map(|role| &*role.name).collect();
            let word = if roles.len() > 1 { "roles" } else { "role" };
            let valid = format!("valid; {word} {}", roles.join(", "));
            found.push(Finding::ok("settings", valid));
            let warnings = read.warnings();
            found.extend(warnings.iter().map(|it| Finding::of(Grade::Warn, "settings", it)));
            Some(read)
        }
        Err(mistakes) => {
            let wrong = if status.is_some() { Grade::Warn } else { Grade::Fail(Exit::Settings) };
            found.extend(mistakes.iter().map(|mistake| Finding::of(wrong, "settings", mistake)));
            None
        }
    }
}

fn daemon(
    status: Result<Status, Fatal>,
    globals: &Globals,
    found: &mut Vec<Finding>,
) -> Option<Status> {
    match status {
        Ok(status) => {
            let socket = status.control.as_ref().map(|path| path.display().to_string());
            let socket = socket.unwrap_or_default();
            found.push(Finding::ok("daemon", format!("runs (pid {}), on {socket}", status.pid)));
            roles(&status, found);
            Some(status)
        }
        Err(fatal) if Daemon::is_absent(globals) => {
            found.push(Finding::warn("daemon", fatal.message).hinted(fatal.hint.as_ref()));
            None
        }
        Err(fatal) => {
            found.push(
                Finding::fail(fatal.exit, "daemon", fatal.message).hinted(fatal.hint.as_ref()),
            );
            None
        }
    }
}

fn roles(status: &Status, found: &mut Vec<Finding>) {
    for role in &status.roles {
        let ends = role.expires.map(|at| format!(", expires {}", when(at, status.now)));
        let what = format!("{} is {}{}", role.name, role.state.word(), ends.unwrap_or_default());
        let finding = match (Refusal::of(role), &role.last_error) {
            (None, None) => Finding::ok("role", what),
            (None, Some(error)) => Finding::warn(
                "role",
                format!("{what}, but the last attempt failed: {}", error.message),
            )
            .hinted(error.hint.as_ref()),
            (Some(refusal), _) => {
                Finding::fail(refusal.code.exit(), "role", format!("{what}: {}", refusal.message))
                    .hinted(refusal.hint.as_ref())
            }
        };
        found.push(finding);
    }
}

const fn word(grade: Grade) -> &'static str {
    match grade {
        Grade::Ok => "ok",
        Grade::Warn => "warn",
        Grade::Fail(_) => "fail",
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "grade": word(finding.grade),
        "about": finding.about,
        "what": finding.what,
        "hint": finding.hint,
    })
}

fn as_text(found: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    for finding in found {
        let word = format!("{:<4}", word(finding.grade));
        let word = match finding.grade {
            Grade::Ok => paint.good(&word),
            Grade::Warn => paint.doubtful(&word),
            Grade::Fail(_) => paint.bad(&word),
        };
        let lines = crate::status::wrapped(&finding.what, 80 - 18);
        let hint = finding.hint.as_deref().map(|hint| format!("hint: {hint}"));
        let hint = hint.map(|hint| crate::status::wrapped(&hint, 80 - 18)).unwrap_or_default();
        for (index, line) in lines.iter().chain(&hint).enumerate() {
            let (word, about) =
                if index == 0 { (word.as_str(), finding.about) } else { ("    ", "") };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word}  {about:<12}{line}");
        }
    }
    text
}
