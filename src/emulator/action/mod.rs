//! What can be asked of this STS: a table of names and answers.
//!
//! One file an action. What several of them need (a role's session, policies,
//! tags) has a file of its own; nothing here looks at a signature.

mod assume_role;
mod call;
mod federation;
mod grant;
mod policy;
mod saml;
mod user;
mod web_identity;

use super::caller::Caller;
use super::form::Parameters;
use super::refusal::{Code, Refusal};
use super::xml::Element;

pub(super) use call::{Call, Outcome};

const VERSION: &str = "2011-06-15";

/// One action of the query protocol.
pub(super) struct Action {
    pub(super) name: &'static str,
    pub(super) answer: Answer,
}

/// Whom an action answers (docs/rules.md, STS parameters, first row).
pub(super) enum Answer {
    /// Only who has signed the call.
    Signed(fn(&Call<'_>, &Caller) -> Outcome),
    /// Anybody: the proof is among the parameters, and a signature is not looked at.
    Unsigned(fn(&Call<'_>) -> Outcome),
}

const ACTIONS: [Action; 6] = [
    Action { name: "AssumeRole", answer: Answer::Signed(assume_role::answer) },
    Action { name: "AssumeRoleWithSAML", answer: Answer::Unsigned(saml::answer) },
    Action { name: "AssumeRoleWithWebIdentity", answer: Answer::Unsigned(web_identity::answer) },
    Action { name: "GetCallerIdentity", answer: Answer::Signed(caller_identity) },
    Action { name: "GetFederationToken", answer: Answer::Signed(federation::answer) },
    Action { name: "GetSessionToken", answer: Answer::Signed(user::answer) },
];

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
fn caller_identity(_: &Call<'_>, caller: &Caller) -> Outcome {
    Ok(vec![
        Element::text("Arn", caller.arn()),
        Element::text("UserId", caller.user_id()),
        Element::text("Account", caller.account()),
    ])
}

#[cfg(test)]
mod tests;
