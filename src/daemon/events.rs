//! Tells a human that he is needed: by a command of his, and on the desktop.
//!
//! Once when something is waited for, until it is there, and once before a
//! session ends that only a code can renew. The log is told by rotation.
//! Nothing here delays anything: whoever is told too slowly is told in vain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::role::Known;
use super::steering::Shown;
use crate::clock::{self, Clock, Now};
use crate::config::Events;
use crate::control::{Chronicle, Demand, Event};
use crate::credentials::Validity;
use crate::failure::Failure;
use crate::rotation::port::Alarm;
use crate::secret::Secret;
use crate::sts::request::{CommandLine, MfaSerial, Need};
use crate::sts::{self, Reception};
use crate::sys::wake::WallAlarm;

/// How long a command may take to take note.
const LIMIT: Duration = Duration::from_secs(20);

/// One event, as commands read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Notice {
    event: &'static str,
    time: Timestamp,
    role: String,
    what: &'static str,
    of: String,
    order: &'static str,
    message: String,
    hint: Option<String>,
    /// Until when something valid is served, or the session lasts.
    until: Option<Timestamp>,
}

/// What is looked at, and what was told of it.
pub(super) struct Lookout {
    pub(super) role: Known,
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) sessions: watch::Receiver<BTreeMap<MfaSerial, Validity>>,
    pub(super) chronicle: Arc<Chronicle>,
    /// Runs what tells them.
    pub(super) reception: Reception,
    pub(super) clock: Arc<dyn Clock>,
}

/// Which role needs what.
#[derive(Clone, Copy)]
struct Whose<'a> {
    role: &'a str,
    need: &'a Need,
}

/// What was told, so that it is told once.
#[derive(Debug, Default)]
struct Told {
    waiting: bool,
    /// The session that was seen last, and its life when it was seen first.
    session: Option<(Validity, Duration)>,
    /// The end of the session whose end was told.
    ending: Option<Timestamp>,
}

impl Lookout {
    /// Looks out as long as the handle is held.
    pub(super) fn keep(self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(self.run()))
    }

    async fn run(mut self) {
        let Ok(mut alarm) = WallAlarm::new() else { return };
        let mut outcomes = self.role.store.subscribe();
        let mut told = Told::default();
        loop {
            let now = self.clock.now();
            let events = self.shown.borrow_and_update().events.clone();
            let role = self.role.settings.borrow_and_update().clone();
            if let Some(need) = role.source.need() {
                let whose = Whose { role: &role.name, need: &need };
                let ending = self.ending(whose, &events, &mut told, now);
                for event in self.waiting(whose, &mut told, now).into_iter().chain(ending) {
                    self.chronicle.note(now.wall, &event.told());
                    tell(event, &events, &self.reception);
                }
            }
            let next = told.next(&events, now);
            tokio::select! {
                Ok(()) = outcomes.changed() => {}
                Ok(()) = self.shown.changed() => {}
                Ok(()) = self.role.settings.changed() => {}
                Ok(()) = self.sessions.changed() => {}
                _ = alarm.ring_at(next) => {}
            }
        }
    }

    fn waiting(&self, whose: Whose<'_>, told: &mut Told, now: Now) -> Option<Notice> {
        let state = self.role.store.read();
        let Some(failure) = state.failure.as_ref() else {
            told.waiting = false;
            return None;
        };
        if !failure.awaits_human() || std::mem::replace(&mut told.waiting, true) {
            return None;
        }
        let valid = state.snapshot.as_ref().filter(|snapshot| snapshot.is_valid(now));
        let Failure { message, hint, .. } = failure.clone();
        let until = valid.map(|snapshot| snapshot.credentials.expiration());
        Some(Notice { message, hint, until, ..Notice::of("waiting", whose, now) })
    }

    fn ending(
        &mut self,
        whose: Whose<'_>,
        events: &Events,
        told: &mut Told,
        now: Now,
    ) -> Option<Notice> {
        let Need::Code { serial, by_hand: true } = whose.need else { return None };
        let sessions = self.sessions.borrow_and_update();
        let Some(session) = sessions.get(serial).filter(|held| !held.left(now).is_zero()) else {
            told.session = None;
            return None;
        };
        let (ends, left) = (session.expires, session.left(now));
        if told.session.is_none_or(|(seen, _)| seen.expires != ends) {
            told.session = Some((*session, left));
        }
        if told.ending == Some(ends) || left > told.lead(events) {
            return None;
        }
        told.ending = Some(ends);
        let minutes = left.as_secs().div_ceil(60);
        let message = format!("the MFA session of {} ends in {minutes} min", serial.as_str());
        let hint = "give the next code of the device: assumed mfa".to_owned();
        warn!(event = "ending", role = whose.role, %ends, hint, "the MFA session ends soon");
        let event = Notice::of("ending", whose, now);
        Some(Notice { message, hint: Some(hint), until: Some(ends), ..event })
    }
}

