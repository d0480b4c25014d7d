//! `AssumeRole`: its limits, its refusals, its result (protocol 9.1 to 9.3).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::action::Call;
use super::form::Parameters;
use super::iso;
use super::keys::{Caller, Issued, RoleSession, issue};
use super::limits::{Check, Limit, Pattern};
use super::refusal::{Code, Refusal};
use super::script::Role;
use super::xml::Element;
use crate::clock::later;
use crate::role::RoleArn;

const HOUR: Duration = Duration::from_hours(1);
const POLICY: usize = 2048;
/// The real packed form is AWS's secret (A2); this stands in for its space.
const PACKED: usize = 4096;

const TEXTS: [Limit; 7] = [
    limit("RoleArn", true, (20, 2048), Pattern::Any),
    limit("RoleSessionName", true, (2, 64), Pattern::Name),
    limit("Policy", false, (1, POLICY), Pattern::Policy),
    limit("ExternalId", false, (2, 1224), Pattern::ExternalId),
    limit("SourceIdentity", false, (2, 64), Pattern::Name),
    limit("SerialNumber", false, (9, 256), Pattern::Serial),
    limit("TokenCode", false, (6, 6), Pattern::Digits),
];
const POLICY_ARN: Limit = limit("arn", true, (20, 2048), Pattern::Any);
const TAG_KEY: Limit = limit("Key", true, (1, 128), Pattern::Tag);
const TAG_VALUE: Limit = limit("Value", true, (0, 256), Pattern::Tag);
const TRANSITIVE_KEY: Limit = limit("", true, (1, 128), Pattern::Tag);

const fn limit(
    name: &'static str,
    required: bool,
    length: (usize, usize),
    pattern: Pattern,
) -> Limit {
    Limit { name, required, length, pattern }
}

pub(super) fn answer(call: &Call<'_>) -> Result<Vec<Element>, Refusal> {
    let asked = checked_duration(call.parameters)?;
    check_policy(call.parameters)?;
    check_tags(call.parameters)?;
    let packed = packed_size(call.parameters)?;
    let role = role_arn(call.parameters)?;
    let rules = admitted(call, &role)?;
    allow_duration(call, rules, asked)?;
    let session = RoleSession {
        role,
        name: session_name(call.parameters)?,
        expires: later(call.now, call.session.unwrap_or(asked)),
    };
    let mut result = vec![assumed_role_user(&session), credentials(&issue(&session)?, &session)];
    if packed > 0 {
        result.push(Element::text("PackedPolicySize", packed.to_string()));
    }
    if let Some(identity) = call.parameters.get("SourceIdentity") {
        result.push(Element::text("SourceIdentity", identity));
    }
    Ok(result)
}

fn assumed_role_user(session: &RoleSession) -> Element {
    let parts =
        vec![Element::text("AssumedRoleId", session.id()), Element::text("Arn", session.arn())];
    Element::of("AssumedRoleUser", parts)
}

fn credentials(issued: &Issued, session: &RoleSession) -> Element {
    let parts = vec![
        Element::text("AccessKeyId", &*issued.access_key_id),
        Element::text("SecretAccessKey", issued.secret_access_key.expose()),
        Element::text("SessionToken", issued.session_token.expose()),
        Element::text("Expiration", iso(session.expires)),
    ];
    Element::of("Credentials", parts)
}

/// Everything that can be said about the parameters one by one.
fn checked_duration(parameters: &Parameters) -> Result<Duration, Refusal> {
    let mut check = Check::new(parameters);
    for limit in &TEXTS {
        check.text(limit);
    }
    check.list("PolicyArns", 10, &POLICY_ARN);
    check.list("Tags", 50, &TAG_KEY);
    check.list("Tags", 50, &TAG_VALUE);
    check.list("TransitiveTagKeys", 50, &TRANSITIVE_KEY);
    let asked = check.seconds("DurationSeconds", 900, 43200);
    check.verdict().map(|()| asked.unwrap_or(HOUR))
}

