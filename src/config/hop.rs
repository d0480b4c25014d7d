//! One `AssumeRole` call as a profile describes it, and what calls in a chain owe each other.

use super::inputs::Caller;
use super::mistake::Mistakes;
use super::parts;
use super::role_keys::Keys;
use super::setting::Setting;
use crate::environment::Environment;
use crate::role::RoleArn;
use crate::sts::request::{
    AssumeRole, Base, BaseKind, ExternalId, SessionDuration, SourceIdentity, Start,
};

/// A call, and where those of its parts were set that the others judge.
pub(super) struct Hop<'a> {
    pub(super) call: AssumeRole,
    arn: Setting<'a>,
    duration: Option<Setting<'a>>,
    mfa: Option<Setting<'a>>,
}

/// The call that `keys` describe, every part checked.
pub(super) fn of<'a>(
    keys: &Keys<'a>,
    caller: &Caller,
    environment: &Environment,
    mistakes: &mut Mistakes,
) -> Option<Hop<'a>> {
    let arn = keys.get("role_arn")?;
    let role_arn = mistakes.note(arn.parse::<RoleArn>());
    let partition = role_arn.as_ref().map(RoleArn::partition);
    let role_session_name = mistakes.note(parts::session_name(keys, caller));
    let external_id = keys.get("external_id").map(|id| id.parse::<ExternalId>());
    let external_id = mistakes.note(external_id.transpose());
    let source_identity = keys.get("source_identity").map(|name| name.parse::<SourceIdentity>());
    let source_identity = mistakes.note(source_identity.transpose());
    let duration = mistakes.note(parts::span("duration_seconds", keys));
    let policies = parts::policies(keys, partition, environment, mistakes);
    let tags = parts::tags(keys, mistakes);
    let mfa = parts::mfa(keys, mistakes);
    Some(Hop {
        call: AssumeRole {
            role_arn: role_arn?,
            role_session_name: role_session_name?,
            duration: duration?,
            external_id: external_id?,
            source_identity: source_identity?,
            policies: policies?,
            tags: tags?,
            mfa,
        },
        arn,
        duration: keys.get("duration_seconds"),
        mfa: keys.get("mfa_serial"),
    })
}

/// Role chaining gives an hour at most, and STS fails where more is asked (A4).
/// `hops` begins with the role to serve, which is called last.
pub(super) fn check_chaining(hops: &[Hop<'_>], start: &Start, mistakes: &mut Mistakes) {
    for (index, hop) in hops.iter().enumerate() {
        let signed_by_role = start.is_role() || index + 1 < hops.len();
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

/// A code belongs to the user whose keys sign, so it opens the chain or nothing.
pub(super) fn check_mfa(hops: &[Hop<'_>], start: &Start, mistakes: &mut Mistakes) {
    let signed_in = match start {
        Start::Base(Base::Profile { kind: BaseKind::Login, .. }) | Start::Session(..) => true,
        start => start.is_role(),
    };
    for (index, hop) in hops.iter().enumerate() {
        let Some(serial) = hop.mfa else { continue };
        if index + 1 < hops.len() {
            mistakes.push(
                serial
                    .mistake("a role has no MFA device, and this call is signed by one")
                    .hint("put it where the chain begins, at the role that the user assumes"),
            );
        } else if signed_in {
            mistakes.push(
                serial
                    .mistake("whoever signs this call has signed in already")
                    .hint("take it out: an MFA code goes with the keys of an IAM user"),
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
