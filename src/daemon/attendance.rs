//! Whoever minds the humans of a role: tells them, asks them, hears what they do.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;

use super::asking::Host;
use super::events::Lookout;
use super::logins::Doorman;
use super::orders::Order;
use super::role::{Known, Makings};
use super::steering::Shown;
/// What they need, for whatever role.
#[derive(Debug, Clone)]
pub(super) struct Attendance {
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) makings: Makings,
    pub(super) orders: UnboundedSender<Order>,
    /// Where its user sits at one; held by who asks there, for one question at a time.
    pub(super) terminal: Option<Arc<Mutex<()>>>,
}

impl Attendance {
    /// Minds the humans of this role for as long as the handles are held.
    pub(super) fn of(&self, role: &Known) -> Vec<AbortOnDropHandle<()>> {
        let Makings { reception, chronicle, clock, .. } = &self.makings;
        let lookout = Lookout {
            role: role.clone(),
            shown: self.shown.clone(),
            sessions: reception.sessions(),
            chronicle: Arc::clone(chronicle),
            reception: reception.clone(),
            clock: Arc::clone(clock),
        };
        let doorman = Doorman { role: role.clone(), clock: Arc::clone(clock) };
        let host = self.terminal.clone().map(|terminal| Host {
            role: role.clone(),
            shown: self.shown.clone(),
            reception: reception.clone(),
            orders: self.orders.clone(),
            terminal,
        });
        [lookout.keep(), doorman.keep()].into_iter().chain(host.map(Host::keep)).collect()
    }
}