fn role_arn(parameters: &Parameters) -> Result<RoleArn, Refusal> {
    let arn = parameters.get("RoleArn").unwrap_or_default();
    arn.parse().map_err(|_| Refusal::invalid(format!("{arn} is invalid")))
}

fn session_name(parameters: &Parameters) -> Result<crate::role::SessionName, Refusal> {
    let name = parameters.get("RoleSessionName").unwrap_or_default();
    name.parse().map_err(|_| Refusal::invalid("RoleSessionName is invalid"))
}

fn check_policy(parameters: &Parameters) -> Result<(), Refusal> {
    let Some(policy) = parameters.get("Policy") else {
        return Ok(());
    };
    let policy: Option<Value> = serde_json::from_str(policy).ok();
    match policy.as_ref().and_then(|policy| policy.get("Statement")) {
        Some(Value::Array(_) | Value::Object(_)) => Ok(()),
        _ => Err(Refusal::plain(Code::MalformedPolicyDocument)),
    }
}

fn check_tags(parameters: &Parameters) -> Result<(), Refusal> {
    let keys: Vec<_> = tags(parameters).map(|(key, _)| key.to_lowercase()).collect();
    let unique: BTreeSet<_> = keys.iter().collect();
    if unique.len() < keys.len() {
        return Err(Refusal::invalid(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    let identity = parameters.get("SourceIdentity").unwrap_or_default();
    if identity.to_ascii_lowercase().starts_with("aws:") {
        return Err(Refusal::invalid("SourceIdentity cannot start with aws:"));
    }
    Ok(())
}

fn tags(parameters: &Parameters) -> impl Iterator<Item = (&str, &str)> {
    (1..=parameters.members("Tags")).map(|n| {
        let part = |part: &str| parameters.get(&format!("Tags.member.{n}.{part}"));
        (part("Key").unwrap_or_default(), part("Value").unwrap_or_default())
    })
}

/// How much of the packed form's space is taken, in per cent, rounded up.
fn packed_size(parameters: &Parameters) -> Result<usize, Refusal> {
    let arns = (1..=parameters.members("PolicyArns"))
        .filter_map(|n| parameters.get(&format!("PolicyArns.member.{n}.arn")));
    let arns: usize = arns.map(str::len).sum();
    let tags: usize = tags(parameters).map(|(key, value)| key.len() + value.len()).sum();
    let policy = parameters.get("Policy").map_or(0, str::len);
    let percent = ((policy + arns + tags) * 100).div_ceil(PACKED);
    // The plain text of all session policies together has a limit of its own.
    if percent > 100 || policy + arns > POLICY {
        return Err(Refusal::new(
            Code::PackedPolicyTooLarge,
            format!(
                "Packed policy consumes {}% of allotted space, please use smaller policy.",
                percent.max(101)
            ),
        ));
    }
    Ok(percent)
}

/// The rules of the role, where they let this caller in.
///
/// A role that is not there, a wrong external ID and a trust policy that names
/// somebody else are told apart by nobody: STS has one answer for all.
fn admitted<'a>(call: &Call<'a>, role: &RoleArn) -> Result<&'a Role, Refusal> {
    let (serial, code) = (call.parameters.get("SerialNumber"), call.parameters.get("TokenCode"));
    if serial.is_some() != code.is_some() {
        return Err(Refusal::new(
            Code::AccessDenied,
            "MultiFactorAuthentication failed, \
             must provide both MFA serial number and one time pass code.",
        ));
    }
    let external_id = call.parameters.get("ExternalId");
    call.roles.find(role).filter(|rules| rules.trust.admits(external_id)).ok_or_else(|| {
        let caller = call.caller.arn();
        Refusal::new(
            Code::AccessDenied,
            format!(
                "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
            ),
        )
    })
}

fn allow_duration(call: &Call<'_>, rules: &Role, asked: Duration) -> Result<(), Refusal> {
    if matches!(call.caller, Caller::Role(_)) && asked > HOUR {
        return Err(Refusal::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit \
             for roles assumed by role chaining.",
        ));
    }
    if asked > rules.max_session {
        return Err(Refusal::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
