//! What a human hands in by the control socket: a code, an assertion.
//!
//! It is given to the next attempt, which begins at once; whatever that attempt
//! does not use is gone.

use super::role::Known;
use super::steering::Steering;
use crate::control::{Code, Gift, Pending, Refusal};
use crate::status::RoleStatus;
use crate::sts::request::Need;

impl Steering {
    /// Hands it in, and waits for what comes of it.
    pub(super) fn take(&self, role: Option<&str>, gift: Gift) -> Pending<()> {
        let handed = self.unlocked(role).and_then(|role| {
            let need = self.hand_over(&role, gift)?;
            // One that has not begun yet.
            let outcome = role.bell.outcome(|now| now.attempts);
            role.bell.refresh();
            Ok((role, need, outcome))
        });
        let (shown, reception) = (self.shown.clone(), self.reception.clone());
        Box::pin(async move {
            let (role, need, outcome) = handed?;
            outcome.await;
            shown.borrow().retry_others(&role, &need);
            // Something valid may hide what came of it.
            let wasted = reception.clear(&need);
            match wasted.or_else(|| role.store.read().failure.clone()) {
                Some(failure) => Err((&failure).into()),
                None => Ok(()),
            }
        })
    }

    fn hand_over(&self, role: &Known, gift: Gift) -> Result<Need, Refusal> {
        let name = &role.settings.borrow().name;
        match (gift, role.need()) {
            (Gift::Code(code), Some(need @ Need::Code { .. })) => {
                let Need::Code { serial, .. } = &need else { unreachable!("matched above") };
                self.reception.code(serial, &code).map_err(|wrong| {
                    Refusal::new(Code::BadRequest, format!("not {}", wrong.expected))
                        .hint(wrong.why)
                })?;
                Ok(need)
            }
            (Gift::Assertion(response), Some(Need::Assertion(role))) => {
                self.reception.assertion(&role, response);
                Ok(Need::Assertion(role))
            }
            (Gift::Code(_), _) => Err(unwanted(name, "an MFA code", "it has no mfa_serial")),
            (Gift::Assertion(_), _) => {
                Err(unwanted(name, "a SAML response", "it has no principal_arn"))
            }
        }
    }

    /// The status knows when what was given ends.
    pub(super) fn with_ends(&self, mut role: RoleStatus) -> RoleStatus {
        if let Some(needs) = role.needs.as_mut().filter(|needs| needs.what == "mfa") {
            let sessions = self.reception.sessions();
            let sessions = sessions.borrow();
            let now = self.clock.now();
            let own = sessions.iter().find(|(serial, _)| serial.as_str() == needs.of);
            let valid = own.map(|(_, validity)| validity).filter(|v| !v.left(now).is_zero());
            needs.ends = valid.map(|validity| validity.expires);
        }
        role
    }
}

fn unwanted(name: &str, what: &str, why: &str) -> Refusal {
    Refusal::new(Code::BadRequest, format!("{name} never wants {what}")).hint(why)
}
