//! A Mac as a plan wants to know it. Reads, and changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::{account, ground, look, program, tools};
use crate::cli::inputs;
use crate::fatal::{Exit, Fatal};
use crate::installation::launchd::{Mac, domain, job, labels, lists};
use crate::installation::{Account, Scope, UnitState};
use crate::status::{RoleStatus, Status};
use crate::sys::identity;

/// How often the daemon is asked whether it has credentials, and how many times:
/// launchd knows of no READY.
const BEAT: Duration = Duration::from_millis(500);
const BEATS: u32 = 60;

/// All of it, for this scope.
pub(super) fn gather(scope: &Scope) -> Result<Mac, Fatal> {
    let Account { name: user, uid, home } = owner(scope)?;
    let texts = ground::texts(lists(scope, &home));
    Ok(Mac { program: program()?, user, uid, home, texts, jobs: jobs(scope) })
}

/// Whom the daemon runs as.
pub(super) fn owner(scope: &Scope) -> Result<Account, Fatal> {
    match scope {
        Scope::Developer(name) => account::named(name),
        Scope::Machine => Err(Fatal::new(Exit::Usage, "on macOS no daemon is the whole machine's")
            .hint("--for NAME runs one as that user, on the same address")),
        Scope::User => {
            let environment = inputs::environment();
            let home = environment.home().ok_or_else(|| {
                Fatal::new(Exit::Settings, "there is no home").hint("HOME names one")
            })?;
            let name = environment.get("USER").unwrap_or_default().to_owned();
            Ok(Account { name, uid: identity::user_id(), home })
        }
    }
}

/// How our jobs stand, that of the daemon last.
pub(super) fn jobs(scope: &Scope) -> Vec<UnitState> {
    let domain = domain(scope, identity::user_id());
    let jobs = labels(scope).iter().map(|label| {
        let print = tools::ask("launchctl", &["print", &format!("{domain}/{label}")]).ok();
        job(label, print.as_deref())
    });
    jobs.collect()
}

/// The socket of the daemon that runs as this user.
pub(super) fn control(scope: &Scope) -> Option<PathBuf> {
    let home = owner(scope).ok()?.home;
    Some(home.join(".local/state/assumed").join(crate::config::SOCKET))
}

/// Waits for the first credentials, or for a reason why there are none.
pub(super) fn ready(scope: &Scope) -> Option<Status> {
    let told = |role: &RoleStatus| role.expires.is_some() || role.last_error.is_some();
    let settled = |status: &Status| status.role(None).is_some_and(told);
    let mut status = None;
    for _ in 0..BEATS {
        status = look::daemon(scope);
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
