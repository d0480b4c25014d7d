//! What is served right now: one writer, many readers.
//!
//! Everything a request may ask for is rendered when a generation is
//! published; readers see the old state or the new one, never a mixture (C18).
//! Knows neither HTTP nor STS.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::credentials::{Grant, Snapshot};
use crate::failure::Failure;
use crate::imds::{Facts, Outcome, Tree};
use crate::rotation::port::Publish;

/// One state of the world, complete and immutable.
#[derive(Debug, Clone)]
pub struct State {
    /// Every document and listing, rendered.
    pub tree: Tree,
    /// The generation being served, if any was ever obtained.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Why the last attempt failed, where it did.
    pub failure: Option<Failure>,
    facts: Facts,
}

impl State {
    /// The last attempt's failure, where STS refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Failure> {
        self.failure.clone().filter(Failure::is_refusal)
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
        let tree = Tree::new(&facts, None, &Outcome::Hopeful);
        Self {
            state: watch::Sender::new(State { tree, snapshot: None, failure: None, facts }),
            clock,
        }
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
}

impl Publish for Store {
    fn publish(&self, snapshot: Snapshot, grant: &Grant) {
        self.state.send_modify(|state| {
            state.facts.learn(grant);
            state.tree = Tree::new(&state.facts, Some(&snapshot), &Outcome::Hopeful);
            state.snapshot = Some(Arc::new(snapshot));
            state.failure = None;
        });
    }

    fn failed(&self, failure: &Failure) {
        let outcome = if failure.is_refusal() {
            Outcome::Refused { at: self.clock.now().wall }
        } else {
            Outcome::Hopeful
        };
        self.state.send_modify(|state| {
            state.tree = Tree::new(&state.facts, state.snapshot.as_deref(), &outcome);
            state.failure = Some(failure.clone());
        });
    }
}
