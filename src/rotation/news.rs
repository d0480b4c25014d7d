//! What came of an attempt, and how loudly to tell it.
//!
//! Levels are a promise to the reader of the log: `error` means that a human
//! must act, `warn` that it will heal, `info` that something began or turned.
//! The same failure is told in full once in a while, else only to debuggers.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use jiff::SignedDuration;

use crate::clock::BootTime;
use crate::credentials::{Grant, Snapshot};
use crate::failure::{Failure, Kind};

/// How long a failure that repeats itself stays a matter for debuggers.
const QUIET: Duration = Duration::from_mins(5);

/// How much a line of the log asks of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Debug,
    /// To know.
    Info,
    /// To watch whether it heals.
    Warn,
    /// To act.
    Error,
}

/// The outcome of one attempt.
#[derive(Debug)]
pub enum Outcome {
    /// A set that is to be served.
    Obtained(Box<Obtained>),
    /// No set; what is valid stays served.
    Failed(Failure),
}

/// A set that is to be served, and where it came from.
#[derive(Debug)]
pub struct Obtained {
    /// The generation to publish.
    pub snapshot: Snapshot,
    /// What brought it.
    pub grant: Grant,
    /// False where the source gave the set that was held already.
    pub rotated: bool,
    /// By how much our wall clock is wrong (ours minus theirs), if it is.
    pub skew: Option<SignedDuration>,
}

/// An outcome with its loudness.
#[derive(Debug)]
pub struct News {
    /// What came of the attempt.
    pub outcome: Outcome,
    /// How loudly to tell it.
    pub level: Level,
}

impl News {
    pub(super) fn obtained(obtained: Obtained) -> Self {
        let level = match (obtained.skew, obtained.rotated) {
            (Some(_), _) => Level::Warn,
            (None, true) => Level::Info,
            (None, false) => Level::Debug,
        };
        Self { outcome: Outcome::Obtained(Box::new(obtained)), level }
    }
}

/// Remembers what was said, so that an outage does not fill the log.
#[derive(Debug, Default)]
pub(super) struct Echo(Vec<Said>);

#[derive(Debug)]
struct Said {
    kind: Discriminant<Kind>,
    code: Option<String>,
    served: bool,
    at: BootTime,
}

impl Echo {
    /// How loudly to tell `failure`; `served` is whether clients feel it yet,
    /// for an outage that begins to hurt is news.
    pub(super) fn level(&mut self, failure: &Failure, served: bool, now: BootTime) -> Level {
        // What waits for somebody waits until something else comes of it.
        let awaits = discriminant(&Kind::NeedsHuman);
        self.0.retain(|said| said.kind == awaits || now.since(said.at) < QUIET);
        let kind = discriminant(&failure.kind);
        let said =
            |said: &Said| said.kind == kind && said.code == failure.code && said.served == served;
        if self.0.iter().any(said) {
            return Level::Debug;
        }
        self.0.push(Said { kind, code: failure.code.clone(), served, at: now });
        full(failure.kind)
    }

    /// All is well: the next failure is news again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

const fn full(kind: Kind) -> Level {
    match kind {
        Kind::Refused | Kind::NoBase | Kind::NeedsHuman | Kind::Panicked => Level::Error,
        Kind::Unreachable | Kind::Throttled | Kind::Nonsense | Kind::WrongClock(_) => Level::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    #[test]
    fn an_outage_is_told_once_in_five_minutes() {
        let mut echo = Echo::default();
        let loud = (0..3600)
            .step_by(2)
            .filter(|&second| {
                let failure = Failure::new(Kind::Unreachable, format!("port {second}"));
                echo.level(&failure, true, at(second)) > Level::Debug
            })
            .count();
        assert_eq!(loud, 12);
    }

    #[test]
    fn what_waits_for_a_human_is_told_once() {
        let mut echo = Echo::default();
        let loud = |echo: &mut Echo, second| {
            let failure = Failure::new(Kind::NeedsHuman, "a code");
            echo.level(&failure, true, at(second)) > Level::Debug
        };
        let all = (0..86_400).step_by(30).filter(|&second| loud(&mut echo, second)).count();
        assert_eq!(all, 1);
        echo.forget();
        assert!(loud(&mut echo, 86_400), "the next time is news again");
    }

    #[test]
    fn failures_that_take_turns_do_not_flood_either() {
        let mut echo = Echo::default();
        let failures = [
            Failure::new(Kind::Unreachable, "no answer"),
            Failure::new(Kind::Throttled, "slow down"),
        ];
        let loud = (0..300)
            .filter(|&second| {
                let failure = &failures[usize::try_from(second).unwrap() % 2];
                echo.level(failure, true, at(second)) > Level::Debug
            })
            .count();
        assert_eq!(loud, 2);
    }

    #[test]
    fn what_needs_a_human_is_an_error_and_the_rest_will_heal() {
        let level = |kind| Echo::default().level(&Failure::new(kind, ""), true, at(0));
        for kind in [Kind::Refused, Kind::NoBase, Kind::NeedsHuman, Kind::Panicked] {
            assert_eq!(level(kind), Level::Error);
        }
        for kind in [Kind::Unreachable, Kind::Throttled, Kind::Nonsense] {
            assert_eq!(level(kind), Level::Warn);
        }
    }

    #[test]
    fn another_code_the_end_of_validity_and_a_relapse_are_news() {
        let mut echo = Echo::default();
        let denied = Failure::new(Kind::Refused, "no").code("AccessDenied");
        let region = Failure::new(Kind::Refused, "no").code("RegionDisabledException");
        assert_eq!(echo.level(&denied, true, at(0)), Level::Error);
        assert_eq!(echo.level(&region, true, at(1)), Level::Error);
        assert_eq!(echo.level(&denied, true, at(2)), Level::Debug);
        assert_eq!(echo.level(&denied, false, at(3)), Level::Error);
        echo.forget();
        assert_eq!(echo.level(&denied, false, at(4)), Level::Error);
    }
}
