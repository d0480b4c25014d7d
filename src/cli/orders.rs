//! The verbs that change something: refresh, reload, stop, lock, unlock.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Globals;
use super::reach::{Daemon, named, say, say_json};
use crate::fatal::{Exit, Fatal};
use crate::status::{RoleStatus, Status, when};
use crate::sys::ending::Watched;

/// How long a daemon that was told to end may take: its grace period and some.
const ENDING: Duration = Duration::from_secs(15);

/// Rotate now, and wait for what comes of it
///
/// Example: assumed refresh
#[derive(Debug, Args)]
pub(super) struct Refresh {
    /// The role [default: the active one]
    role: Option<String>,
}

pub(super) fn refresh(refresh: &Refresh, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let role: RoleStatus = daemon.post("/v1/refresh", &named(refresh.role.as_deref()))?;
    rotated(&role, globals);
    Ok(ExitCode::SUCCESS)
}

/// What an attempt brought.
pub(super) fn rotated(role: &RoleStatus, globals: &Globals) {
    if globals.json {
        return say_json(role);
    }
    let (name, generation) = (&role.name, role.generation);
    let ends = role.expires.zip(role.obtained).map_or_else(String::new, |(expires, obtained)| {
        format!(", expires {}", when(expires, obtained))
    });
    say(&format!("{name}: generation {generation}{ends}\n"));
}

/// Have the daemon read its settings again
///
/// Example: assumed reload
#[derive(Debug, Args)]
pub(super) struct Reload {}

#[derive(Deserialize)]
struct Changed {
    changed: Vec<String>,
}

pub(super) fn reload(globals: &Globals) -> Result<ExitCode, Fatal> {
    let Changed { changed } = Daemon::find(globals)?.post("/v1/reload", &json!({}))?;
    if globals.json {
        say_json(&json!({"changed": changed}));
    } else if changed.is_empty() {
        say("nothing changed\n");
    } else {
        say(&format!("{}\n", changed.join("\n")));
    }
    Ok(ExitCode::SUCCESS)
}

/// End the daemon, and wait until it has ended
///
/// Example: assumed stop
#[derive(Debug, Args)]
pub(super) struct Stop {}

pub(super) fn stop(globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let status: Status = daemon.get("/v1/status")?;
    // Before it is told, so that its number cannot be another's by then.
    let watched = Watched::new(status.pid);
    let _: Value = daemon.post("/v1/stop", &json!({}))?;
    // Who cannot be watched has ended already.
    if watched.is_ok_and(|watched| !watched.ends_within(ENDING)) {
        let pid = status.pid;
        return Err(Fatal::new(
            Exit::Unavailable,
            format!("the daemon (pid {pid}) is still there"),
        )
        .hint("a second `assumed stop` cuts short what it waits for"));
    }
    done(globals, "stopped", &format!("stopped (pid {})", status.pid));
    Ok(ExitCode::SUCCESS)
}

/// Wipe all credentials and serve none, over restarts too, until `unlock`
///
/// Example: assumed lock
#[derive(Debug, Args)]
pub(super) struct Lock {
    /// Wipe what a human once entered, too
    #[arg(long)]
    forget: bool,
    /// Only if `events.suspend` asks for it: the machine goes to sleep
    #[arg(long, conflicts_with = "forget")]
    for_suspend: bool,
}

pub(super) fn lock(lock: &Lock, globals: &Globals) -> Result<ExitCode, Fatal> {
    if lock.for_suspend {
        return suspend(globals);
    }
    let order = json!({"forget": lock.forget});
    let _: Value = Daemon::find(globals)?.post("/v1/lock", &order)?;
    done(globals, "locked", "locked: everything is wiped; `assumed unlock` assumes anew");
    Ok(ExitCode::SUCCESS)
}

fn suspend(globals: &Globals) -> Result<ExitCode, Fatal> {
    let told: Value = Daemon::find(globals)?.post("/v1/suspend", &json!({}))?;
    match told.get("locked") {
        _ if globals.json => say_json(&told),
        Some(Value::Bool(true)) => say("locked before the machine sleeps\n"),
        _ => say("not locked: events.suspend does not ask for it\n"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Serve again, with credentials assumed anew
///
/// Example: assumed unlock
#[derive(Debug, Args)]
pub(super) struct Unlock {}

pub(super) fn unlock(globals: &Globals) -> Result<ExitCode, Fatal> {
    let _: Value = Daemon::find(globals)?.post("/v1/unlock", &json!({}))?;
    done(globals, "unlocked", "unlocked");
    Ok(ExitCode::SUCCESS)
}

fn done(globals: &Globals, word: &str, text: &str) {
    if globals.json {
        say_json(&json!({word: true}));
    } else {
        say(&format!("{text}\n"));
    }
}
