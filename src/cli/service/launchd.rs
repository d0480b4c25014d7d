//! A Mac as a plan wants to know it. Reads, and changes nothing.

use std::path::PathBuf;

use super::{account, program, texts, tools};
use crate::cli::inputs;
use crate::fatal::{Exit, Fatal};
use crate::installation::launchd::{Mac, domain, job, labels, lists};
use crate::installation::{Account, Scope, UnitState};
use crate::sys::identity;

/// All of it, for this scope.
pub(super) fn gather(scope: &Scope) -> Result<Mac, Fatal> {
    let Account { name: user, uid, home } = owner(scope)?;
    let texts = texts::texts(lists(scope, &home));
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
