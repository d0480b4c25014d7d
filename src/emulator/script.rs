//! What this STS is told to do: whom it trusts, for how long, and what goes wrong.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::SignedDuration;

use super::fault::Fault;
use crate::role::RoleArn;

/// The part that is played; the default is an STS at its best.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Grant this long, whatever was asked for; `None` grants what was asked for.
    pub session: Option<Duration>,
    /// Who may become whom.
    pub roles: Roles,
    /// How far this STS's own clock is off, in all it says and checks.
    pub skew: SignedDuration,
    /// What happens to the coming requests, one each; `None` is no fault.
    pub next: VecDeque<Option<Fault>>,
    /// What happens to every request once `next` is used up.
    pub standing: Option<Fault>,
}

impl Script {
    /// The fault of the request that has just come in.
    pub(super) fn turn(&mut self) -> Option<Fault> {
        self.next.pop_front().unwrap_or(self.standing)
    }
}

/// The roles there are.
#[derive(Debug, Clone)]
pub struct Roles {
    /// Those with rules of their own.
    pub known: BTreeMap<String, Role>,
    /// What holds for every other ARN; `None` says that there are no others.
    pub others: Option<Role>,
}

impl Roles {
    pub(super) fn find(&self, arn: &RoleArn) -> Option<&Role> {
        self.known.get(arn.as_str()).or(self.others.as_ref())
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self { known: BTreeMap::new(), others: Some(Role::default()) }
    }
}

/// One role's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Who may assume it.
    pub trust: Trust,
    /// `MaxSessionDuration`: to ask for more fails (A3).
    pub max_session: Duration,
}

impl Default for Role {
    fn default() -> Self {
        Self { trust: Trust::Anyone, max_session: Duration::from_hours(12) }
    }
}

/// What a trust policy demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Nothing.
    Anyone,
    /// This `ExternalId`.
    ExternalId(String),
    /// More than anybody has.
    Nobody,
}

impl Trust {
    pub(super) fn admits(&self, external_id: Option<&str>) -> bool {
        match self {
            Self::Anyone => true,
            Self::ExternalId(wanted) => external_id == Some(wanted),
            Self::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_one_request_and_a_standing_one_all_others() {
        let mut script = Script {
            next: [Some(Fault::Hang), None].into(),
            standing: Some(Fault::Reset),
            ..Script::default()
        };
        let turns: Vec<_> = (0..4).map(|_| script.turn()).collect();
        assert_eq!(turns, [Some(Fault::Hang), None, Some(Fault::Reset), Some(Fault::Reset)]);
    }
}
