//! How long a session is asked for, and what STS allows.
//!
//! The limits of the service model only: a role's own maximum (A3) and the cut
//! for a root user (A5) are known to STS alone.

use std::time::Duration;

use crate::role::Malformed;

/// `DurationSeconds` of the `AssumeRole*` actions: 900 to 43200 s, 3600 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionDuration(Duration);

impl SessionDuration {
    /// The most that STS grants when the caller is a role itself (A4).
    pub const CHAINED: Self = Self(Duration::from_hours(1));

    /// As a span of time.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Default for SessionDuration {
    fn default() -> Self {
        Self::CHAINED
    }
}

impl TryFrom<Duration> for SessionDuration {
    type Error = Malformed;

    fn try_from(span: Duration) -> Result<Self, Malformed> {
        let why = "it is 900 to 43200 whole seconds";
        within(span, 43_200, why).map(Self)
    }
}

/// `DurationSeconds` of `GetSessionToken` and `GetFederationToken`: 900 to
/// 129600 s, 43200 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserSessionDuration(Duration);

impl UserSessionDuration {
    /// As a span of time.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Default for UserSessionDuration {
    fn default() -> Self {
        Self(Duration::from_hours(12))
    }
}

impl TryFrom<Duration> for UserSessionDuration {
    type Error = Malformed;

    fn try_from(span: Duration) -> Result<Self, Malformed> {
        let why = "it is 900 to 129600 whole seconds";
        within(span, 129_600, why).map(Self)
    }
}

fn within(span: Duration, most: u64, why: &'static str) -> Result<Duration, Malformed> {
    let whole = Duration::from_secs(span.as_secs());
    if whole == span && (900..=most).contains(&span.as_secs()) {
        Ok(span)
    } else {
        Err(Malformed { expected: "a session duration", why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_keeps_to_the_limits_of_its_action() {
        // docs/rules.md, STS parameters
        let role = |seconds| SessionDuration::try_from(Duration::from_secs(seconds)).is_ok();
        let user = |seconds| UserSessionDuration::try_from(Duration::from_secs(seconds)).is_ok();
        assert_eq!([899, 900, 43_200, 43_201].map(role), [false, true, true, false]);
        assert_eq!([899, 900, 129_600, 129_601].map(user), [false, true, true, false]);
        assert!(SessionDuration::try_from(Duration::from_millis(900_500)).is_err());
        assert_eq!(UserSessionDuration::default().get(), Duration::from_hours(12));
    }
}
