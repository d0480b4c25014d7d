//! Why an order is not carried out: a code for machines, a sentence, a hint.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::nearest;
use crate::failure::{Failure, Kind};
use crate::fatal::{Exit, Fatal};
use crate::status::{RoleStatus, State, Status};
use crate::sts::request::Unnarrowable;

/// The reasons that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The order does not read as one.
    BadRequest,
    /// The caller may not steer this daemon.
    Forbidden,
    /// There is no such path.
    NotFound,
    /// The path is there, but not for this method.
    MethodNotAllowed,
    /// The daemon has no role or consumer of this name.
    NoSuchName,
    /// Everything is locked.
    Locked,
    /// Credentials cannot be had at the moment.
    Unavailable,
    /// Somebody has to log in, or to mend something.
    HumanNeeded,
    /// STS said no.
    Refused,
    /// The settings are wrong.
    Settings,
    /// Our own mistake.
    Bug,
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For machines.
    pub code: Code,
    /// A lower-case fragment without a period.
    pub message: String,
    /// What the reader can do.
    pub hint: Option<String>,
}

impl Code {
    /// The status line that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound | Self::NoSuchName => 404,
            Self::MethodNotAllowed => 405,
            Self::Locked => 423,
            Self::Settings => 422,
            Self::Bug => 500,
            Self::Refused => 502,
            Self::Unavailable | Self::HumanNeeded => 503,
        }
    }

    /// What a verb that is refused so ends with.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::BadRequest | Self::NoSuchName => Exit::Usage,
            Self::Locked | Self::Unavailable => Exit::Unavailable,
            Self::HumanNeeded => Exit::Waiting,
            Self::Forbidden | Self::Refused => Exit::Refused,
            Self::Settings => Exit::Settings,
            // A daemon of another version, at best.
            Self::NotFound | Self::MethodNotAllowed | Self::Bug => Exit::Bug,
        }
    }
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Nobody of this name is served.
    #[must_use]
    pub fn no_role(name: Option<&str>, status: &Status) -> Self {
        let name = name.unwrap_or(&status.active);
        let known: Vec<&str> = status.roles.iter().map(|role| role.name.as_str()).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("this daemon serves {}", known.join(", ")),
        };
        Self::new(Code::NoSuchName, format!("no role {name} here")).hint(hint)
    }

    /// No session of this role could do less.
    #[must_use]
    pub fn unnarrowable(role: &str, why: Unnarrowable) -> Self {
        Self::new(Code::BadRequest, format!("{role} cannot be narrowed: {why}")).hint(why.hint())
    }

    /// All is locked.
    #[must_use]
    pub fn locked() -> Self {
        Self::new(Code::Locked, "everything is locked").hint("`assumed unlock` assumes anew")
    }

    /// Why clients get no credentials of this role; `None` while they do.
    #[must_use]
    pub fn of(role: &RoleStatus) -> Option<Self> {
        let code = match role.state {
            State::Fresh | State::Stale | State::Resting => return None,
            State::Locked => return Some(Self::locked()),
            State::Refused => Code::Refused,
            _ if role.human_needed => Code::HumanNeeded,
            State::Waiting | State::Expired => Code::Unavailable,
        };
        Some(match &role.last_error {
            Some(error) => Self { code, message: error.message.clone(), hint: error.hint.clone() },
            None => Self::new(code, "no credentials yet").hint("they are being asked for"),
        })
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        let code = match failure.kind {
            Kind::Refused => Code::Refused,
            Kind::Panicked => Code::Bug,
            _ if failure.needs_human() => Code::HumanNeeded,
            _ => Code::Unavailable,
        };
        Self { code, message: failure.to_string(), hint: failure.hint.clone() }
    }
}

impl From<Refusal> for Fatal {
    fn from(refusal: Refusal) -> Self {
        let fatal = Self::new(refusal.code.exit(), refusal.message);
        match refusal.hint {
            Some(hint) => fatal.hint(hint),
            None => fatal,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
