//! Decides when STS is asked, and what its answer changes.
//!
//! An [`Event`] and the time go in, a [`Step`] comes out: no sleeping, no
//! logging, no call. Events only alter what is known; one rule at the end of
//! [`Machine::on`] decides about the next attempt, so that there is never more
//! than one in flight. No secret stays here.

use std::time::Duration;

use jiff::Timestamp;

use super::news::{Echo, News, Obtained, Outcome};
use super::standing::{Phase, Standing};
use super::{arrival, schedule};
use crate::clock::{self, BootTime, Now};
use crate::credentials::{Credentials, Grant, Snapshot, Validity};
use crate::failure::Failure;

/// What can happen to a role.
#[derive(Debug)]
pub enum Event {
    /// Rotation begins.
    Started,
    /// The alarm rang.
    Due,
    /// A request found nothing valid.
    Demand,
    /// Somebody who may wants a rotation now, back-off or not.
    Refresh,
    /// Nobody has asked, yet or for long: no attempt until somebody does.
    Rest,
    /// The wall clock was set, or the machine woke from suspend.
    ClockChanged,
    /// All is to be forgotten, and no attempt made until it is unlocked.
    Lock,
    /// Attempts are made again.
    Unlock,
    /// The attempt in flight brought this.
    Got(Grant),
    /// The attempt in flight failed.
    Failed(Failure),
}

/// What is to be done.
#[derive(Debug)]
pub struct Step {
    /// What came of the attempt that has just ended: to publish, and to tell.
    pub news: Option<News>,
    /// True where an attempt is to begin.
    pub attempt: bool,
    /// When to ring, by the wall clock; `None` while in flight, at rest or locked.
    pub alarm: Option<Timestamp>,
    /// From when on a demand has an attempt under way at once.
    pub demandable: BootTime,
}

/// The rotation of one role.
#[derive(Debug, Default)]
pub struct Machine {
    held: Option<Held>,
    trouble: Option<Trouble>,
    flight: Option<Flight>,
    /// When the last attempt ended.
    landed: BootTime,
    /// No attempt before this, unless somebody insists.
    not_before: BootTime,
    refresh: bool,
    resting: bool,
    locked: bool,
    /// The newest generation there was; what is held may be gone.
    generation: u64,
    /// How many attempts have begun.
    attempts: u64,
    echo: Echo,
}

/// The set that is served, without its secrets.
#[derive(Debug)]
struct Held {
    access_key_id: String,
    obtained: Timestamp,
    validity: Validity,
    /// Due with this much life left.
    reserve: Duration,
    /// The same, had the set come at once and the wall clock been right.
    proper_reserve: Duration,
}

/// Attempts are failing.
#[derive(Debug)]
struct Trouble {
    last: Failure,
    failures: u32,
}

/// An attempt is in flight.
#[derive(Debug)]
struct Flight {
    since: BootTime,
    /// The clock changed meanwhile, so that a failure says little.
    disturbed: bool,
}

