//! Which action of STS a role's keys describe, and which keys that action takes.
//!
//! A key that would have no effect is a mistake: whoever wrote `external_id`
//! beside a web identity believes in a check that nobody makes.

use super::mistake::{Mistake, Mistakes};
use super::role_keys::Keys;
use super::values::nearest;

/// An action, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The credentials are there already.
    None,
    AssumeRole,
    WebIdentity,
    Saml,
    SessionToken,
    FederationToken,
}

use Action::{AssumeRole, FederationToken, Saml, SessionToken, WebIdentity};

/// The keys that go into calls, and the actions that take them (docs/rules.md, STS parameters).
const TAKEN: &[(&str, &[Action])] = &[
    ("role_arn", &[AssumeRole, WebIdentity, Saml]),
    ("role_session_name", &[AssumeRole, WebIdentity]),
    ("external_id", &[AssumeRole]),
    ("source_identity", &[AssumeRole]),
    ("policy", &[AssumeRole, WebIdentity, Saml, FederationToken]),
    ("policy_file", &[AssumeRole, WebIdentity, Saml, FederationToken]),
    ("policy_arns", &[AssumeRole, WebIdentity, Saml, FederationToken]),
    ("tags", &[AssumeRole, FederationToken]),
    ("transitive_tag_keys", &[AssumeRole]),
    ("mfa_serial", &[AssumeRole, SessionToken]),
    ("mfa_command", &[AssumeRole, SessionToken]),
    ("mfa_session", &[AssumeRole]),
    ("web_identity_token_file", &[WebIdentity]),
    ("web_identity_token_command", &[WebIdentity]),
    ("principal_arn", &[Saml]),
    ("saml_assertion_file", &[Saml]),
    ("saml_assertion_command", &[Saml]),
    ("federation_name", &[FederationToken]),
    ("source_profile", &[AssumeRole, SessionToken, FederationToken]),
    ("credential_source", &[AssumeRole, SessionToken, FederationToken]),
    ("credential_source_endpoint", &[AssumeRole]),
];

impl Action {
    /// What `action` says, else what the other keys tell.
    pub(super) fn of(keys: &Keys<'_>) -> Result<Self, Mistake> {
        let known = ["assume-role", "get-session-token", "get-federation-token"];
        let any = |names: &[&str]| names.iter().any(|name| keys.has(name));
        match keys.get("action") {
            Some(said) => match said.text {
                "assume-role" => Ok(AssumeRole),
                "get-session-token" => Ok(SessionToken),
                "get-federation-token" => Ok(FederationToken),
                other => {
                    Err(said.mistake("not one of the choices").hint(match nearest(other, known) {
                        Some(near) => format!("did you mean {near}?"),
                        None => format!("known ones are {}", known.join(", ")),
                    }))
                }
            },
            None if any(&["web_identity_token_file", "web_identity_token_command"]) => {
                Ok(WebIdentity)
            }
            None if any(&["saml_assertion_file", "saml_assertion_command", "principal_arn"]) => {
                Ok(Saml)
            }
            None if keys.has("role_arn") => Ok(AssumeRole),
            None => Ok(Self::None),
        }
    }

    /// Tells of every key that the action does not take.
    pub(super) fn check(self, keys: &Keys<'_>, mistakes: &mut Mistakes) {
        for (key, takers) in TAKEN {
            if let Some(setting) = keys.get(key).filter(|_| !takers.contains(&self)) {
                mistakes.push(
                    setting
                        .mistake(format!("{} does not take it", self.name()))
                        .hint(self.instead(key)),
                );
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "a profile without a role",
            AssumeRole => "AssumeRole",
            WebIdentity => "AssumeRoleWithWebIdentity",
            Saml => "AssumeRoleWithSAML",
            SessionToken => "GetSessionToken",
            FederationToken => "GetFederationToken",
        }
    }

    fn instead(self, key: &str) -> &'static str {
        match (self, key) {
            (WebIdentity, "tags" | "transitive_tag_keys" | "source_identity") => {
                "take it out; the identity provider puts it into the token"
            }
            (Saml, "tags" | "transitive_tag_keys" | "source_identity" | "role_session_name") => {
                "take it out; the identity provider puts it into the assertion"
            }
            (WebIdentity | Saml, "mfa_serial" | "mfa_command") => {
                "take it out; the identity provider asks for codes, not STS"
            }
            (WebIdentity | Saml, "source_profile" | "credential_source") => {
                "take it out; nothing is signed, so no keys are needed"
            }
            (SessionToken, "mfa_session") => "write duration_seconds, which says the same here",
            _ => "take it out, for it would have no effect",
        }
    }
}
