//! A year of one role, simulated in a second: STS fails in every way, clocks
//! jump two hours either way, the machine sleeps, requests come as they like.
//!
//! Between two events nothing changes but time, so what holds at both ends of
//! the interval holds at every instant in it. True time is what STS goes by and
//! what the boot clock counts; only the wall clock may be wrong.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::machine::{Event, Machine, Step};
use super::news::{Obtained, Outcome};
use super::samples;
use super::standing::Phase;
use crate::clock::{self, Now};
use crate::credentials::{Grant, Snapshot};
use crate::failure::{Failure, Kind};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// How long after the last trouble all must be well again: a longest back-off,
/// the attempt that hung when the trouble ended, and an answer.
const RECOVERY: Duration = Duration::from_mins(6);

/// A sequence of numbers that looks random and is the same for each seed.
struct Dice(u64);

impl Dice {
    /// `SplitMix64`.
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.bits() >> 32).unwrap()) / 4_294_967_296.0
    }

    fn coin(&mut self) -> bool {
        self.bits().is_multiple_of(2)
    }

    fn span(&mut self, least: Duration, most: Duration) -> Duration {
        least + (most.saturating_sub(least)).mul_f64(self.fraction())
    }

    /// As likely to be seconds as hours.
    fn any_length(&mut self, least: Duration, most: Duration) -> Duration {
        least.mul_f64((most.as_secs_f64() / least.as_secs_f64()).powf(self.fraction()))
    }

    /// Up to two hours either way, the whole two hours often.
    fn error(&mut self) -> SignedDuration {
        let most = 2 * HOUR;
        let size = if self.coin() { most } else { self.span(SECOND, most) };
        let size = SignedDuration::try_from(size).unwrap();
        if self.coin() { size } else { -size }
    }
}

/// How STS behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Weather {
    Fair,
    Slow,
    Outage,
    Hanging,
    Throttling,
    Refusing,
    /// What it grants has expired.
    Late,
    /// The `Date` of its replies is wrong, the expiration right.
    Lying(SignedDuration),
}

/// The answer on its way, and when it arrives.
struct Answer {
    at: Duration,
    event: Event,
}

/// What STS issued: when it truly ends, and whether its `Date` told the truth.
struct Issued {
    ends: Timestamp,
    dated_truly: bool,
}

#[derive(Debug, Default)]
struct Tally {
    attempts: u32,
    this_hour: (u64, u32),
    busiest_hour: u32,
    rotations: u32,
    failures: u32,
    wrong_clocks: u32,
    expired_on_arrival: u32,
    refreshes: u32,
    requests: u32,
    unserved: Duration,
    calm: Duration,
}

struct World {
    dice: Dice,
    session: Duration,
    machine: Machine,
    time: Duration,
    /// How far the wall clock is ahead of true time.
    ahead: SignedDuration,
    /// Whether the SDK makes up for a wrong clock in its signatures.
    corrected: bool,
    weather: Weather,
    weather_ends: Duration,
    clock_turns: Duration,
    lid_closes: Duration,
    next_request: Duration,
    next_refresh: Duration,
    alarm: Option<Timestamp>,
    answer: Option<Answer>,
    landed: Option<Duration>,
    refreshing: bool,
    served: Option<Snapshot>,
    set_back: bool,
    issued: Vec<Issued>,
    troubled: Duration,
    tally: Tally,
}

impl World {
    fn new(seed: u64, session: Duration, with_requests: bool) -> Self {
        let mut dice = Dice(seed);
        Self {
            weather_ends: dice.span(SECOND, 12 * HOUR),
            clock_turns: dice.span(HOUR, 100 * HOUR),
            lid_closes: dice.span(HOUR, 40 * HOUR),
            next_request: if with_requests { SECOND } else { Duration::MAX },
            next_refresh: dice.span(HOUR, 50 * HOUR),
            dice,
            session,
            machine: Machine::default(),
            time: Duration::ZERO,
            ahead: SignedDuration::ZERO,
            corrected: false,
            weather: Weather::Fair,
            alarm: None,
            answer: None,
            landed: None,
            refreshing: false,
            served: None,
            set_back: false,
            issued: Vec::new(),
            troubled: Duration::ZERO,
            tally: Tally::default(),
        }
    }

