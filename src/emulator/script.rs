//! What this STS is told to do: whom it trusts, for how long, and what goes wrong.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::SignedDuration;

use super::fault::Fault;
use super::mfa::Mfa;
use crate::role::RoleArn;

/// The part that is played; the default is an STS at its best.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Grant this long, whatever was asked for; `None` grants what was asked for.
    pub session: Option<Duration>,
    /// Who may become whom.
    pub roles: Roles,
    /// Which MFA codes are good.
    pub mfa: Mfa,
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
    /// Grant this long, whatever was asked for and whatever the script says for all.
    pub session: Option<Duration>,
}

impl Default for Role {
    fn default() -> Self {
        Self { trust: Trust::Anyone, max_session: Duration::from_hours(12), session: None }
    }
}

/// What a trust policy demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Nothing.
    Anyone,
    /// This `ExternalId`.
    ExternalId(String),
    /// A code, or a session that was opened with one.
    Mfa,
    /// A web identity token or a SAML assertion of this kind, and no signature.
    Idp(Idp),
    /// More than anybody has.
    Nobody,
}

impl Trust {
    /// Whether who has signed an `AssumeRole` comes in.
    pub(super) fn admits(&self, external_id: Option<&str>, mfa: bool) -> bool {
        match self {
            Self::Anyone => true,
            Self::ExternalId(wanted) => external_id == Some(wanted),
            Self::Mfa => mfa,
            Self::Idp(_) | Self::Nobody => false,
        }
    }
}

/// An identity from outside; in a trust policy, `None` asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Idp {
    /// `iss`, or the assertion's `Issuer`.
    pub issuer: Option<String>,
    /// `aud` (or `azp`), or the assertion's `Recipient`.
    pub audience: Option<String>,
    /// `sub`, or the assertion's `NameID`.
    pub subject: Option<String>,
}

/// The first part in which an identity is not the one that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    Issuer,
    Audience,
    Subject,
}

impl Idp {
    /// Where `presented` is not what `self` asks for.
    pub(super) fn mismatch(&self, presented: &Self) -> Option<Mismatch> {
        let differs = |wanted: &Option<String>, is| wanted.is_some() && wanted != is;
        if differs(&self.issuer, &presented.issuer) {
            Some(Mismatch::Issuer)
        } else if differs(&self.audience, &presented.audience) {
            Some(Mismatch::Audience)
        } else {
            differs(&self.subject, &presented.subject).then_some(Mismatch::Subject)
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
