//! What an installed daemon says of itself over its control socket.

use std::path::PathBuf;
use std::time::Duration;

use super::manager::{Manager, present};
use super::{launchd, tools};
use crate::cli::reach::Daemon;
use crate::config::SOCKET;
use crate::installation::Scope;
use crate::status::{RoleStatus, Status};

/// How often the daemon is asked whether it has credentials, and how many times:
/// launchd knows of no READY.
const BEAT: Duration = Duration::from_millis(500);
const BEATS: u32 = 60;

/// What the daemon of this scope says of itself, where it can be asked.
pub(super) fn of_daemon(scope: &Scope) -> Option<Status> {
    let own = std::env::var_os("ASSUMED_CONTROL").filter(|_| scope.is_user());
    let socket = match (own, present().ok()?) {
        (Some(own), _) => PathBuf::from(own),
        (None, Manager::Launchd) => launchd::control(scope)?,
        (None, Manager::Systemd) => {
            let runtime = if scope.is_user() { tools::runtime() } else { "/run".into() };
            runtime.join("assumed").join(SOCKET)
        }
    };
    Daemon::at(socket).ok()?.get("/v1/status").ok()
}

/// Waits for the first credentials, or for a reason why there are none.
pub(super) fn of_ready(scope: &Scope) -> Option<Status> {
    let told = |role: &RoleStatus| role.expires.is_some() || role.last_error.is_some();
    let settled = |status: &Status| status.role(None).is_some_and(told);
    let mut status = None;
    for _ in 0..BEATS {
        status = of_daemon(scope);
        if status.as_ref().is_some_and(settled) {
            break;
        }
        rest();
    }
    status
}

// Nothing tells of a job that is ready.
#[allow(clippy::disallowed_methods)]
fn rest() {
    std::thread::sleep(BEAT);
}