    fn truly(&self) -> Timestamp {
        samples::moment(self.time).wall
    }

    fn now(&self) -> Now {
        let now = samples::moment(self.time);
        let wall = now.wall + self.ahead;
        Now { wall, ..now }
    }

    fn run(mut self) -> Tally {
        self.feed(Event::Started);
        while self.time < YEAR {
            self.turn();
        }
        self.tally
    }

    /// Goes on to whatever comes first.
    fn turn(&mut self) {
        let now = self.now();
        let alarm = self
            .alarm
            .map_or(Duration::MAX, |at| self.time.saturating_add(clock::until(now.wall, at)));
        let answer = self.answer.as_ref().map_or(Duration::MAX, |answer| answer.at);
        let rest = [
            self.weather_ends,
            self.clock_turns,
            self.lid_closes,
            self.next_refresh,
            self.next_request,
        ];
        let first = rest.into_iter().chain([alarm, answer]).min().unwrap();
        self.pass(first);
        if first == answer {
            let event = self.answer.take().unwrap().event;
            self.landed = Some(self.time);
            self.feed(event);
        } else if first == self.weather_ends {
            self.change_weather();
        } else if first == self.clock_turns {
            self.turn_clock();
        } else if first == self.lid_closes {
            self.suspend();
        } else if first == self.next_refresh {
            self.next_refresh += self.dice.span(HOUR, 50 * HOUR);
            self.refreshing = true;
            self.tally.refreshes += 1;
            self.feed(Event::Refresh);
        } else if first == self.next_request {
            self.request();
        } else {
            self.feed(Event::Due);
        }
    }

    fn change_weather(&mut self) {
        let fair = self.weather != Weather::Fair;
        self.weather = match (fair, self.dice.bits() % 8) {
            (true, _) => Weather::Fair,
            (_, 0) => Weather::Slow,
            (_, 1) => Weather::Hanging,
            (_, 2) => Weather::Throttling,
            (_, 3) => Weather::Refusing,
            (_, 4) => Weather::Late,
            (_, 5) => Weather::Lying(self.dice.error()),
            _ => Weather::Outage,
        };
        let length = if fair {
            self.dice.span(SECOND, 12 * HOUR)
        } else {
            self.dice.any_length(SECOND, 8 * HOUR)
        };
        self.weather_ends = self.time + length;
    }

    fn turn_clock(&mut self) {
        let before = self.ahead;
        let wrong = before.is_zero();
        self.ahead = if wrong { self.dice.error() } else { SignedDuration::ZERO };
        self.corrected = self.dice.coin();
        self.set_back |= self.ahead < before;
        let length = if wrong {
            self.dice.any_length(SECOND, 6 * HOUR)
        } else {
            self.dice.span(HOUR, 100 * HOUR)
        };
        self.clock_turns = self.time + length;
        self.feed(Event::ClockChanged);
    }

    /// The machine sleeps: nothing is served, and what is due comes afterwards.
    fn suspend(&mut self) {
        self.time += self.dice.any_length(SECOND, 14 * HOUR);
        self.troubled = self.time;
        self.lid_closes = self.time + self.dice.span(HOUR, 40 * HOUR);
        let dead = self.dice.coin();
        let late = self.time + self.dice.span(Duration::ZERO, 40 * SECOND);
        if let Some(answer) = &mut self.answer {
            // The connection has died, or the answer was waiting in the socket.
            answer.at = answer.at.max(if dead { late } else { self.time });
            if dead {
                answer.event = Event::Failed(Failure::new(Kind::Unreachable, "reset"));
            }
        }
        for due in [
            &mut self.weather_ends,
            &mut self.clock_turns,
            &mut self.next_refresh,
            &mut self.next_request,
        ] {
            *due = (*due).max(self.time);
        }
        self.feed(Event::ClockChanged);
    }

