//! Names in `Host` that are not ours, each of them logged once.
//!
//! A client chooses the name in its request, so there is room for a fixed number of names. After
//! that, one line a minute says that there were more.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tracing::{debug, warn};

use crate::clock::BootTime;
use crate::log_throttle::LogThrottle;

/// More names than one host is called by; fewer than would fill a log.
const MOST: usize = 64;

/// The names that were logged since the start.
#[derive(Debug, Default)]
pub struct UnknownHosts {
    logged: Mutex<BTreeSet<String>>,
    throttle: LogThrottle,
}

impl UnknownHosts {
    /// Logs that a request was refused for its `Host` (F17).
    pub(super) fn log_refusal(&self, name: &str, now: BootTime) {
        let hint = "if the name is yours, add it to hosts under [imds]";
        match self.decide(name, now) {
            Some(0) => warn!(
                event = "foreign_host",
                host = name,
                hint,
                "refused a request that calls us by a foreign name"
            ),
            Some(suppressed) => warn!(
                event = "foreign_host",
                host = name,
                suppressed,
                hint,
                "refused a request that calls us by a foreign name"
            ),
            None => debug!(host = name, "refused a request for its Host"),
        }
    }

    /// Whether to log this name: how many lines were suppressed since the last one.
    fn decide(&self, name: &str, now: BootTime) -> Option<u64> {
        let mut logged = self.logged.lock().ok()?;
        let name = name.to_ascii_lowercase();
        if logged.contains(&name) {
            return None;
        }
        if logged.len() < MOST {
            logged.insert(name);
            return Some(0);
        }
        self.throttle.admit(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_name_is_logged_once_and_of_too_many_one_a_minute() {
        let hosts = UnknownHosts::default();
        let at = |seconds| BootTime::from_boot(Duration::from_secs(seconds));
        assert_eq!(hosts.decide("evil.example", at(0)), Some(0));
        assert_eq!(hosts.decide("EVIL.example", at(0)), None);
        let more = (1..1000).map(|n| hosts.decide(&format!("n{n}.example"), at(1)));
        assert_eq!(more.flatten().count(), MOST, "one of them is the first of too many");
        assert_eq!(hosts.logged.lock().unwrap().len(), MOST);
        assert_eq!(hosts.decide("last.example", at(61)), Some(999 - MOST as u64));
        assert_eq!(hosts.decide("evil.example", at(200)), None);
    }
}
