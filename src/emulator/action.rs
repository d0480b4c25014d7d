//! What can be asked of this STS: a table of names and answers.

use jiff::Timestamp;

use super::assume_role;
use super::form::Parameters;
use super::keys::Caller;
use super::refusal::{Code, Refusal};
use super::script::Roles;
use super::xml::Element;

const VERSION: &str = "2011-06-15";

/// One action of the query protocol.
pub(super) struct Action {
    pub(super) name: &'static str,
    /// Gives what stands inside `NameResult`.
    pub(super) answer: fn(&Call<'_>) -> Result<Vec<Element>, Refusal>,
}

const ACTIONS: [Action; 2] = [
    Action { name: "AssumeRole", answer: assume_role::answer },
    Action { name: "GetCallerIdentity", answer: caller_identity },
];

/// One call, its signature already checked.
pub(super) struct Call<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) caller: &'a Caller,
    pub(super) roles: &'a Roles,
    /// The length of a session where the script and not the caller decides.
    pub(super) session: Option<std::time::Duration>,
    pub(super) now: Timestamp,
}

impl Action {
    /// The action that a call names, in the one version there is.
    pub(super) fn of(parameters: &Parameters) -> Result<&'static Self, Refusal> {
        let Some(name) = parameters.get("Action") else {
            return Err(Refusal::plain(Code::MissingAction));
        };
        let version = parameters.get("Version").unwrap_or("NO_VERSION_SPECIFIED");
        ACTIONS.iter().find(|a| a.name == name && version == VERSION).ok_or_else(|| {
            let message = format!("Could not find operation {name} for version {version}");
            Refusal::new(Code::InvalidAction, message)
        })
    }
}

#[allow(clippy::unnecessary_wraps)] // It fits into the table.
fn caller_identity(call: &Call<'_>) -> Result<Vec<Element>, Refusal> {
    Ok(vec![
        Element::text("Arn", call.caller.arn()),
        Element::text("UserId", call.caller.user_id()),
        Element::text("Account", call.caller.account()),
    ])
}
