//! The system's own programs, found where they belong rather than by a PATH,
//! and run without a shell.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::fatal::{Exit, Fatal};
use crate::sys::identity;

/// The last is where NixOS has them.
const PLACES: [&str; 5] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin"];

/// This program of the system, or at this place, ready to be given arguments.
pub(super) fn command(name: &str) -> Result<Command, Fatal> {
    // What is absolute already stays as it is.
    let path = PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file());
    let path = path.ok_or_else(|| {
        Fatal::new(Exit::Unavailable, format!("there is no {name} on this machine"))
            .hint(format!("looked for in {}", PLACES.join(", ")))
    })?;
    let mut command = Command::new(path);
    // `systemctl --user` finds the user's manager by it, and `su` does not set it.
    command.env("XDG_RUNTIME_DIR", runtime()).env("SYSTEMD_COLORS", "0").stdin(Stdio::null());
    Ok(command)
}

/// Where this user's own manager is.
pub(super) fn runtime() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|path| !path.is_empty())
        .map_or_else(|| format!("/run/user/{}", identity::user_id()).into(), PathBuf::from)
}

/// Runs it to its end.
pub(super) fn run(name: &str, arguments: &[String]) -> Result<Output, Fatal> {
    command(name)?
        .args(arguments)
        .output()
        .map_err(|error| Fatal::new(Exit::Unavailable, format!("{name} cannot be run: {error}")))
}

/// What it prints, where it succeeds.
pub(super) fn ask(name: &str, arguments: &[&str]) -> Result<String, Fatal> {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let output = run(name, &arguments)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Fatal::new(Exit::Unavailable, format!("{name} {}: {}", arguments.join(" "), said(&output))))
}

/// Its complaint, in one piece.
pub(super) fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    if said.is_empty() { output.status.to_string() } else { said.to_owned() }
}
