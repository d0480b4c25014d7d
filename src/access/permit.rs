//! Which roles a caller gets: the first entry of `[[access]]` that matches decides.
//!
//! Without entries every caller gets every role, as on an EC2 instance. With entries, a caller
//! that matches none gets nothing. What is not known of a caller counts against it: it never gets
//! more than any of the users that it may be.

use std::net::{IpAddr, SocketAddr};

use crate::config::{AccessRule, Cidr};

/// The peer of a connection, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The peer's address.
    pub from: IpAddr,
    /// The address of the listener, as it is written in the settings.
    pub listen: SocketAddr,
    /// Whose process it is.
    pub identity: CallerIdentity,
}

/// Whose process a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerIdentity {
    /// A process of this user, on this host.
    LocalUser(User),
    /// A process on this host whose user cannot be established.
    UnknownLocalUser,
    /// On another host, or in another network namespace.
    Remote,
}

impl CallerIdentity {
    /// The user id, if it is known.
    #[must_use]
    pub const fn uid(&self) -> Option<u32> {
        match self {
            Self::LocalUser(user) => Some(user.uid),
            Self::UnknownLocalUser | Self::Remote => None,
        }
    }
}

/// A user of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The groups of this user.
    pub groups: Groups,
}

/// What is known of the groups that a user belongs to; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// The user is in each of these.
    pub known: Vec<u32>,
    /// The user is in no others.
    pub complete: bool,
}

/// What a caller may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit<'a> {
    /// Every role: there are no rules.
    Everything,
    /// The roles of a rule that matches.
    Stated {
        /// The rule.
        rule: &'a AccessRule,
        /// The rules before it: none of them matches, but some may be about this caller.
        before: &'a [AccessRule],
        /// Who calls.
        caller: &'a Caller,
    },
    /// No role.
    Nothing,
}

impl<'a> Permit<'a> {
    /// The decision of the first rule that matches this caller.
    #[must_use]
    pub fn of(caller: &'a Caller, rules: &'a [AccessRule]) -> Self {
        if rules.is_empty() {
            return Self::Everything;
        }
        let decides = |rule: &AccessRule| match matches(rule, caller) {
            Match::Yes => true,
            // The caller may be the one that this rule denies.
            Match::Unknown => rule.roles.is_empty(),
            Match::No => false,
        };
        let first = rules.iter().position(decides).and_then(|at| rules.split_at_checked(at));
        match first {
            Some((before, [rule, ..])) if matches(rule, caller) == Match::Yes => {
                Self::Stated { rule, before, caller }
            }
            _ => Self::Nothing,
        }
    }

    /// Whether the caller may have this role.
    #[must_use]
    pub fn allows(self, role: &str) -> bool {
        let lists = |rule: &AccessRule| rule.roles.iter().any(|allowed| allowed == role);
        match self {
            Self::Everything => true,
            // A rule that may be about this caller grants nothing, but what it leaves out is denied.
            Self::Stated { rule, before, caller } => {
                let mut possible = before.iter().filter(|rule| matches(rule, caller) != Match::No);
                lists(rule) && possible.all(lists)
            }
            Self::Nothing => false,
        }
    }

    /// The role that IMDS serves to this caller instead of the listener's role.
    #[must_use]
    pub fn given(self) -> Option<&'a str> {
        match self {
            Self::Stated { rule, .. } => rule.role.as_deref(),
            Self::Everything | Self::Nothing => None,
        }
    }
}

/// Whether any rule depends on who a caller is, or on whether it is on this host.
#[must_use]
pub fn depend_on_identity(rules: &[AccessRule]) -> bool {
    name_users(rules) || rules.iter().any(|rule| rule.from.is_some())
}

/// Whether any rule names a user or a group.
#[must_use]
pub fn name_users(rules: &[AccessRule]) -> bool {
    rules.iter().any(|rule| rule.uid.is_some() || rule.gid.is_some())
}

/// Whether any rule names a group.
#[must_use]
pub fn name_groups(rules: &[AccessRule]) -> bool {
    rules.iter().any(|rule| rule.gid.is_some())
}

/// Whether a condition holds; in the order of how much it takes to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Unknown,
    Yes,
}

