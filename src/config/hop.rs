//! One `AssumeRole` call as a profile describes it, and what calls in a chain owe each other.

use super::inputs::Caller;
use super::mistake::{Mistake, Mistakes};
use super::session_name;
use super::setting::{Keys, Setting};
use super::values::duration;
use crate::role::{RoleArn, SessionName};
use crate::sts::request::{AssumeRole, Base, BaseKind, ExternalId, SessionDuration};

/// A call, and where the two of its parts were set that the others judge.
pub(super) struct Hop<'a> {
    pub(super) call: AssumeRole,
    arn: Setting<'a>,
    duration: Option<Setting<'a>>,
}

/// The call that `keys` describe, every part checked.
pub(super) fn of<'a>(keys: &Keys<'a>, caller: &Caller, mistakes: &mut Mistakes) -> Option<Hop<'a>> {
    let arn = keys.get("role_arn")?;
    let asked = keys.get("duration_seconds");
    if let Some(serial) = keys.get("mfa_serial") {
        mistakes.push(mfa(serial));
    }
    let role_arn = mistakes.note(arn.parse::<RoleArn>());
    let role_session_name = mistakes.note(session_name(keys, caller));
    let external_id =
        mistakes.note(keys.get("external_id").map(|id| id.parse::<ExternalId>()).transpose());
    let duration = mistakes.note(asked.map(session_duration).transpose());
    Some(Hop {
        call: AssumeRole {
            role_arn: role_arn?,
            role_session_name: role_session_name?,
            duration: duration?.unwrap_or_default(),
            external_id: external_id?,
        },
        arn,
        duration: asked,
    })
}

/// Role chaining gives an hour at most, and STS fails where more is asked (A4).
/// `hops` begins with the role to serve, which is called last.
pub(super) fn check_chaining(hops: &[Hop<'_>], base: &Base, mistakes: &mut Mistakes) {
    let base_is_role =
        matches!(base, Base::Profile { kind: BaseKind::Sso | BaseKind::WebIdentity, .. });
    for (index, hop) in hops.iter().enumerate() {
        let signed_by_role = base_is_role || index + 1 < hops.len();
        if let Some(asked) = hop.duration
            && signed_by_role
            && hop.call.duration > SessionDuration::CHAINED
        {
            mistakes.push(
                asked
                    .mistake(
                        "more than an hour, for a role assumed with the credentials of another",
                    )
                    .hint("STS limits role chaining to an hour: write 3600 or less"),
            );
        }
    }
}

/// No role can assume one of another partition.
pub(super) fn check_partitions(hops: &[Hop<'_>], mistakes: &mut Mistakes) {
    for pair in hops.windows(2) {
        if let [to, from] = pair
            && to.call.role_arn.partition() != from.call.role_arn.partition()
        {
            mistakes.push(
                from.arn
                    .mistake(format!(
                        "a role of partition {} cannot assume one of {}",
                        from.call.role_arn.partition().as_str(),
                        to.call.role_arn.partition().as_str()
                    ))
                    .hint("all roles of a chain belong to one partition"),
            );
        }
    }
}

fn session_name(keys: &Keys<'_>, caller: &Caller) -> Result<SessionName, Mistake> {
    let template = keys
        .get("role_session_name")
        .unwrap_or(Setting::flag("role_session_name", session_name::DEFAULT));
    session_name::expand(template.text, caller).map_err(|wrong| template.malformed(&wrong))
}

fn session_duration(asked: Setting<'_>) -> Result<SessionDuration, Mistake> {
    duration(asked.text)
        .and_then(SessionDuration::try_from)
        .map_err(|wrong| asked.malformed(&wrong))
}

fn mfa(serial: Setting<'_>) -> Mistake {
    serial
        .mistake("this role wants an MFA code, and there is no way to give one yet")
        .hint("use a source that has signed in already, such as an SSO profile, and drop this key")
}
