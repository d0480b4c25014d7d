//! A daemon for one process: started where none runs, and gone with it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::reach::{Daemon, private};
use super::{Globals, give};
use crate::control::Refusal;
use crate::environment::SERVICE_MANAGER;
use crate::fatal::{Exit, Fatal};
use crate::status::{Needs, Status};
use crate::sts::request::Narrowing;
use crate::sys::identity;
use crate::sys::state::PassingDirectory;

/// How the names of its state directories begin.
const PREFIX: &str = "assumed-exec-";

/// Starts it, and waits until it serves; `role` is what it serves.
pub(super) fn start(
    role: Option<&str>,
    narrowing: Option<&Narrowing>,
    globals: &Globals,
) -> Result<Daemon, Fatal> {
    if let Some(narrowing) = narrowing {
        judge(role, narrowing, globals)?;
    }
    let cannot =
        |error: io::Error| Fatal::new(Exit::Unavailable, format!("cannot start a daemon: {error}"));
    PassingDirectory::sweep(PREFIX);
    let folder = std::env::temp_dir().join(format!("{PREFIX}{:016x}", identity::nonce()));
    let socket = folder.join(crate::config::SOCKET);
    let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
    command.arg("run").arg("--daemon").arg("--for-process").arg(std::process::id().to_string());
    command.arg("--state-dir").arg(&folder).arg("--control").arg(&socket);
    let flags = [("--role", role.map(PathBuf::from)), ("--config", globals.config.clone())];
    for (flag, value) in flags {
        if let Some(value) = value {
            command.arg(flag).arg(value);
        }
    }
    // It is for this process, which becomes the command.
    for name in SERVICE_MANAGER {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let ended = command.output().map_err(cannot)?;
    if ended.status.success() {
        return Daemon::at(socket);
    }
    if ended.status.code() == Some(i32::from(Exit::Waiting as u8)) {
        return given(Daemon::at(socket)?);
    }
    // It says itself what is wrong, in our own form.
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim().trim_start_matches("assumed: ");
    let exit = ended.status.code().and_then(Exit::of).unwrap_or(Exit::Unavailable);
    let fatal = Fatal::new(exit, format!("no daemon runs, and none could be started:\n{said}"));
    Err(match (exit, role) {
        (Exit::Settings, None) => fatal.hint("name a profile: assumed exec NAME -- ..."),
        _ => fatal,
    })
}

/// Nobody logs in to be told afterwards that it was in vain.
fn judge(role: Option<&str>, narrowing: &Narrowing, globals: &Globals) -> Result<(), Fatal> {
    // What is wrong with the settings is the daemon's to tell.
    let Ok(found) = private(role, globals).read() else { return Ok(()) };
    let Some(role) = found.settings.roles.first() else { return Ok(()) };
    let judged = role.source.narrowed(narrowing).map(drop);
    judged.map_err(|unfit| Refusal::unnarrowable(&role.name, unfit).into())
}

/// One that waits for a human is given what it waits for, where that is a code
/// and somebody sits at the terminal.
fn given(daemon: Daemon) -> Result<Daemon, Fatal> {
    let status: Status = daemon.get("/v1/status")?;
    let needs = status.role(None).and_then(|role| role.needs.as_ref()).filter(|it| it.awaited);
    match needs {
        Some(needs) if needs.what == "mfa" && io::stdin().is_terminal() => {
            give::ask_code(&daemon, needs)?;
            Ok(daemon)
        }
        needs => Err(awaited(&status, needs)),
    }
}

fn awaited(status: &Status, needs: Option<&Needs>) -> Fatal {
    let error = status.role(None).and_then(|role| role.last_error.as_ref());
    let message = error.map_or("somebody is waited for", |error| error.message.as_str());
    let fatal = Fatal::new(Exit::Waiting, format!("no daemon runs, and {message}"));
    match (needs.map(|needs| needs.what.as_str()), error.and_then(|error| error.hint.as_ref())) {
        // A login is there for the next daemon, too.
        (Some("sso" | "login"), Some(hint)) => fatal.hint(hint),
        _ => fatal.hint(format!(
            "start one that waits for it: assumed run --daemon --profile {}",
            status.active
        )),
    }
}