impl From<bool> for Match {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// All conditions of a rule have to hold.
fn matches(rule: &AccessRule, caller: &Caller) -> Match {
    let conditions = [
        rule.uid.map(|uid| matches_uid(uid, &caller.identity)),
        rule.gid.map(|gid| matches_gid(gid, &caller.identity)),
        rule.from.map(|network| matches_network(network, caller)),
        rule.listen.map(|address| (address == caller.listen).into()),
    ];
    conditions.into_iter().flatten().min().unwrap_or(Match::Yes)
}

fn matches_uid(uid: u32, identity: &CallerIdentity) -> Match {
    match identity {
        CallerIdentity::LocalUser(user) => (user.uid == uid).into(),
        CallerIdentity::UnknownLocalUser => Match::Unknown,
        CallerIdentity::Remote => Match::No,
    }
}

fn matches_gid(gid: u32, identity: &CallerIdentity) -> Match {
    match identity {
        CallerIdentity::LocalUser(user) if user.groups.known.contains(&gid) => Match::Yes,
        CallerIdentity::LocalUser(user) if user.groups.complete => Match::No,
        CallerIdentity::LocalUser(_) | CallerIdentity::UnknownLocalUser => Match::Unknown,
        CallerIdentity::Remote => Match::No,
    }
}

/// A local user may connect from any address of this host, so its address says nothing.
fn matches_network(network: Cidr, caller: &Caller) -> Match {
    let contains = network.contains(caller.from);
    match caller.identity {
        CallerIdentity::Remote => contains.into(),
        // Address translation gives a container an address of this host, too; never of loopback.
        CallerIdentity::UnknownLocalUser if contains && !caller.from.is_loopback() => {
            Match::Unknown
        }
        CallerIdentity::UnknownLocalUser | CallerIdentity::LocalUser(_) => Match::No,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(roles: &[&str]) -> AccessRule {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        AccessRule { roles, ..AccessRule::default() }
    }

    fn caller(from: &str, identity: CallerIdentity) -> Caller {
        Caller { from: from.parse().unwrap(), listen: "127.0.0.1:1338".parse().unwrap(), identity }
    }

    fn user(uid: u32, groups: &[u32]) -> CallerIdentity {
        let groups = Groups { known: groups.to_vec(), complete: true };
        CallerIdentity::LocalUser(User { uid, groups })
    }

    fn from(network: &str) -> AccessRule {
        AccessRule { from: Some(network.parse().unwrap()), ..AccessRule::default() }
    }

    #[test]
    fn without_rules_every_caller_gets_everything_and_with_some_only_what_they_state() {
        let anyone = caller("127.0.0.1", CallerIdentity::UnknownLocalUser);
        assert!(Permit::of(&anyone, &[]).allows("dev"));
        let rules = [AccessRule { uid: Some(7), ..rule(&["dev"]) }];
        assert_eq!(Permit::of(&anyone, &rules), Permit::Nothing);
        assert!(!Permit::Nothing.allows("dev"));
    }

    #[test]
    fn the_first_rule_that_matches_decides_even_if_it_denies() {
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
        assert_eq!(allows(&caller("127.0.0.1", user(7, &[70]))), [false, false, false]);
        assert_eq!(allows(&caller("127.0.0.1", user(8, &[8, 70]))), [true, false, false]);
        assert_eq!(allows(&caller("10.1.2.3", CallerIdentity::Remote)), [false, true, false]);
        let rest = caller("127.0.0.1", user(9, &[9]));
        assert_eq!(allows(&rest), [true, false, true]);
        assert_eq!(Permit::of(&rest, &rules).given(), Some("ops"));
    }

    #[test]
    fn an_unknown_user_never_passes_a_rule_that_denies_a_user_or_a_group() {
        let unknown = caller("127.0.0.1", CallerIdentity::UnknownLocalUser);
        for denied in
            [AccessRule { uid: Some(7), ..rule(&[]) }, AccessRule { gid: Some(7), ..rule(&[]) }]
        {
            let rules = [denied, rule(&["dev"])];
            assert_eq!(Permit::of(&unknown, &rules), Permit::Nothing);
            let elsewhere = caller("10.1.2.3", CallerIdentity::Remote);
            assert!(Permit::of(&elsewhere, &rules).allows("dev"), "it is no local user");
        }
        let other_listener =
            AccessRule { listen: Some("127.0.0.1:9".parse().unwrap()), uid: Some(7), ..rule(&[]) };
        assert!(Permit::of(&unknown, &[other_listener, rule(&["dev"])]).allows("dev"));
    }

    #[test]
    fn an_unknown_user_is_granted_nothing_by_a_rule_for_a_user_or_a_group() {
        let unknown = caller("127.0.0.1", CallerIdentity::UnknownLocalUser);
        let rules = [
            AccessRule { uid: Some(7), ..rule(&["dev"]) },
            AccessRule { gid: Some(7), ..rule(&["dev"]) },
            rule(&["audit"]),
        ];
        let permit = Permit::of(&unknown, &rules[..2]);
        assert!(!permit.allows("dev"));
        let allowed = ["dev", "audit"].map(|role| Permit::of(&unknown, &rules).allows(role));
        assert_eq!(
            allowed,
            [false, false],
            "a user 7 that hides gets no more than its own entry says"
        );
    }

    #[test]
    fn an_unknown_user_gets_what_every_user_that_it_may_be_gets() {
        let unknown = caller("127.0.0.1", CallerIdentity::UnknownLocalUser);
        let rules = [
            AccessRule { uid: Some(7), ..rule(&["dev", "ci"]) },
            AccessRule { gid: Some(7), ..rule(&["ops", "dev"]) },
            AccessRule { role: Some("ops".to_owned()), ..rule(&["ops", "dev", "ci"]) },
        ];
        let permit = Permit::of(&unknown, &rules);
        let allowed = ["dev", "ci", "ops"].map(|role| permit.allows(role));
        assert_eq!(allowed, [true, false, false]);
    }

    #[test]
    fn a_user_whose_groups_are_not_all_known_may_be_in_a_denied_one() {
        let some = Groups { known: vec![8], complete: false };
        let some = caller("::1", CallerIdentity::LocalUser(User { uid: 8, groups: some }));
        let denied = AccessRule { gid: Some(7), ..rule(&[]) };
        assert_eq!(Permit::of(&some, &[denied.clone(), rule(&["dev"])]), Permit::Nothing);
        let complete = caller("::1", user(8, &[8]));
        assert!(Permit::of(&complete, &[denied, rule(&["dev"])]).allows("dev"));
    }

    #[test]
    fn a_network_is_never_about_local_users() {
        let rules = [AccessRule { roles: vec!["ci".to_owned()], ..from("172.17.0.0/16") }];
        for identity in [user(7, &[]), CallerIdentity::UnknownLocalUser] {
            assert_eq!(Permit::of(&caller("172.17.0.1", identity), &rules), Permit::Nothing);
        }
        let container = caller("172.17.0.2", CallerIdentity::Remote);
        assert!(Permit::of(&container, &rules).allows("ci"));
    }

    #[test]
    fn a_denied_network_ends_the_search_for_a_caller_that_may_belong_to_it() {
        let rules = [from("0.0.0.0/0"), rule(&["dev"])];
        let allows =
            |address: &str, identity| Permit::of(&caller(address, identity), &rules).allows("dev");
        assert!(!allows("172.17.0.1", CallerIdentity::UnknownLocalUser), "translated, perhaps");
        assert!(allows("127.0.0.1", CallerIdentity::UnknownLocalUser));
        assert!(allows("172.17.0.1", user(7, &[])), "a local user is in no network");
    }

    proptest! {
        /// Whatever the rules: hiding one's user never pays.
        #[test]
        fn no_user_gains_a_role_by_being_unknown(
            rules in prop::collection::vec(any_rule(), 0..5),
            (uid, gid) in (0..3_u32, 0..3_u32),
            role in prop::sample::select(&ROLES[..]),
        ) {
            let groups = Groups { known: vec![gid], complete: true };
            let known = caller("127.0.0.1", CallerIdentity::LocalUser(User { uid, groups }));
            let hidden = caller("127.0.0.1", CallerIdentity::UnknownLocalUser);
            let no_groups = CallerIdentity::LocalUser(User { uid, groups: Groups::default() });
            for less_known in [hidden, caller("127.0.0.1", no_groups)] {
                let gains = Permit::of(&less_known, &rules).allows(role);
                prop_assert!(!gains || Permit::of(&known, &rules).allows(role));
            }
        }
    }

    const ROLES: [&str; 3] = ["dev", "ops", "ci"];

    fn any_rule() -> impl Strategy<Value = AccessRule> {
        let one = || prop::option::of(0..3_u32);
        let network = prop::option::weighted(0.2, Just("127.0.0.0/8".parse().unwrap()));
        let roles = prop::sample::subsequence(&ROLES[..], 0..=ROLES.len());
        (one(), one(), network, roles).prop_map(|(uid, gid, from, roles)| AccessRule {
            uid,
            gid,
            from,
            ..rule(&roles)
        })
    }

    #[test]
    fn every_condition_of_a_rule_has_to_hold() {
        let listen = "127.0.0.1:1339".parse().unwrap();
        let rules = [AccessRule { uid: Some(7), listen: Some(listen), ..rule(&["dev"]) }];
        let mut own = caller("127.0.0.1", user(7, &[]));
        assert_eq!(Permit::of(&own, &rules), Permit::Nothing);
        own.listen = listen;
        assert!(Permit::of(&own, &rules).allows("dev"));
        own.identity = CallerIdentity::UnknownLocalUser;
        assert_eq!(Permit::of(&own, &rules), Permit::Nothing);
        assert!(name_users(&rules) && !name_users(&[from("10.0.0.0/8")]));
        assert!(depend_on_identity(&[from("10.0.0.0/8")]) && !depend_on_identity(&[rule(&[])]));
    }
}
