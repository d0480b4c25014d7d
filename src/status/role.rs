//! How one role stands, put together from its settings, its rotation and what
//! is served.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::config::RoleSettings;
use crate::credentials::Snapshot;
use crate::failure::Failure;
use crate::role::AccountId;
use crate::rotation::standing::{Phase, Standing};
use crate::sts::request::{Need, Source};

/// One role at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// What users call it.
    pub name: String,
    /// What IMDS lists (C4).
    pub role_name: String,
    /// Absent where a profile is served that assumes no role.
    pub role_arn: Option<String>,
    /// Absent until somebody tells.
    pub account: Option<String>,
    /// What clients are told.
    pub region: String,
    /// The base, then each role that is assumed, the served one last.
    pub source: Vec<String>,
    /// How it stands, in a word.
    pub state: State,
    /// Counts rotations; 0 before the first.
    pub generation: u64,
    /// When what is served came.
    pub obtained: Option<Timestamp>,
    /// When it ends, by the clock of STS.
    pub expires: Option<Timestamp>,
    /// The life still to run, by both clocks.
    #[serde(rename = "expires_in_seconds", with = "super::seconds")]
    pub left: Duration,
    /// An attempt is in flight.
    pub attempting: bool,
    /// When the next attempt begins.
    pub next_attempt: Option<Timestamp>,
    /// How many attempts failed in a row.
    pub failures: u32,
    /// Why the last attempt failed, where it did.
    pub last_error: Option<Complaint>,
    /// Nothing gets better by itself: somebody has to do what `last_error` hints at.
    pub human_needed: bool,
    /// What somebody gives it from time to time: a code, a login, an assertion.
    pub needs: Option<Needs>,
    /// How many attempts failed since the start, by code or kind.
    pub failed_attempts: BTreeMap<String, u64>,
}

/// What only a human has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// `mfa`, `saml`, `sso` or `login`.
    pub what: String,
    /// Of which device, for which role, of which profile.
    pub of: String,
    /// What to type.
    pub order: String,
    /// True while it is waited for.
    pub awaited: bool,
    /// When what was given last ends, as far as is known.
    pub ends: Option<Timestamp>,
}

/// How a role stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The first credentials are not there yet.
    Waiting,
    /// Valid, and not yet due.
    Fresh,
    /// Valid, but due.
    Stale,
    /// Nothing valid is held.
    Expired,
    /// Nothing valid is held, and STS said no.
    Refused,
    /// Nothing valid is held, and nobody asked for it: it is assumed when somebody does.
    Resting,
    /// Wiped, until somebody unlocks.
    Locked,
}

impl State {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Resting => "resting",
            Self::Locked => "locked",
        }
    }

    /// True where clients get credentials, if need be after a moment.
    #[must_use]
    pub const fn serves(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale | Self::Resting)
    }
}

/// A failure, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// The code of STS, else our word for the kind of failure.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What is served of a role, and how its last attempts went.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The generation being served.
    pub snapshot: Option<&'a Snapshot>,
    /// Why the last attempt failed, where it did.
    pub failure: Option<&'a Failure>,
    /// Whose credentials they are, as far as is known.
    pub account: &'a AccountId,
    /// Nothing is served at all.
    pub locked: bool,
    /// Failures by code or kind.
    pub failed: &'a BTreeMap<String, u64>,
}

impl RoleStatus {
    /// Puts the parts together.
    #[must_use]
    pub fn new(settings: &RoleSettings, held: Held<'_>, standing: Standing, now: Now) -> Self {
        let left = held.snapshot.map_or(Duration::ZERO, |snapshot| snapshot.left(now));
        Self {
            name: settings.name.clone(),
            role_name: settings.role_name.to_string(),
            role_arn: settings.role_arn.as_ref().map(ToString::to_string),
            account: (*held.account != AccountId::unknown()).then(|| held.account.to_string()),
            region: settings.region.to_string(),
            source: chain(&settings.source),
            state: state(held, standing, left),
            generation: held.snapshot.map_or(0, |snapshot| snapshot.generation),
            obtained: held.snapshot.map(|snapshot| snapshot.obtained),
            expires: held.snapshot.map(|snapshot| snapshot.credentials.expiration()),
            left,
            attempting: standing.attempting,
            next_attempt: standing.next,
            failures: standing.failures,
            last_error: held.failure.map(complaint),
            human_needed: held.failure.is_some_and(Failure::needs_human),
            needs: settings.source.need().map(|need| needs(&need, held)),
            failed_attempts: held.failed.clone(),
        }
    }
}

/// Rotation tells only when something happens; what runs out runs out between.
fn state(held: Held<'_>, standing: Standing, left: Duration) -> State {
    if held.locked {
        State::Locked
    } else if !left.is_zero() {
        let fresh = standing.phase == Phase::Fresh && held.failure.is_none();
        if fresh { State::Fresh } else { State::Stale }
    } else if standing.resting {
        State::Resting
    } else if held.failure.is_some_and(Failure::is_refusal) {
        State::Refused
    } else if held.snapshot.is_some() {
        State::Expired
    } else {
        State::Waiting
    }
}

fn complaint(failure: &Failure) -> Complaint {
    Complaint {
        code: failure.name().to_owned(),
        message: failure.message.clone(),
        hint: failure.hint.clone(),
    }
}

fn needs(need: &Need, held: Held<'_>) -> Needs {
    Needs {
        what: need.word().to_owned(),
        of: need.subject().to_owned(),
        order: need.order().to_owned(),
        awaited: held.failure.is_some_and(Failure::awaits_human),
        ends: None,
    }
}

fn chain(source: &Source) -> Vec<String> {
    let hops = source.hops.iter().map(|hop| hop.role_arn.to_string());
    std::iter::once(source.start.to_string()).chain(hops).collect()
}
