//! A daemon in the foreground asks for the code on its terminal.
//!
//! What comes from elsewhere meanwhile (`assumed mfa`) ends the question.

use std::io::ErrorKind;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::orders::Order;
use super::role::Known;
use super::steering::Shown;
use crate::secret::Secret;
use crate::store::State;
use crate::sts::Reception;
use crate::sts::request::{MfaSerial, Need};
use crate::sys::terminal;

/// Whoever sits at the terminal.
pub(super) struct Host {
    pub(super) role: Known,
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) reception: Reception,
    pub(super) orders: UnboundedSender<Order>,
    /// Held while a question stands there.
    pub(super) terminal: Arc<Mutex<()>>,
}

impl Host {
    /// Asks whenever a code is waited for, as long as the handle is held.
    pub(super) fn keep(self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = self.attend().await {
                if error.kind() == ErrorKind::Interrupted {
                    // The terminal did not make a signal of it.
                    let _ = self.orders.send(Order::End);
                } else {
                    debug!(%error, "the terminal is not asked any more");
                }
            }
        }))
    }

    async fn attend(&self) -> std::io::Result<()> {
        let mut outcomes = self.role.store.subscribe();
        loop {
            if outcomes.wait_for(State::awaits_human).await.map(drop).is_err() {
                return Ok(());
            }
            let Some(Need::Code { serial, by_hand: true }) = self.role.need() else {
                let _ = outcomes.changed().await;
                continue;
            };
            let question = format!("MFA code of {}: ", serial.as_str());
            let settled = async { drop(outcomes.wait_for(|state| !state.awaits_human()).await) };
            let asked = async {
                let _free = self.terminal.lock().await;
                terminal::ask(&question).await
            };
            let code = tokio::select! {
                code = asked => code?,
                () = settled => continue,
            };
            self.hand_in(&serial, &code).await;
        }
    }

    async fn hand_in(&self, serial: &MfaSerial, code: &Secret) {
        if let Err(wrong) = self.reception.code(serial, code) {
            warn!(event = "waiting", "not {}: {}", wrong.expected, wrong.why);
            return;
        }
        let need = Need::Code { serial: serial.clone(), by_hand: true };
        let outcome = self.role.bell.outcome(|now| now.attempts);
        self.role.bell.refresh();
        outcome.await;
        self.shown.borrow().retry_others(&self.role, &need);
        if let Some(failure) = self.reception.clear(&need) {
            warn!(event = "waiting", "{failure}");
        }
    }
}
