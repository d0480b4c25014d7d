//! What keeps an installation from going well: looked for before anything
//! changes, or explained where it only showed at the start.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use super::ground::{self, Ground};
use super::tools;
use crate::cli::Globals;
use crate::cli::reach::Daemon;
use crate::fatal::{Exit, Fatal};
use crate::installation::{Scope, UnitState};
use crate::status::Status;
use crate::sys::identity;

/// How much of the journal explains a failure.
const LINES: &str = "12";

/// Whether this user may write what belongs to the machine.
pub(super) fn permitted(scope: &Scope, verb: &str) -> Result<(), Fatal> {
    if scope.is_user() || identity::user_id() == 0 {
        return Ok(());
    }
    let flag = scope.flag();
    Err(Fatal::new(
        Exit::Unavailable,
        format!("{flag} writes units of the machine, which takes root"),
    )
    .hint(format!("sudo assumed service {verb} {flag}; --dry-run shows what it would do")))
}

/// Whether the units can reach the program where it is.
pub(super) fn reachable(scope: &Scope, program: &Path) -> Result<(), Fatal> {
    if !scope.hides_program(program) {
        return Ok(());
    }
    let program = program.display();
    Err(Fatal::new(
        Exit::Unavailable,
        format!("{program} is where units of the machine see nothing"),
    )
    .hint(format!("sudo install -m 755 {program} /usr/local/bin/, and install with that one")))
}

/// Whether the address is free, or ours already.
pub(super) fn unclaimed(scope: &Scope, ground: &Ground, globals: &Globals) -> Result<(), Fatal> {
    let address = scope.address();
    if let Some(rival) = ground.rival(scope) {
        return Err(Fatal::new(
            Exit::Unavailable,
            format!("{rival} has {address}, and one at a time can"),
        )
        .hint(format!("assumed service uninstall {} frees it", flag_of(rival))));
    }
    let taken =
        || TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    if ground.listens(scope) || !taken() {
        return Ok(());
    }
    let daemon = Daemon::find(globals).and_then(|daemon| daemon.get::<Status>("/v1/status"));
    let serves =
        |status: &Status| status.listeners.iter().any(|at| at.address.to_string() == address);
    Err(match daemon.ok().filter(serves) {
        Some(status) => Fatal::new(
            Exit::Unavailable,
            format!("{address} is taken by a running daemon (pid {})", status.pid),
        )
        .hint("`assumed stop` ends it; then install again"),
        None => Fatal::new(Exit::Unavailable, format!("{address} is taken by another program"))
            .hint(format!("`ss -ltnp` shows by which; the socket unit wants {address} for itself")),
    })
}

fn flag_of(socket: &str) -> String {
    let developer = crate::installation::developer(socket);
    developer.map_or(Scope::Machine, |name| Scope::Developer(name.to_owned())).flag()
}

/// Why these units did not start: what they say themselves, and the journal.
pub(super) fn no_start(units: &[String], scope: &Scope) -> Fatal {
    let units_now = ground::units(scope).unwrap_or_default();
    let failed = |unit: &&UnitState| units.contains(&unit.name) && !unit.is_active();
    let unit = units_now.iter().find(failed);
    let name = unit.map_or_else(|| units.join(" "), |unit| unit.name.clone());
    let status = unit.and_then(|unit| unit.status.clone()).map(|status| format!(": {status}"));
    let mut message = format!("{name} does not start{}", status.unwrap_or_default());
    for line in journal(units, scope).lines() {
        message.push_str("\n  ");
        message.push_str(line);
    }
    let exit = unit.and_then(|unit| unit.exit).and_then(Exit::of).unwrap_or(Exit::Unavailable);
    Fatal::new(exit, message).hint(undo(scope))
}

/// The state that things are left in.
pub(super) fn undo(scope: &Scope) -> String {
    let user = if scope.is_user() { "--user " } else { "" };
    let again = if cfg!(target_os = "macos") {
        "install again".to_owned()
    } else {
        format!("`systemctl {user}restart {}`", scope.service())
    };
    let flag = scope.flag();
    format!("what was done stays: mend it, and {again}; or `assumed service uninstall {flag}`")
}

fn journal(units: &[String], scope: &Scope) -> String {
    let mut arguments = vec!["--no-pager", "-q", "-o", "cat", "-n", LINES];
    for unit in units {
        arguments.extend([if scope.is_user() { "--user-unit" } else { "-u" }, unit]);
    }
    tools::ask("journalctl", &arguments).unwrap_or_default()
}