impl Machine {
    /// Takes an event in; `jitter` is a fresh random number in `0.0..=1.0`.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now, jitter: f64) -> Step {
        let news = match event {
            Event::Started | Event::Due => None,
            Event::Demand => {
                self.demand(now);
                None
            }
            Event::Refresh => {
                self.resting = false;
                self.refresh = true;
                None
            }
            Event::Rest => {
                self.resting = true;
                None
            }
            Event::ClockChanged => {
                self.clock_changed();
                None
            }
            Event::Lock => {
                self.lock(now);
                None
            }
            Event::Unlock => {
                self.locked = false;
                None
            }
            // Whoever locks drops the attempt; what it brings all the same is not ours.
            Event::Got(_) | Event::Failed(_) if self.locked => None,
            Event::Got(grant) => Some(self.got(grant, now, jitter)),
            Event::Failed(failure) => {
                let flight = self.land(now);
                Some(self.failed(failure, &flight, now, jitter))
            }
        };
        let due = self.refresh || self.pause(now).is_zero();
        let attempt = due && self.flight.is_none() && !self.locked && !self.resting;
        if attempt {
            self.refresh = false;
            self.attempts += 1;
            self.flight = Some(Flight { since: now.boot, disturbed: false });
        }
        Step { news, attempt, alarm: self.next(now), demandable: self.demandable(now) }
    }

    /// True where no attempt is made until somebody asks.
    #[must_use]
    pub const fn rests(&self) -> bool {
        self.resting
    }

    /// How the role stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Now) -> Standing {
        Standing {
            phase: self.phase(now),
            attempts: self.attempts,
            attempting: self.flight.is_some(),
            resting: self.resting,
            next: self.next(now),
            failures: self.trouble.as_ref().map_or(0, |trouble| trouble.failures),
        }
    }

    fn phase(&self, now: Now) -> Phase {
        let refused = || self.trouble.as_ref().is_some_and(|trouble| trouble.last.is_refusal());
        match &self.held {
            _ if self.locked => Phase::Locked,
            Some(held) if !held.lead(now).is_zero() => Phase::Fresh,
            Some(held) if !held.validity.left(now).is_zero() => Phase::Stale,
            _ if refused() => Phase::Refused,
            Some(_) => Phase::Expired,
            None => Phase::Waiting,
        }
    }

    fn left(&self, now: Now) -> Duration {
        self.held.as_ref().map_or(Duration::ZERO, |held| held.validity.left(now))
    }

    /// How long until the next attempt; zero where it is due.
    fn pause(&self, now: Now) -> Duration {
        let rest = self.not_before.since(now.boot);
        match (&self.trouble, &self.held) {
            (None, Some(held)) => held.lead(now).max(rest),
            _ => rest,
        }
    }

    fn next(&self, now: Now) -> Option<Timestamp> {
        let waits = self.flight.is_none() && !self.locked && !self.resting;
        waits.then(|| clock::later(now.wall, self.pause(now)))
    }

    fn demandable(&self, now: Now) -> BootTime {
        let idle = self.flight.is_none();
        if idle { self.not_before.min(self.landed.plus(schedule::REST)) } else { now.boot }
    }

    /// Remembered where it comes too early: whoever asked is still without.
    fn demand(&mut self, now: Now) {
        self.resting = false;
        if self.left(now).is_zero() {
            self.cut_rest();
        }
    }

    /// Waking up is the best moment to try: networks come and go with it.
    fn clock_changed(&mut self) {
        if let Some(held) = &mut self.held {
            held.reserve = held.proper_reserve;
        }
        if let Some(flight) = &mut self.flight {
            flight.disturbed = true;
        }
        self.cut_rest();
    }

    fn cut_rest(&mut self) {
        let earliest = self.landed.plus(schedule::REST);
        self.not_before = self.not_before.min(earliest);
    }

    fn lock(&mut self, now: Now) {
        *self = Self {
            locked: true,
            resting: self.resting,
            generation: self.generation,
            attempts: self.attempts,
            not_before: now.boot,
            ..Self::default()
        };
    }

    fn land(&mut self, now: Now) -> Flight {
        self.landed = now.boot;
        self.flight.take().unwrap_or(Flight { since: now.boot, disturbed: false })
    }

    fn got(&mut self, grant: Grant, now: Now, jitter: f64) -> News {
        let flight = self.land(now);
        let deadline = arrival::deadline(&grant, flight.since, now);
        let twin = self.twin(&grant.credentials);
        let validity = Validity {
            expires: grant.credentials.expiration(),
            // A set that comes a second time is no younger for it.
            deadline: twin.map_or(deadline, |held| deadline.min(held.validity.deadline)),
        };
        match arrival::judge(validity, grant.date, now) {
            Ok(()) => {
                let news = self.obtained(grant, validity, now, jitter);
                if flight.disturbed {
                    // It may have aged on the way, asleep in a socket.
                    self.clock_changed();
                }
                news
            }
            Err(failure) => self.failed(failure, &flight, now, jitter),
        }
    }

    /// The set that is held, where the source gave that very set again.
    fn twin(&self, credentials: &Credentials) -> Option<&Held> {
        self.held.as_ref().filter(|held| {
            held.access_key_id == credentials.access_key_id()
                && held.validity.expires == credentials.expiration()
        })
    }

    fn obtained(&mut self, grant: Grant, validity: Validity, now: Now, jitter: f64) -> News {
        let twin = self.twin(&grant.credentials);
        let rotated = twin.is_none();
        // Only a rotation moves `LastUpdated`, and nothing puts it in the future (C17).
        let obtained = twin.map_or(now.wall, |held| held.obtained.min(now.wall));
        self.generation += u64::from(rotated);
        let generation = self.generation;
        let life = arrival::life(&grant, now);
        self.held = Some(Held {
            access_key_id: grant.credentials.access_key_id().to_owned(),
            obtained,
            validity,
            reserve: reserve(validity.left(now), jitter),
            proper_reserve: reserve(life, jitter),
        });
        let longest = life.max(clock::until(now.wall, validity.expires));
        self.not_before = now.boot.plus(schedule::rest(longest));
        self.trouble = None;
        self.echo.forget();
        News::obtained(Obtained {
            snapshot: Snapshot {
                generation,
                credentials: grant.credentials.clone(),
                obtained,
                deadline: validity.deadline,
            },
            rotated,
            skew: arrival::skew(grant.date, now),
            grant,
        })
    }

    /// Whatever failed, what is valid stays.
    fn failed(&mut self, failure: Failure, flight: &Flight, now: Now, jitter: f64) -> News {
        let left = self.left(now);
        let before = self.trouble.as_ref().map_or(0, |trouble| trouble.failures);
        let failures = before.saturating_add(1);
        let wait = if flight.disturbed {
            schedule::REST
        } else if failure.is_refusal() {
            schedule::after_refusal(left, jitter)
        } else {
            schedule::back_off(left, failures, jitter)
        };
        let level = self.echo.level(&failure, !left.is_zero(), now.boot);
        self.trouble = Some(Trouble { last: failure.clone(), failures });
        self.not_before = now.boot.plus(wait);
        News { outcome: Outcome::Failed(failure), level }
    }
}

impl Held {
    /// How long until it is due, by whichever clock says so first.
    ///
    /// Due at once where the wall clock was set back behind its `LastUpdated`,
    /// which only a rotation can put right (C17).
    fn lead(&self, now: Now) -> Duration {
        if self.obtained > now.wall {
            return Duration::ZERO;
        }
        self.validity.left(now).saturating_sub(self.reserve)
    }
}

fn reserve(life: Duration, jitter: f64) -> Duration {
    life.saturating_sub(schedule::hold(life, jitter))
}

#[cfg(test)]
mod tests;
