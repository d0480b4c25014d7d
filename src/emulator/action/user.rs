//! `GetSessionToken`: temporary keys of a user's own, perhaps by a code.

use super::call::{Call, Outcome};
use super::grant;
use crate::clock::later;
use crate::emulator::caller::{Caller, Holder, Session};
use crate::emulator::limits::{CODE, Check, SERIAL};
use crate::emulator::refusal::{Code, Refusal};

pub(super) fn answer(call: &Call<'_>, caller: &Caller) -> Outcome {
    let mut check = Check::new(call.parameters);
    check.text(&SERIAL);
    check.text(&CODE);
    let asked = long_duration(&mut check);
    check.verdict()?;
    only_long_lived("GetSessionToken", caller)?;
    let mfa = call.has_mfa(caller)?;
    let expires = later(call.now, call.script.session.unwrap_or(asked));
    let session = Session { holder: Holder::User { mfa }, expires };
    Ok(vec![grant::credentials(&session)?])
}

/// The limits of `DurationSeconds` where no role is assumed, the default already put in.
pub(super) fn long_duration(check: &mut Check<'_>) -> std::time::Duration {
    const HALF_A_DAY: std::time::Duration = std::time::Duration::from_hours(12);
    check.seconds("DurationSeconds", 900, 129_600).unwrap_or(HALF_A_DAY)
}

/// Temporary keys do not beget others without a role (A6).
pub(super) fn only_long_lived(action: &str, caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::User => Ok(()),
        Caller::Session(_) => {
            let message = format!("Cannot call {action} with session credentials");
            Err(Refusal::new(Code::AccessDenied, message))
        }
    }
}
