//! Names in `Host` that are not ours, each of them logged once.
//!
//! A client chooses the name in its request, so there is room for a fixed number of names; after
//! that, no more are logged.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tracing::{debug, warn};

/// More names than one host is called by; fewer than would fill a log.
const MOST: usize = 64;

/// The names that were logged since the start.
#[derive(Debug, Default)]
pub struct UnknownHosts(Mutex<BTreeSet<String>>);

/// Whether to log a name.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Log,
    LogAsLast,
    Suppress,
}

impl UnknownHosts {
    /// Logs that a request was refused for its `Host` (F17).
    pub(super) fn log_refusal(&self, name: &str) {
        let hint = "if the name is yours, add it to hosts under [imds]";
        match self.decide(name) {
            Decision::Log => warn!(
                event = "foreign_host",
                host = name,
                hint,
                "refused a request that calls us by a foreign name"
            ),
            Decision::LogAsLast => warn!(
                event = "foreign_host",
                host = name,
                hint,
                "refused a request that calls us by a foreign name; more names are not told of"
            ),
            Decision::Suppress => debug!(host = name, "refused a request for its Host"),
        }
    }

    fn decide(&self, name: &str) -> Decision {
        let Ok(mut logged) = self.0.lock() else { return Decision::Suppress };
        if logged.len() == MOST || !logged.insert(name.to_ascii_lowercase()) {
            return Decision::Suppress;
        }
        if logged.len() == MOST { Decision::LogAsLast } else { Decision::Log }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_logged_once_and_only_so_many() {
        let hosts = UnknownHosts::default();
        assert_eq!(hosts.decide("evil.example"), Decision::Log);
        assert_eq!(hosts.decide("EVIL.example"), Decision::Suppress);
        let more = (1..1000).map(|n| hosts.decide(&format!("n{n}.example")));
        let logged: Vec<_> = more.filter(|it| *it != Decision::Suppress).collect();
        assert_eq!(logged.len(), MOST - 1);
        assert_eq!(logged.iter().filter(|it| **it == Decision::LogAsLast).count(), 1);
        assert_eq!(hosts.0.lock().unwrap().len(), MOST);
    }
}
