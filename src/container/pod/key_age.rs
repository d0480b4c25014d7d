//! How old a key set may be, and when it is fetched again. No clock, no network: moments in,
//! decisions out. Moments are of the boot clock, which nobody can set and which counts in suspend.

use std::time::Duration;

use super::keyring::Keyring;
use crate::clock::BootTime;

/// A key set counts for so long after the attempt that fetched it began.
pub(super) const MAX_AGE: Duration = Duration::from_hours(1);
/// The longest time from one successful attempt to the next.
const REFRESH: Duration = Duration::from_mins(10);
/// The least time from one attempt to the next, if a token or a failure asks for it: anybody
/// who can connect can name a key that is not known.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest time from a failed attempt to the next.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(5);

/// What is known of one issuer's keys.
#[derive(Debug, Clone, Default)]
pub struct IssuerKeys {
    /// The set that was fetched last, and when that attempt began.
    pub fetched: Option<(Keyring, BootTime)>,
    /// How many attempts have ended, well or badly.
    pub attempts: u64,
}

impl IssuerKeys {
    /// The key set, unless it is too old.
    #[must_use]
    pub fn usable(&self, now: BootTime) -> Option<&Keyring> {
        let (keys, fetched) = self.fetched.as_ref()?;
        is_recent(*fetched, now).then_some(keys)
    }
}

fn is_recent(fetched: BootTime, now: BootTime) -> bool {
    now.since(fetched) < MAX_AGE
}

/// When to fetch the keys of one issuer.
#[derive(Debug, Clone, Copy)]
pub struct KeySchedule {
    /// When the last attempt began; none before the first.
    began: Option<BootTime>,
    in_flight: bool,
    /// When the next one begins, unless something asks for an earlier one.
    due: BootTime,
    /// When the last successful attempt began, as long as its keys count.
    fetched: Option<BootTime>,
    failures: u32,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin an attempt.
    Fetch,
    /// Say that the keys do not count any more.
    Expire,
    /// Do nothing before this moment.
    Wait(BootTime),
}

impl KeySchedule {
    /// The first attempt is due.
    #[must_use]
    pub const fn new(now: BootTime) -> Self {
        Self { began: None, in_flight: false, due: now, fetched: None, failures: 0 }
    }

    /// What to do now; call it again after it was done.
    #[must_use]
    pub fn next(&self, now: BootTime) -> Step {
        let expiry = self.fetched.map(|fetched| fetched.plus(MAX_AGE));
        match expiry {
            Some(expiry) if expiry <= now => Step::Expire,
            _ if self.due <= now => Step::Fetch,
            _ => Step::Wait(expiry.map_or(self.due, |expiry| expiry.min(self.due))),
        }
    }

    /// An attempt begins. Whatever asks for one from now on gets another.
    pub fn begin(&mut self, now: BootTime) {
        self.began = Some(now);
        self.in_flight = true;
        self.due = now.plus(REFRESH);
    }

    /// The attempt got keys. `jitter` is a random number in `0.0..=1.0`: the next attempt comes up to a tenth
    /// earlier.
    pub fn succeed(&mut self, jitter: f64) {
        self.fetched = self.began;
        self.failures = 0;
        self.end(REFRESH.saturating_sub(share(REFRESH / 10, jitter)));
    }

    /// The attempt got none; what was fetched before counts until it is too old.
    pub fn fail(&mut self, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        let ceiling = PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_BACK_OFF);
        self.end(PAUSE + share(ceiling.saturating_sub(PAUSE), jitter));
    }

    /// What was asked for in the meantime is due earlier.
    fn end(&mut self, wait: Duration) {
        self.in_flight = false;
        self.due = self.due.min(self.began.unwrap_or(self.due).plus(wait));
    }

    /// What was fetched does not count any more, and that was said.
    pub const fn expire(&mut self) {
        self.fetched = None;
    }

    /// A token needs other keys. True if an attempt is under way or due now; false if the last one began a moment ago.
    pub fn ask(&mut self, now: BootTime) -> bool {
        if self.in_flight {
            return true;
        }
        let is_allowed = self.began.is_none_or(|began| now.since(began) >= PAUSE);
        if is_allowed {
            self.due = self.due.min(now);
        }
        is_allowed
    }

    /// The keys have changed at their source, or their owner says so: they are read in any case, `after` the last
    /// attempt at the earliest.
    pub fn insist(&mut self, now: BootTime, after: Duration) {
        let earliest = self.began.map_or(now, |began| began.plus(after));
        self.due = self.due.min(earliest.max(now));
    }
}

