//! A daemon for one process: started where none runs, and gone with it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Globals;
use super::reach::Daemon;
use crate::environment::SERVICE_MANAGER;
use crate::fatal::{Exit, Fatal};
use crate::sys::identity;
use crate::sys::state::PassingDirectory;

/// How the names of its state directories begin.
const PREFIX: &str = "assumed-exec-";

/// Starts it, and waits until it serves; `profile` is what it serves.
pub(super) fn start(profile: Option<&str>, globals: &Globals) -> Result<Daemon, Fatal> {
    let cannot = |error: std::io::Error| {
        Fatal::new(Exit::Unavailable, format!("cannot start a daemon: {error}"))
    };
    PassingDirectory::sweep(PREFIX);
    let folder = std::env::temp_dir().join(format!("{PREFIX}{:016x}", identity::nonce()));
    let socket = folder.join(crate::config::SOCKET);
    let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
    command.arg("run").arg("--daemon").arg("--for-process").arg(std::process::id().to_string());
    command.arg("--state-dir").arg(&folder).arg("--control").arg(&socket);
    let flags = [("--profile", profile.map(PathBuf::from)), ("--config", globals.config.clone())];
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
    // It says itself what is wrong, in our own form.
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim().trim_start_matches("assumed: ");
    let exit = ended.status.code().and_then(Exit::of).unwrap_or(Exit::Unavailable);
    let fatal = Fatal::new(exit, format!("no daemon runs, and none could be started:\n{said}"));
    Err(match (exit, profile) {
        (Exit::Settings, None) => fatal.hint("name a profile: assumed exec NAME -- ..."),
        _ => fatal,
    })
}
