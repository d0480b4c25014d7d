//! MFA codes: which are good, and that each is good once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use super::caller::{Caller, Holder};
use super::form::Parameters;
use super::record::locked;
use super::refusal::{Code, Refusal};

/// AWS's codes end by themselves; ours are forgotten from the oldest on.
const REMEMBERED: usize = 4096;

/// The device of the demo user; the default takes any serial number and any six digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mfa {
    /// The serial number it has to be called by.
    pub serial: Option<String>,
    /// The codes it will show, each good once.
    pub codes: Option<BTreeSet<String>>,
}

impl Mfa {
    fn has_serial(&self, serial: &str) -> bool {
        self.serial.as_deref().is_none_or(|own| own == serial)
    }

    fn shows(&self, code: &str) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.contains(code))
    }
}

/// What was redeemed, as serial number and code; outlives a change of the script.
#[derive(Debug, Default)]
pub(super) struct UsedCodes(Mutex<VecDeque<(String, String)>>);

impl UsedCodes {
    /// Whether this is the first time; the next is not.
    fn redeem(&self, serial: &str, code: &str) -> bool {
        let mut used = locked(&self.0);
        let pair = (serial.to_owned(), code.to_owned());
        if used.contains(&pair) {
            return false;
        }
        used.push_back(pair);
        if used.len() > REMEMBERED {
            used.pop_front();
        }
        true
    }
}

/// Whether the call is made with MFA: by a code of its own, or by the session that signs it.
///
/// Only a user has a device. A role does not inherit the MFA of whoever assumed it.
pub(super) fn is_present(
    parameters: &Parameters,
    caller: &Caller,
    mfa: &Mfa,
    used: &UsedCodes,
) -> Result<bool, Refusal> {
    let denied = |why: &str| {
        Err(Refusal::new(Code::AccessDenied, format!("MultiFactorAuthentication failed{why}")))
    };
    let (serial, code) = (parameters.get("SerialNumber"), parameters.get("TokenCode"));
    let is_user = match caller {
        Caller::User => true,
        Caller::Session(session) => matches!(session.holder, Holder::User { .. }),
    };
    match (serial, code) {
        (None, None) => Ok(caller.has_mfa()),
        (Some(serial), Some(_)) if !is_user || !mfa.has_serial(serial) => denied(
            ", unable to validate MFA code.  \
             Please verify your MFA serial number is valid and associated with this user.",
        ),
        (Some(serial), Some(code)) if mfa.shows(code) && used.redeem(serial, code) => Ok(true),
        (Some(_), Some(_)) => denied(" with invalid MFA one time pass code. "),
        _ => denied(", must provide both MFA serial number and one time pass code."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_for_each_device() {
        let used = UsedCodes::default();
        assert!(used.redeem("one", "123456") && used.redeem("two", "123456"));
        assert!(!used.redeem("one", "123456"));
        for n in 0..REMEMBERED {
            used.redeem("three", &n.to_string());
        }
        assert_eq!(locked(&used.0).len(), REMEMBERED);
    }

    #[test]
    fn a_device_shows_any_code_unless_it_is_told_which() {
        let any = Mfa::default();
        assert!(any.has_serial("arn:aws:iam::123456789012:mfa/me") && any.shows("000000"));
        let codes = Some(BTreeSet::from(["123456".to_owned()]));
        let one = Mfa { serial: Some("GAHT12345678".to_owned()), codes };
        assert!(one.has_serial("GAHT12345678") && one.shows("123456"));
        assert!(!one.has_serial("GAHT12345679") && !one.shows("123457"));
    }
}