    /// Clients ask now and then, and again and again while they get nothing.
    fn request(&mut self) {
        let now = self.now();
        let nothing = self.served.as_ref().is_none_or(|set| !set.is_valid(now));
        let most = if nothing { 30 * SECOND } else { 20 * MINUTE };
        self.next_request = self.time + self.dice.span(SECOND / 5, most);
        if nothing {
            self.tally.requests += 1;
            self.feed(Event::Demand);
        }
    }

    fn feed(&mut self, event: Event) {
        let before = self.served.as_ref().map_or(0, |set| set.generation);
        let failed = matches!(event, Event::Failed(_));
        let jitter = self.dice.fraction();
        let now = self.now();
        let Step { news, attempt, alarm, .. } = self.machine.on(event, now, jitter);
        let mut failed_again = failed;
        match news.map(|news| news.outcome) {
            Some(Outcome::Obtained(obtained)) => self.publish(*obtained, before),
            Some(Outcome::Failed(failure)) => {
                failed_again = true;
                self.note(&failure);
            }
            None => {}
        }
        assert_eq!(alarm.is_none(), attempt || self.answer.is_some());
        self.alarm = alarm;
        if attempt {
            self.attempt(failed_again);
        }
        let valid = self.served.as_ref().is_some_and(|set| set.is_valid(now));
        let phase = self.machine.standing(now).phase;
        assert_eq!(valid, matches!(phase, Phase::Fresh | Phase::Stale));
    }

    /// C17, C18: complete, of one generation, the next one, dated now.
    fn publish(&mut self, obtained: Obtained, before: u64) {
        let Obtained { snapshot, rotated, .. } = obtained;
        let now = self.now();
        let set = &snapshot.credentials;
        let number: u64 = set.access_key_id()[4..].parse().unwrap();
        let whole = samples::set(number, set.expiration());
        assert_eq!(set.secret_access_key().expose(), whole.secret_access_key().expose());
        assert_eq!(set.session_token().expose(), whole.session_token().expose());
        assert_eq!(set.expiration(), self.issued[usize::try_from(number).unwrap()].ends);
        assert!(rotated && snapshot.generation == before + 1);
        assert_eq!(snapshot.obtained, now.wall);
        assert!(snapshot.is_valid(now));
        self.set_back = false;
        self.served = Some(snapshot);
        self.tally.rotations += 1;
    }

    fn note(&mut self, failure: &Failure) {
        self.tally.failures += 1;
        match failure.kind {
            Kind::WrongClock(_) => self.tally.wrong_clocks += 1,
            Kind::Nonsense => self.tally.expired_on_arrival += 1,
            _ => {}
        }
    }

    /// One in flight, never sooner than the floor unless somebody insists.
    fn attempt(&mut self, just_failed: bool) {
        assert!(self.answer.is_none(), "two attempts in flight");
        let insisted = std::mem::take(&mut self.refreshing);
        assert!(insisted || !just_failed);
        if let (Some(landed), false) = (self.landed, insisted) {
            assert!(self.time >= landed + SECOND);
        }
        self.tally.attempts += 1;
        let hour = self.time.as_secs() / 3600;
        let (counted, so_far) = self.tally.this_hour;
        let so_far = if counted == hour { so_far + 1 } else { 1 };
        self.tally.this_hour = (hour, so_far);
        self.tally.busiest_hour = self.tally.busiest_hour.max(so_far);
        self.answer = Some(self.ask());
    }

    fn ask(&mut self) -> Answer {
        let delay = match self.weather {
            Weather::Slow => self.dice.span(SECOND, 39 * SECOND),
            Weather::Hanging => 40 * SECOND,
            Weather::Outage => self.dice.span(Duration::ZERO, 10 * SECOND),
            _ => self.dice.span(SECOND / 20, SECOND),
        };
        let asked = self.time;
        let answered = asked + delay.mul_f64(self.dice.fraction());
        let unsigned = !self.corrected && self.ahead.abs() > SignedDuration::from_mins(15);
        let failed = |kind| Event::Failed(Failure::new(kind, "no"));
        let event = match self.weather {
            Weather::Outage | Weather::Hanging => failed(Kind::Unreachable),
            Weather::Throttling => failed(Kind::Throttled),
            Weather::Refusing => failed(Kind::Refused),
            _ if unsigned => failed(Kind::WrongClock(self.ahead)),
            _ => Event::Got(self.issue(samples::moment(answered).wall)),
        };
        Answer { at: asked + delay, event }
    }

