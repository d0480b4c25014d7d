//! A role's session, granted: what the three ways of assuming a role share.

use std::time::Duration;

use jiff::Timestamp;

use super::call::{Call, Outcome};
use crate::clock::later;
use crate::emulator::caller::{Holder, RoleSession, Session};
use crate::emulator::form::Parameters;
use crate::emulator::iso;
use crate::emulator::keys::issue;
use crate::emulator::limits::Check;
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::script::{Idp, Mismatch, Role, Trust};
use crate::emulator::xml::Element;
use crate::role::RoleArn;

pub(super) const HOUR: Duration = Duration::from_hours(1);

/// The role that a call names.
pub(super) fn role_arn(parameters: &Parameters) -> Result<RoleArn, Refusal> {
    let arn = parameters.get("RoleArn").unwrap_or_default();
    arn.parse().map_err(|_| Refusal::invalid(format!("{arn} is invalid")))
}

/// The limits of `DurationSeconds` when assuming a role, the default already put in.
pub(super) fn duration(check: &mut Check<'_>) -> Duration {
    check.seconds("DurationSeconds", 900, 43200).unwrap_or(HOUR)
}

/// Whether a role's session may be this long (A3).
pub(super) fn allow_duration(rules: &Role, asked: Duration) -> Result<(), Refusal> {
    if asked > rules.max_session {
        return Err(Refusal::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}

/// Somebody from outside, and by which door.
pub(super) struct Visitor {
    pub(super) action: &'static str,
    pub(super) idp: Idp,
    /// Words what the provider, and not the trust policy, would complain about.
    pub(super) of_provider: fn(Mismatch, &Idp) -> Option<Refusal>,
}

/// The rules of the role, where they let this visitor in.
pub(super) fn admitted<'a>(
    call: &Call<'a>,
    role: &RoleArn,
    visitor: &Visitor,
) -> Result<&'a Role, Refusal> {
    let denied = || not_authorized(visitor.action);
    let rules = call.script.roles.find(role).ok_or_else(denied)?;
    match &rules.trust {
        Trust::Anyone => Ok(rules),
        Trust::Idp(wanted) => match wanted.mismatch(&visitor.idp) {
            None => Ok(rules),
            Some(mismatch) => {
                Err((visitor.of_provider)(mismatch, &visitor.idp).unwrap_or_else(denied))
            }
        },
        Trust::ExternalId(_) | Trust::Mfa | Trust::Nobody => Err(denied()),
    }
}

/// What STS tells whoever has not signed.
pub(super) fn not_authorized(action: &str) -> Refusal {
    Refusal::new(Code::AccessDenied, format!("Not authorized to perform {action}"))
}

/// A session that a role is about to be given.
pub(super) struct Grant<'a> {
    pub(super) rules: &'a Role,
    pub(super) session: RoleSession,
    pub(super) asked: Duration,
    /// When the proof itself ends, where that ends the session too.
    pub(super) latest: Option<Timestamp>,
    /// How much of the packed form's space is taken, in per cent.
    pub(super) packed: usize,
}

impl Grant<'_> {
    /// The elements that every result has (A10).
    ///
    /// The script decides before the caller how long a session is.
    pub(super) fn result(self, call: &Call<'_>) -> Outcome {
        let length = self.rules.session.or(call.script.session).unwrap_or(self.asked);
        let expires = later(call.now, length).min(self.latest.unwrap_or(Timestamp::MAX));
        let mut result = vec![assumed_role_user(&self.session)];
        if let Some(identity) = &self.session.source_identity {
            result.push(Element::text("SourceIdentity", &**identity));
        }
        result.push(credentials(&Session { holder: Holder::Role(self.session), expires })?);
        result.extend(packed_size(self.packed));
        Ok(result)
    }
}

fn assumed_role_user(session: &RoleSession) -> Element {
    let parts =
        vec![Element::text("AssumedRoleId", session.id()), Element::text("Arn", session.arn())];
    Element::of("AssumedRoleUser", parts)
}

/// `PackedPolicySize`, which is only there where something was packed.
pub(super) fn packed_size(percent: usize) -> Option<Element> {
    (percent > 0).then(|| Element::text("PackedPolicySize", percent.to_string()))
}

/// Fresh keys for a session (A9).
pub(super) fn credentials(session: &Session) -> Result<Element, Refusal> {
    let issued = issue(session)?;
    let parts = vec![
        Element::text("AccessKeyId", &*issued.access_key_id),
        Element::text("SecretAccessKey", issued.secret_access_key.expose()),
        Element::text("SessionToken", issued.session_token.expose()),
        Element::text("Expiration", iso(session.expires)),
    ];
    Ok(Element::of("Credentials", parts))
}
