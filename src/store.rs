//! What is served right now: one writer, many readers.
//!
//! Everything a request may ask for is rendered when a generation is
//! published; readers see the old state or the new one, never a mixture (C18).
//! Knows neither HTTP nor STS.

pub mod register;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, Now};
use crate::container::{Document, Prospect};
use crate::credentials::{Grant, Snapshot};
use crate::failure::Failure;
use crate::imds::{Facts, Outcome, Tree};
use crate::rotation::port::Publish;

/// How many failures are told apart: codes are foreign text, and memory is ours.
const MOST_CODES: usize = 32;

/// One state of the world, complete and immutable.
#[derive(Debug, Clone)]
pub struct State {
    /// Every document and listing, rendered.
    pub tree: Tree,
    /// What consumers of the container endpoint are given, rendered.
    pub document: Document,
    /// The generation being served, if any was ever obtained.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Why the last attempt failed, where it did.
    pub failure: Option<Failure>,
    /// Nothing is served and nothing published until it is unlocked.
    pub locked: bool,
    /// How often attempts failed since the start, by code or kind.
    pub failed: BTreeMap<String, u64>,
    outcome: Outcome,
    facts: Facts,
    /// Those of the role that takes the place of this one.
    next: Option<Facts>,
}

impl State {
    /// What is known about the role by now.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// True where nothing but a human can bring the next credentials.
    #[must_use]
    pub fn awaits_human(&self) -> bool {
        self.failure.as_ref().is_some_and(Failure::awaits_human)
    }

    fn forget(&mut self) {
        self.snapshot = None;
        self.failure = None;
        self.document = Document::awaited();
        self.outcome = Outcome::Hopeful;
        self.hand_over();
        self.render();
    }

    fn render(&mut self) {
        self.tree = Tree::new(&self.facts, self.snapshot.as_deref(), &self.outcome);
    }

    /// The successor, if there is one, moves in with nothing of its predecessor's.
    fn hand_over(&mut self) {
        if let Some(facts) = self.next.take() {
            self.facts = facts;
            self.snapshot = None;
            self.document = Document::awaited();
        }
    }

    fn is_valid(&self, now: Now) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.is_valid(now))
    }

    fn count(&mut self, failure: &Failure) {
        let mut name = failure.name();
        if self.failed.len() >= MOST_CODES && !self.failed.contains_key(name) {
            name = "other";
        }
        *self.failed.entry(name.to_owned()).or_default() += 1;
    }
}

/// The shared cell. Cheap to read from the request path: no allocation, no await.
#[derive(Debug)]
pub struct Store {
    state: watch::Sender<State>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Nothing obtained yet; the tree already stands.
    #[must_use]
    pub fn new(facts: Facts, clock: Arc<dyn Clock>) -> Self {
        let outcome = Outcome::Hopeful;
        let state = State {
            tree: Tree::new(&facts, None, &outcome),
            document: Document::awaited(),
            snapshot: None,
            failure: None,
            locked: false,
            failed: BTreeMap::new(),
            outcome,
            facts,
            next: None,
        };
        Self { state: watch::Sender::new(state), clock }
    }

    /// The current state; must not be kept across an await.
    #[must_use]
    pub fn read(&self) -> watch::Ref<'_, State> {
        self.state.borrow()
    }

    /// Tells of each outcome after now, good or bad.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Wipes what is held; no request that is read after this sees a key.
    pub fn lock(&self) {
        self.state.send_modify(|state| {
            state.locked = true;
            state.forget();
            state.document = Document::awaited().with(Prospect::Locked);
        });
    }

    /// Serves again what is published from now on.
    pub fn unlock(&self) {
        self.state.send_modify(|state| {
            state.locked = false;
            state.document = state.document.with(Prospect::Hopeful);
        });
    }

    /// Shows the same role with other facts; what a grant told stays known.
    pub fn amend(&self, facts: Facts) {
        self.quietly(|state| {
            if let Some(next) = &mut state.next {
                *next = facts;
                return;
            }
            let (account, partition) = (state.facts.account.clone(), state.facts.partition);
            state.facts = Facts { account, partition, ..facts };
            state.render();
        });
    }

    /// Another role takes this one's place with its first set, or at once where
    /// nothing valid is held; its predecessor's rotation has ended.
    pub fn succeed(&self, facts: Facts) {
        let now = self.clock.now();
        self.quietly(|state| {
            state.next = Some(facts);
            state.failure = None;
            state.outcome = Outcome::Hopeful;
            if !state.is_valid(now) {
                state.hand_over();
            }
            state.render();
        });
    }

    /// Keeps the predecessor's set from consumers of the container endpoint,
    /// who ask for a role by name.
    pub fn withdraw(&self) {
        self.quietly(|state| state.document = Document::awaited());
    }

    /// Without waking those who wait for an outcome: this is none.
    fn quietly(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            change(state);
            false
        });
    }
}