    fn issue(&mut self, now: Timestamp) -> Grant {
        let number = u64::try_from(self.issued.len()).unwrap();
        let life = if self.weather == Weather::Late { Duration::ZERO } else { self.session };
        let mut grant = samples::grant(number, now, life);
        if let Weather::Lying(by) = self.weather {
            grant.date = grant.date.map(|date| date + by);
        }
        self.issued.push(Issued {
            ends: grant.credentials.expiration(),
            dated_truly: !matches!(self.weather, Weather::Lying(_)),
        });
        grant
    }

    /// Lets time pass, and looks at every instant of it.
    fn pass(&mut self, to: Duration) {
        if self.weather != Weather::Fair || !self.ahead.is_zero() {
            self.troubled = to;
        }
        let now = self.now();
        let left = self.served.as_ref().map_or(Duration::ZERO, |set| set.left(now));
        let passed = to.saturating_sub(self.time);
        self.nothing_expired_is_served(left.min(passed));
        self.tally.unserved += passed.saturating_sub(left);
        self.time = to;
        self.last_updated_is_past();
        if to >= self.troubled + RECOVERY {
            self.tally.calm += passed;
            self.floor_holds();
        }
    }

    /// In true time, for all of the `span` from here in which it is served.
    ///
    /// A lie of STS about the time and a wall clock that is behind, both
    /// together, cannot be seen through.
    fn nothing_expired_is_served(&self, span: Duration) {
        let Some(set) = self.served.as_ref().filter(|_| !span.is_zero()) else {
            return;
        };
        let number: usize = set.credentials.access_key_id()[4..].parse().unwrap();
        let issued = &self.issued[number];
        if issued.dated_truly || !self.ahead.is_negative() {
            let last_served = clock::later(self.truly(), span);
            assert!(last_served <= issued.ends, "expired at {:?}", self.time);
        }
    }

    /// C17, but for a wall clock set back behind it, and then only until STS answers.
    fn last_updated_is_past(&self) {
        let Some(set) = &self.served else { return };
        if set.obtained > self.now().wall {
            assert!(self.set_back);
            assert!(self.time < self.troubled + RECOVERY);
        }
    }

    /// C15, wherever nothing has troubled STS, the clock or the machine of late.
    fn floor_holds(&self) {
        let set = self.served.as_ref().expect("something is served");
        let floor = (25 * MINUTE).min(self.session * 2 / 5);
        assert!(set.is_valid(self.now()));
        let left = clock::until(self.truly(), set.credentials.expiration());
        assert!(left >= floor, "{left:?} left at {:?}", self.time);
    }
}

fn live(session: Duration) {
    for seed in 1..=3 {
        let with_requests = seed == 2;
        let tally = World::new(seed, session, with_requests).run();
        let most = if with_requests { 1800 } else { 300 };
        assert!(tally.busiest_hour <= most, "{tally:?}");
        // A world in which too little happened would prove too little.
        assert!(f64::from(tally.rotations) > YEAR.div_duration_f64(session), "{tally:?}");
        assert!(tally.failures > tally.wrong_clocks + tally.expired_on_arrival);
        assert!(tally.wrong_clocks > 100 && tally.expired_on_arrival > 100);
        assert!(tally.refreshes > 100 && tally.calm > YEAR / 2);
        assert_eq!(tally.requests > 0, with_requests);
    }
}

#[test]
fn a_year_of_quarter_hours_serves_nothing_expired() {
    live(15 * MINUTE);
}

#[test]
fn a_year_of_hours_serves_nothing_expired_and_keeps_the_floor() {
    live(HOUR);
}

#[test]
fn a_year_of_half_days_serves_nothing_expired_and_keeps_the_floor() {
    live(12 * HOUR);
}
