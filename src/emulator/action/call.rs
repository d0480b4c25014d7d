//! What an action is given, and what it gives.

use jiff::Timestamp;

use crate::emulator::caller::Caller;
use crate::emulator::form::Parameters;
use crate::emulator::mfa::{self, UsedCodes};
use crate::emulator::refusal::Refusal;
use crate::emulator::script::Script;
use crate::emulator::xml::Element;

/// What stands inside `NameResult`, or why nothing does.
pub(in crate::emulator) type Outcome = Result<Vec<Element>, Refusal>;

/// One call, its signature already checked where it needs one.
pub(in crate::emulator) struct Call<'a> {
    pub(in crate::emulator) parameters: &'a Parameters,
    pub(in crate::emulator) script: &'a Script,
    pub(in crate::emulator) used: &'a UsedCodes,
    pub(in crate::emulator) now: Timestamp,
}

impl Call<'_> {
    /// Whether it is made with MFA.
    pub(super) fn has_mfa(&self, caller: &Caller) -> Result<bool, Refusal> {
        mfa::is_present(self.parameters, caller, &self.script.mfa, self.used)
    }
}