impl Publish for Store {
    fn publish(&self, snapshot: Snapshot, grant: &Grant) {
        self.state.send_modify(|state| {
            if state.locked {
                return;
            }
            state.hand_over();
            state.facts.learn(grant);
            state.document = Document::of(&snapshot, grant);
            state.snapshot = Some(Arc::new(snapshot));
            state.failure = None;
            state.outcome = Outcome::Hopeful;
            state.render();
        });
    }

    fn failed(&self, failure: &Failure) {
        let now = self.clock.now();
        let (outcome, prospect) = if failure.is_refusal() {
            (Outcome::Refused { at: now.wall }, Prospect::Refused)
        } else {
            (Outcome::Hopeful, Prospect::Hopeful)
        };
        self.state.send_modify(|state| {
            state.count(failure);
            if state.locked {
                return;
            }
            if !state.is_valid(now) {
                state.hand_over();
            }
            state.document = state.document.with(prospect);
            state.failure = Some(failure.clone());
            state.outcome = outcome;
            state.render();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{self, SystemClock};
    use crate::credentials::Credentials;
    use crate::failure::Kind;
    use crate::imds::Facts;
    use crate::role::{AccountId, Partition};
    use crate::secret::Secret;

    fn store() -> Store {
        let facts = Facts {
            role_name: "deploy".parse().unwrap(),
            account: AccountId::unknown(),
            partition: Partition::Aws,
            region: Partition::Aws.default_region(),
            seed: [0; 32],
            metadata: crate::imds::Metadata::new(),
            since: jiff::Timestamp::UNIX_EPOCH,
            account_id_in_document: false,
        };
        Store::new(facts, Arc::new(SystemClock))
    }

    const ACCOUNT: &str = "210987654321";

    fn publish(store: &Store) {
        publish_for(store, Duration::ZERO);
    }

    fn publish_for(store: &Store, life: Duration) {
        let Now { wall, boot } = SystemClock.now();
        let (wall, boot) = (clock::later(wall, life), boot.plus(life));
        let (secret, session) = (Secret::new("s"), Secret::new("t"));
        let credentials = Credentials::new("ASIA".to_owned(), secret, session, wall).unwrap();
        let snapshot = Snapshot {
            generation: 1,
            credentials: credentials.clone(),
            obtained: wall,
            deadline: boot,
        };
        let grant =
            Grant { credentials, date: None, account: ACCOUNT.parse().ok(), role_arn: None };
        store.publish(snapshot, &grant);
    }

    #[test]
    fn nothing_is_published_into_a_locked_store() {
        let store = store();
        publish(&store);
        assert!(store.read().snapshot.is_some());
        store.lock();
        assert!(store.read().locked && store.read().snapshot.is_none());
        publish(&store);
        store.failed(&Failure::new(Kind::Refused, "no"));
        assert!(store.read().snapshot.is_none() && store.read().failure.is_none());
        store.unlock();
        assert!(store.read().snapshot.is_none(), "what came meanwhile stays away");
        publish(&store);
        assert!(store.read().snapshot.is_some());
    }

    fn facts(role: &str) -> Facts {
        Facts { role_name: role.parse().unwrap(), ..store().read().facts().clone() }
    }

    #[test]
    fn a_role_is_shown_until_its_successor_has_a_set() {
        let store = store();
        publish_for(&store, Duration::from_hours(1));
        store.succeed(facts("next"));
        let shown = || store.read().facts().role_name.to_string();
        assert_eq!(shown(), "deploy");
        store.failed(&Failure::new(Kind::Refused, "no"));
        assert_eq!(shown(), "deploy", "valid is served to its end, also after a refusal");
        publish_for(&store, Duration::from_hours(1));
        assert_eq!(shown(), "next");
    }

    #[test]
    fn nothing_valid_is_no_reason_to_wait_for_a_successor() {
        let store = store();
        publish(&store);
        store.succeed(facts("next"));
        assert_eq!(store.read().facts().role_name.as_str(), "next");
        assert!(store.read().snapshot.is_none(), "nor is the old set shown under the new name");
    }

    #[test]
    fn other_facts_of_the_same_role_wake_nobody_and_forget_nothing() {
        let store = store();
        publish_for(&store, Duration::from_hours(1));
        let waiting = store.subscribe();
        let region = Partition::AwsCn.default_region();
        store.amend(Facts { region, account_id_in_document: true, ..facts("deploy") });
        assert!(!waiting.has_changed().unwrap());
        assert!(store.read().snapshot.is_some());
        assert_eq!(store.read().facts().account.to_string(), ACCOUNT);
        assert!(store.read().facts().account_id_in_document);
    }

    #[test]
    fn failures_are_counted_by_code_and_their_number_is_bounded() {
        let store = store();
        for number in 0..100 {
            store.failed(&Failure::new(Kind::Refused, "no").code(format!("Code{number}")));
            store.failed(&Failure::new(Kind::Unreachable, "no"));
        }
        let failed = &store.read().failed;
        assert_eq!(failed["Code0"], 1);
        assert_eq!(failed["unreachable"], 100);
        assert_eq!((failed.len(), failed["other"]), (33, 69));
    }
}
