//! The consumers of an earlier run, and a socket for those whom settings give none.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::warn;

use super::consumption::{Mint, Till};
use super::house::House;
use super::listeners::Bound;
use super::orders::Orders;
use crate::clock::{Clock, SystemClock};
use crate::config::{Listen, ListenKind, Settings};
use crate::container::Place;
use crate::fatal::{Exit, Fatal};
use crate::store::register::Register;
use crate::sys::remembered::{self, PORT, Remembered};
use crate::sys::state::StateDirectory;
use crate::sys::vault::{LEDGER, Safe};

/// The register as the state directory has it.
pub(super) fn register(state: Option<&StateDirectory>) -> Result<Arc<Register>, Fatal> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let safe = Safe::new(state.map(|state| state.file(LEDGER)));
    let consumers = safe.consumers(clock.now()).map_err(|unfit| {
        Fatal::new(Exit::Settings, unfit.to_string()).hint(
            "mend its owner and mode (0600), or remove it: every consumer needs a new token then",
        )
    })?;
    Ok(Arc::new(Register::new(consumers, Box::new(safe), clock)))
}

/// True where settings give consumers a listener.
pub(super) fn are_provided_for(listen: &[Listen]) -> bool {
    listen.iter().any(|listen| listen.kind == ListenKind::Container)
}

/// A socket for them where they are not: the same over restarts.
pub(super) fn bind(state: Option<&StateDirectory>, register: &Register) -> Result<Bound, Fatal> {
    let file = state.map(|state| state.file(PORT));
    let bound = remembered::listen(file.as_ref()).and_then(|Remembered { listener, lost }| {
        let address = listener.local_addr()?;
        if let Some(port) = lost {
            forsake(register, port, address)?;
        }
        let kind = ListenKind::Container;
        Ok(Bound::of(listener, Listen { address, kind, ..Listen::default() }))
    });
    bound.map_err(|error| {
        Fatal::new(Exit::Unavailable, format!("cannot listen for consumers: {error}"))
            .hint("set a listener with kind = \"container\"")
    })
}

/// Revokes those who go on asking at a port that is somebody else's: they show
/// him their tokens.
fn forsake(register: &Register, port: u16, instead: SocketAddr) -> io::Result<()> {
    let mut revoked = 0_u32;
    for consumer in register.list() {
        if consumer.place == Place::Authorization {
            register.revoke(&consumer.name)?;
            revoked += 1;
        }
    }
    warn!(
        event = "port",
        port,
        %instead,
        revoked,
        hint = "who uses the container endpoint needs a new token; a listener with kind = \"container\" has a port of your choice",
        "another program has the port of the container endpoint, and may have seen the tokens that were sent there: they are revoked"
    );
    Ok(())
}

impl House {
    /// Whoever makes and ends consumers.
    pub(super) fn mint(&self, orders: &Orders) -> Mint {
        let till = Till {
            register: Arc::clone(&self.register),
            sessions: self.sessions.clone(),
            chronicle: Arc::clone(&self.chronicle),
            clock: Arc::clone(&self.clock),
        };
        Mint::new(till, &self.settings.control.folders, orders.sender())
    }

    /// Consumers of settings that gave them a listener, and do not any more, have one all the same.
    pub(super) fn provide_for_consumers(&mut self) {
        if self.register.read().is_empty() {
            return;
        }
        if let Err(fatal) = self.container_address() {
            warn!(event = "reload", error = %fatal, "consumers have no listener");
        }
    }

    /// Where consumers ask; a socket is bound for them where settings give none.
    pub(super) fn container_address(&mut self) -> Result<SocketAddr, Fatal> {
        if self.listeners.first(ListenKind::Container).is_none() {
            let bound = bind(self.state.as_deref(), &self.register)?;
            self.listeners.serve(bound, &self.sites)?;
            self.renew_terms();
        }
        let bound = self.listeners.first(ListenKind::Container);
        let address = bound.and_then(Bound::address);
        address.ok_or_else(|| Fatal::new(Exit::Bug, "a container listener without an address"))
    }

    /// Every listener of these settings, and the one for consumers where they give none.
    pub(super) fn wanted(&self, settings: &Settings) -> Vec<Listen> {
        let first = self.listeners.first(ListenKind::Container).map(Bound::listen);
        let unasked = first.filter(|listen| {
            !self.settings.listen.contains(listen) && !are_provided_for(&settings.listen)
        });
        settings.listen.iter().chain(unasked).cloned().collect()
    }
}