impl Told {
    /// Short sessions are not told of as soon as they begin.
    fn lead(&self, events: &Events) -> Duration {
        let life = self.session.map_or(Duration::ZERO, |(_, life)| life);
        events.lead.min(life / 2)
    }

    /// When there will be something to tell.
    fn next(&self, events: &Events, now: Now) -> Option<Timestamp> {
        let (session, _) = self.session.filter(|(held, _)| self.ending != Some(held.expires))?;
        // By what is left, for the wall clock alone may be wrong.
        Some(clock::later(now.wall, session.left(now).saturating_sub(self.lead(events))))
    }
}

impl Notice {
    fn of(event: &'static str, whose: Whose<'_>, now: Now) -> Self {
        Self {
            event,
            time: now.wall,
            role: whose.role.to_owned(),
            what: whose.need.word(),
            of: whose.need.subject().to_owned(),
            order: whose.need.order(),
            message: String::new(),
            hint: None,
            until: None,
        }
    }

    /// As it is told on the control socket.
    fn told(&self) -> Event {
        let Self { role, what, of, order, message, until, .. } = self.clone();
        let demand = Demand { role, what, of, order, message, until };
        match self.event {
            "ending" => Event::Ending(demand),
            _ => Event::Waiting(demand),
        }
    }
}

/// Tells whoever wants to know, beside everything else.
fn tell(event: Notice, events: &Events, reception: &Reception) {
    let reception = reception.clone();
    if let Some(command) = events.command.clone() {
        let reception = reception.clone();
        let mut text = serde_json::to_vec(&event).unwrap_or_default();
        text.push(b'\n');
        tokio::spawn(async move {
            if let Err(error) =
                sts::tell("events.command", &command, &text, reception.runner(LIMIT)).await
            {
                warn!(event = "events", %error, "nobody was told that a human is needed");
            }
        });
    }
    if events.notify && has_desktop() {
        tokio::spawn(async move {
            let command = notification(&event);
            let runner = reception.runner(LIMIT);
            if let Err(error) = sts::tell("notify-send", &command, &[], runner).await {
                debug!(event = "events", %error, "no notification on the desktop");
            }
        });
    }
}

/// True where there is somebody to show it to.
pub(super) fn has_desktop() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || set("DBUS_SESSION_BUS_ADDRESS")
}

fn notification(event: &Notice) -> CommandLine {
    let title = format!("assumed: {} needs you", event.role);
    let body = format!("{}\n{}", event.message, event.order);
    let words = if cfg!(target_os = "macos") {
        // Arguments of the script, so that no text can become part of it.
        let script =
            "on run a\ndisplay notification (item 2 of a) with title (item 1 of a)\nend run";
        vec!["osascript".to_owned(), "-e".to_owned(), script.to_owned(), title, body]
    } else {
        vec![
            "notify-send".to_owned(),
            "--app-name=assumed".to_owned(),
            "--".to_owned(),
            title,
            body,
        ]
    };
    CommandLine::Words(words.into_iter().map(Secret::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BootTime;

    const MINUTE: Duration = Duration::from_mins(1);

    fn told(life: Duration, now: Now) -> Told {
        let expires = clock::later(now.wall, life);
        let session = Validity { expires, deadline: now.boot.plus(life) };
        Told { session: Some((session, life)), ..Told::default() }
    }

    #[test]
    fn a_session_is_told_of_with_the_lead_left_or_half_of_it() {
        let now = Now { wall: Timestamp::UNIX_EPOCH, boot: BootTime::default() };
        let events = Events::default();
        for (life, after) in [(720 * MINUTE, 705 * MINUTE), (20 * MINUTE, 10 * MINUTE)] {
            let told = told(life, now);
            assert_eq!(told.next(&events, now), Some(clock::later(now.wall, after)));
        }
        let mut told = told(MINUTE, now);
        told.ending = told.session.map(|(session, _)| session.expires);
        assert_eq!(told.next(&events, now), None, "once");
    }

    #[test]
    fn a_wrong_wall_clock_wakes_nobody_all_the_time() {
        let now = Now { wall: Timestamp::UNIX_EPOCH, boot: BootTime::default() };
        let told = told(720 * MINUTE, now);
        let slow = Now { wall: clock::later(now.wall, 600 * MINUTE), ..now };
        let next = told.next(&Events::default(), slow).unwrap();
        assert_eq!(clock::until(slow.wall, next), 105 * MINUTE);
    }
}
