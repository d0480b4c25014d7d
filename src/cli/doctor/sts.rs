//! STS: one attempt as the daemon makes it, from this user's files and environment.

use std::sync::Arc;

use super::{Finding, Grade};
use crate::cli::inputs::Found;
use crate::clock::{Clock, SystemClock};
use crate::credentials::Grant;
use crate::daemon;
use crate::failure::{Failure, Kind};
use crate::fatal::{Exit, Fatal};
use crate::rotation::arrival;
use crate::rotation::port::Assume;
use crate::sts::{self, Reception, RoleChain};

pub(super) fn look(read: Found, found: &mut Vec<Finding>) -> Result<(), Fatal> {
    // Before the runtime: it may begin threads.
    let commands = daemon::command_starter(&read.settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Fatal::new(Exit::Bug, format!("cannot start the runtime: {error}")))?;
    for role in read.settings.roles {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let endpoint = sts::endpoint(&role.source).unwrap_or_else(|| "STS".to_owned());
        let begun = clock.now();
        let reception = Reception::default().with_commands(commands.clone());
        let chain = RoleChain::at(reception, role.source, Arc::clone(&clock));
        let outcome = runtime.block_on(async {
            tokio::time::timeout(crate::rotation::task::PATIENCE, chain.attempt()).await
        });
        let took = clock.now().boot.since(begun.boot).as_millis();
        match outcome {
            Ok(Ok(grant)) => {
                let what = format!("{} can be assumed; {endpoint}, {took} ms", role.name);
                found.push(Finding::ok("sts", what));
                found.push(skew(&grant, &*clock));
            }
            Ok(Err(failure)) => found.push(failed(&role.name, &endpoint, &failure)),
            Err(_) => {
                found.push(Finding::fail(Exit::Unavailable, "sts", format!("{endpoint} hangs")));
            }
        }
    }
    Ok(())
}

/// What can be done about a wrong clock.
const SET: &str = if cfg!(target_os = "macos") {
    "set it: sudo sntp -sS time.apple.com"
} else {
    "set it, or have it set: systemctl status systemd-timesyncd"
};

fn skew(grant: &Grant, clock: &dyn Clock) -> Finding {
    match (grant.date, arrival::skew(grant.date, clock.now())) {
        (None, _) => Finding::ok("clock", "nobody to compare with"),
        (Some(_), None) => Finding::ok("clock", "agrees with that of STS"),
        (Some(_), Some(skew)) => Finding::fail(
            Exit::Unavailable,
            "clock",
            format!("this machine's clock is wrong by {skew:#}"),
        )
        .hint(SET),
    }
}

fn failed(role: &str, endpoint: &str, failure: &Failure) -> Finding {
    let (grade, about) = match failure.kind {
        Kind::NoBase => (Grade::Fail(Exit::Waiting), "base"),
        Kind::NeedsHuman => (Grade::Warn, "base"),
        Kind::Refused => (Grade::Fail(Exit::Refused), "sts"),
        Kind::WrongClock(_) => (Grade::Fail(Exit::Unavailable), "clock"),
        Kind::Unreachable | Kind::Throttled | Kind::Nonsense => {
            (Grade::Fail(Exit::Unavailable), "sts")
        }
        Kind::Panicked => (Grade::Fail(Exit::Bug), "sts"),
    };
    Finding::new(grade, about, format!("{role}, by {endpoint}: {failure}"))
        .hinted(failure.hint.as_ref())
}
