//! `AssumeRole`: its limits, its refusals, its result (A1 to A10).

use std::time::Duration;

use super::call::{Call, Outcome};
use super::grant::{self, Grant, HOUR};
use super::policy;
use crate::emulator::caller::{Caller, Holder, RoleSession, Session};
use crate::emulator::form::Parameters;
use crate::emulator::limits::{
    CODE, Check, Limit, MOST_TAGS, Pattern, ROLE_ARN, SERIAL, SESSION_NAME,
};
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::script::Role;
use crate::emulator::tags::Tags;
use crate::role::RoleArn;

const EXTERNAL_ID: Limit = Limit::optional("ExternalId", (2, 1224), Pattern::ExternalId);
const SOURCE_IDENTITY: Limit = Limit::optional("SourceIdentity", (2, 64), Pattern::Name);
const TRANSITIVE_KEY: Limit = Limit::required("", (1, 128), Pattern::Tag);
const PROVIDER_ARN: Limit = Limit::optional("ProviderArn", (20, 2048), Pattern::Any);
const ASSERTION: Limit = Limit::optional("ContextAssertion", (4, 2048), Pattern::Any);

pub(super) fn answer(call: &Call<'_>, caller: &Caller) -> Outcome {
    let asked = checked_duration(call.parameters)?;
    let tags = Tags::of(call.parameters);
    let inherited = caller.role().map_or(&[][..], |role| &role.transitive);
    tags.check(inherited)?;
    let packed = policy::packed(call.parameters, &tags)?;
    let role = grant::role_arn(call.parameters)?;
    let rules = admitted(call, caller, &role)?;
    allow_duration(caller, rules, asked)?;
    let session = RoleSession {
        role,
        name: session_name(call.parameters)?,
        source_identity: source_identity(call.parameters, caller)?,
        transitive: tags.handed_on(inherited),
    };
    Grant { rules, session, asked, latest: None, packed }.result(call)
}

/// Everything that can be said about the parameters one by one.
fn checked_duration(parameters: &Parameters) -> Result<Duration, Refusal> {
    let mut check = Check::new(parameters);
    for limit in [&ROLE_ARN, &SESSION_NAME, &EXTERNAL_ID, &SOURCE_IDENTITY, &SERIAL, &CODE] {
        check.text(limit);
    }
    policy::limits(&mut check);
    check.tags();
    check.list("TransitiveTagKeys", MOST_TAGS, &TRANSITIVE_KEY);
    check.list("ProvidedContexts", 5, &PROVIDER_ARN);
    check.list("ProvidedContexts", 5, &ASSERTION);
    let asked = grant::duration(&mut check);
    check.verdict().map(|()| asked)
}

fn session_name(parameters: &Parameters) -> Result<crate::role::SessionName, Refusal> {
    let name = parameters.get("RoleSessionName").unwrap_or_default();
    name.parse().map_err(|_| Refusal::invalid("RoleSessionName is invalid"))
}

/// Set once, a source identity stays the same for all roles that follow.
fn source_identity(parameters: &Parameters, caller: &Caller) -> Result<Option<String>, Refusal> {
    let asked = parameters.get("SourceIdentity");
    let set = caller.role().and_then(|role| role.source_identity.as_deref());
    match (set, asked) {
        (Some(set), Some(asked)) if set != asked => Err(denied(caller, "sts:SetSourceIdentity")),
        (set, asked) => Ok(set.or(asked).map(str::to_owned)),
    }
}

fn denied(caller: &Caller, action: &str) -> Refusal {
    let caller = caller.arn();
    let message = format!("User: {caller} is not authorized to perform: {action}");
    Refusal::new(Code::AccessDenied, message)
}

/// The rules of the role, where they let this caller in.
///
/// A role that is not there, a wrong external ID, a missing code and a trust
/// policy that names somebody else are told apart by nobody: STS has one answer
/// for all.
fn admitted<'a>(call: &Call<'a>, caller: &Caller, role: &RoleArn) -> Result<&'a Role, Refusal> {
    let mfa = call.has_mfa(caller)?;
    let external_id = call.parameters.get("ExternalId");
    // Of all STS has, a federated user may ask only who it is.
    let federated = matches!(caller, Caller::Session(Session { holder: Holder::Federated(_), .. }));
    let rules = call.script.roles.find(role);
    rules
        .filter(|rules| !federated && rules.trust.admits(external_id, mfa))
        .ok_or_else(|| denied(caller, &format!("sts:AssumeRole on resource: {role}")))
}

fn allow_duration(caller: &Caller, rules: &Role, asked: Duration) -> Result<(), Refusal> {
    if caller.role().is_some() && asked > HOUR {
        return Err(Refusal::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit \
             for roles assumed by role chaining.",
        ));
    }
    grant::allow_duration(rules, asked)
}
