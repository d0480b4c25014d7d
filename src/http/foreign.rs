//! The foreign names by which we were called, each told of once.
//!
//! Whoever can send a request chooses the name in it, so there is room for a
//! fixed number of names; after that only the fact is told.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tracing::{debug, warn};

/// More names than one host is called by; fewer than would fill a log.
const MOST: usize = 64;

/// What was told of since the start.
#[derive(Debug, Default)]
pub struct ForeignNames(Mutex<BTreeSet<String>>);

/// What to say about a name.
#[derive(Debug, PartialEq, Eq)]
enum News {
    First,
    Last,
    Old,
}

impl ForeignNames {
    /// Says that a request was refused for its `Host` (F17).
    pub(super) fn tell(&self, name: &str) {
        let hint = "if the name is yours, add it to hosts under [imds]";
        match self.news(name) {
            News::First => warn!(
                event = "foreign_host",
                host = name,
                hint,
                "refused a request that calls us by a foreign name"
            ),
            News::Last => warn!(
                event = "foreign_host",
                host = name,
                hint,
                "refused a request that calls us by a foreign name; more names are not told of"
            ),
            News::Old => debug!(host = name, "refused a request for its Host"),
        }
    }

    fn news(&self, name: &str) -> News {
        let Ok(mut told) = self.0.lock() else { return News::Old };
        if told.len() == MOST || !told.insert(name.to_ascii_lowercase()) {
            return News::Old;
        }
        if told.len() == MOST { News::Last } else { News::First }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_told_of_once_and_only_so_many() {
        let foreign = ForeignNames::default();
        assert_eq!(foreign.news("evil.example"), News::First);
        assert_eq!(foreign.news("EVIL.example"), News::Old);
        let more = (1..1000).map(|n| foreign.news(&format!("n{n}.example")));
        let told: Vec<_> = more.filter(|news| *news != News::Old).collect();
        assert_eq!(told.len(), MOST - 1);
        assert_eq!(told.iter().filter(|news| **news == News::Last).count(), 1);
        assert_eq!(foreign.0.lock().unwrap().len(), MOST);
    }
}
