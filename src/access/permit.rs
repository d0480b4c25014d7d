//! Which roles a caller may have: the first entry of `[[access]]` that fits decides.
//!
//! Without any entry everybody may have everything, as on an EC2 instance; with
//! some, whoever fits none of them gets nothing.

use std::net::{IpAddr, SocketAddr};

use crate::config::AccessRule;

/// Who called, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Where from.
    pub from: IpAddr,
    /// The listener that was called, as the settings have it.
    pub listen: SocketAddr,
    /// Whose program it is; unknown for callers elsewhere.
    pub user: Option<User>,
}

/// What is known of the groups that a user belongs to; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// The user is in each of these.
    pub known: Vec<u32>,
    /// The user is in no others.
    pub complete: bool,
}

/// The user of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The groups that it belongs to.
    pub gids: Vec<u32>,
}

/// What a caller may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit<'a> {
    /// Whatever there is.
    Everything,
    /// What this entry says.
    Stated(&'a AccessRule),
    /// No entry is about this caller.
    Nothing,
}

impl<'a> Permit<'a> {
    /// That of the first rule that is about this caller.
    #[must_use]
    pub fn of(caller: &Caller, rules: &'a [AccessRule]) -> Self {
        if rules.is_empty() {
            return Self::Everything;
        }
        rules.iter().find(|rule| is_about(rule, caller)).map_or(Self::Nothing, Self::Stated)
    }

    /// Whether this role may be given.
    #[must_use]
    pub fn allows(self, role: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Stated(entry) => entry.roles.iter().any(|allowed| allowed == role),
            Self::Nothing => false,
        }
    }

    /// The role that IMDS gives, where it is not the one of the listener.
    #[must_use]
    pub fn given(self) -> Option<&'a str> {
        match self {
            Self::Stated(rule) => rule.role.as_deref(),
            _ => None,
        }
    }
}

/// Whether the rules ask whose program calls.
#[must_use]
pub fn ask_for_users(rules: &[AccessRule]) -> bool {
    rules.iter().any(|rule| rule.uid.is_some() || rule.gid.is_some())
}

fn is_about(rule: &AccessRule, caller: &Caller) -> bool {
    let user = caller.user.as_ref();
    rule.uid.is_none_or(|uid| user.is_some_and(|user| user.uid == uid))
        && rule.gid.is_none_or(|gid| user.is_some_and(|user| user.gids.contains(&gid)))
        && rule.from.is_none_or(|network| network.contains(caller.from))
        && rule.listen.is_none_or(|address| address == caller.listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(roles: &[&str]) -> AccessRule {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        AccessRule { roles, ..AccessRule::default() }
    }

    fn caller(from: &str, user: Option<(u32, &[u32])>) -> Caller {
        let user = user.map(|(uid, gids)| User { uid, gids: gids.to_vec() });
        Caller { from: from.parse().unwrap(), listen: "127.0.0.1:1338".parse().unwrap(), user }
    }

    #[test]
    fn without_rules_everybody_may_have_everything_and_with_some_only_what_is_said() {
        let anybody = caller("127.0.0.1", None);
        assert!(Permit::of(&anybody, &[]).allows("dev"));
        let rules = [AccessRule { uid: Some(7), ..rule(&["dev"]) }];
        assert_eq!(Permit::of(&anybody, &rules), Permit::Nothing);
        assert!(!Permit::Nothing.allows("dev"));
    }

    #[test]
    fn the_first_rule_that_fits_decides_even_if_it_refuses() {
        let rules = [
            AccessRule { uid: Some(7), ..rule(&[]) },
            AccessRule { gid: Some(70), ..rule(&["dev"]) },
            AccessRule { from: Some("10.0.0.0/8".parse().unwrap()), ..rule(&["ci"]) },
            AccessRule { role: Some("ops".to_owned()), ..rule(&["ops", "dev"]) },
        ];
        let allows = |caller: &Caller| {
            let permit = Permit::of(caller, &rules);
            ["dev", "ci", "ops"].map(|role| permit.allows(role))
        };
        assert_eq!(allows(&caller("127.0.0.1", Some((7, &[70])))), [false, false, false]);
        assert_eq!(allows(&caller("127.0.0.1", Some((8, &[8, 70])))), [true, false, false]);
        assert_eq!(allows(&caller("10.1.2.3", None)), [false, true, false]);
        let rest = caller("127.0.0.1", Some((9, &[9])));
        assert_eq!(allows(&rest), [true, false, true]);
        assert_eq!(Permit::of(&rest, &rules).given(), Some("ops"));
    }

    #[test]
    fn every_condition_of_a_rule_has_to_hold() {
        let listen = "127.0.0.1:1339".parse().unwrap();
        let rules = [AccessRule { uid: Some(7), listen: Some(listen), ..rule(&["dev"]) }];
        let mut own = caller("127.0.0.1", Some((7, &[])));
        assert_eq!(Permit::of(&own, &rules), Permit::Nothing);
        own.listen = listen;
        assert!(Permit::of(&own, &rules).allows("dev"));
        own.user = None;
        assert_eq!(Permit::of(&own, &rules), Permit::Nothing);
        assert!(ask_for_users(&rules) && !ask_for_users(&[rule(&["dev"])]));
    }
}