/// `jitter` of `span`; a number that is none counts as zero.
fn share(span: Duration, jitter: f64) -> Duration {
    let jitter = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) };
    span.mul_f64(jitter).min(span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(seconds))
    }

    /// A schedule whose first attempt began and ended at 0.
    fn fetched() -> KeySchedule {
        let mut schedule = KeySchedule::new(at(0));
        assert_eq!(schedule.next(at(0)), Step::Fetch);
        schedule.begin(at(0));
        schedule.succeed(0.0);
        schedule
    }

    #[test]
    fn keys_are_fetched_again_within_ten_minutes() {
        let schedule = fetched();
        assert_eq!(schedule.next(at(0)), Step::Wait(at(600)));
        assert_eq!(schedule.next(at(599)), Step::Wait(at(600)));
        assert_eq!(schedule.next(at(600)), Step::Fetch);
        let mut early = KeySchedule::new(at(0));
        early.begin(at(0));
        early.succeed(1.0);
        assert_eq!(early.next(at(1)), Step::Wait(at(540)), "a tenth earlier at most");
    }

    #[test]
    fn keys_count_for_an_hour_and_their_end_is_said_once() {
        let keyring = Keyring::read("{\"keys\": []}").unwrap();
        let keys = IssuerKeys { fetched: Some((keyring, at(5))), attempts: 1 };
        assert!(keys.usable(at(5)).is_some() && keys.usable(at(3604)).is_some());
        assert!(keys.usable(at(3605)).is_none() && keys.usable(at(1_000_000)).is_none());
        assert!(IssuerKeys::default().usable(at(5)).is_none());

        let mut schedule = fetched();
        let mut now = 0;
        while let Step::Wait(until) = schedule.next(at(now)) {
            now = until.since_boot().as_secs();
            if schedule.next(at(now)) == Step::Fetch {
                schedule.begin(at(now));
                schedule.fail(1.0);
            }
        }
        assert_eq!((now, schedule.next(at(now))), (3600, Step::Expire));
        schedule.expire();
        match schedule.next(at(now)) {
            Step::Expire => panic!("said twice"),
            Step::Fetch => {}
            Step::Wait(until) => assert!(until <= at(3600 + 300), "attempts go on"),
        }
    }

    #[test]
    fn a_suspend_counts() {
        let schedule = fetched();
        // Nine hours asleep: what is held is too old before anything is fetched.
        assert_eq!(schedule.next(at(9 * 3600)), Step::Expire);
    }

    #[test]
    fn failures_are_retried_with_a_growing_pause() {
        let mut schedule = KeySchedule::new(at(0));
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..8 {
            schedule.begin(now);
            schedule.fail(1.0);
            let Step::Wait(until) = schedule.next(now) else { panic!() };
            waits.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(waits, [20, 40, 80, 160, 300, 300, 300, 300]);
        let mut least = KeySchedule::new(at(0));
        least.begin(at(0));
        least.fail(0.0);
        assert_eq!(least.next(at(0)), Step::Wait(at(10)));
    }

    #[test]
    fn tokens_cause_an_attempt_in_ten_seconds() {
        let mut schedule = fetched();
        assert!(!schedule.ask(at(9)), "a moment ago");
        assert_eq!(schedule.next(at(9)), Step::Wait(at(600)));
        assert!(schedule.ask(at(10)));
        assert_eq!(schedule.next(at(10)), Step::Fetch);
        schedule.begin(at(10));
        assert!(schedule.ask(at(11)), "it is under way");
        schedule.succeed(0.0);
        assert!(!schedule.ask(at(12)));
        assert_eq!(schedule.next(at(12)), Step::Wait(at(610)), "and caused no other");
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_read_again() {
        let mut schedule = fetched();
        schedule.insist(at(1), Duration::ZERO);
        assert_eq!(schedule.next(at(1)), Step::Fetch);
        schedule.begin(at(1));
        schedule.insist(at(1), Duration::from_secs(1));
        schedule.succeed(0.0);
        assert_eq!(schedule.next(at(1)), Step::Wait(at(2)), "writers are left a second");
        assert_eq!(schedule.next(at(2)), Step::Fetch);
    }

    /// What may happen, after so many milliseconds.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Pass,
        Ask,
        Insist,
        Success,
        Failure,
    }

    fn events() -> impl Strategy<Value = Vec<(Event, u64, f64)>> {
        let event = prop_oneof![
            4 => Just(Event::Pass),
            4 => Just(Event::Ask),
            1 => Just(Event::Insist),
            2 => Just(Event::Success),
            2 => Just(Event::Failure),
        ];
        proptest::collection::vec((event, 0_u64..120_000, 0.0..=1.0), 1..400)
    }

    proptest! {
        /// However tokens, files, outages and suspends follow each other.
        #[test]
        fn no_flood_of_tokens_causes_more_attempts_and_no_outage_longer_use(events in events()) {
            let (mut now, mut in_flight) = (at(0), false);
            let mut schedule = KeySchedule::new(now);
            let mut last: Option<BootTime> = None;
            let (mut fetched, mut insisted) = (None, false);
            for (event, passed, jitter) in events {
                now = now.plus(Duration::from_millis(passed));
                match event {
                    Event::Ask => { schedule.ask(now); }
                    Event::Insist => { schedule.insist(now, Duration::ZERO); insisted = true; }
                    Event::Success if in_flight => { schedule.succeed(jitter); fetched = last; in_flight = false; }
                    Event::Failure if in_flight => { schedule.fail(jitter); in_flight = false; }
                    Event::Pass | Event::Success | Event::Failure => {}
                }
                if !in_flight {
                    if schedule.next(now) == Step::Expire {
                        prop_assert!(fetched.is_some_and(|it| now.since(it) >= MAX_AGE));
                        schedule.expire();
                        fetched = None;
                    }
                    match schedule.next(now) {
                        Step::Fetch => {
                            prop_assert!(insisted || last.is_none_or(|last| now.since(last) >= PAUSE));
                            schedule.begin(now);
                            (last, in_flight, insisted) = (Some(now), true, false);
                        }
                        Step::Wait(until) => {
                            prop_assert!(until > now);
                            prop_assert!(last.is_some_and(|last| until.since(last) <= REFRESH));
                            prop_assert!(fetched.is_none_or(|it| until.since(it) <= MAX_AGE));
                        }
                        Step::Expire => prop_assert!(false, "said twice"),
                    }
                }
            }
        }
    }
}
