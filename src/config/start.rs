//! The calls that need no role before them: web identity, SAML, and the two that
//! an IAM user's own keys may make.

use super::inputs::Caller;
use super::mistake::Mistakes;
use super::parts;
use super::role_keys::Keys;
use crate::environment::Environment;
use crate::role::{Partition, RoleArn};
use crate::sts::request::{
    FederationName, FederationToken, PrincipalArn, Saml, SessionToken, TextSource, WebIdentity,
};

const TOKEN: [&str; 2] = ["web_identity_token_file", "web_identity_token_command"];
const ASSERTION: [&str; 2] = ["saml_assertion_file", "saml_assertion_command"];

/// `AssumeRoleWithWebIdentity`, as the keys describe it.
pub(super) fn web_identity(
    keys: &Keys<'_>,
    caller: &Caller,
    environment: &Environment,
    mistakes: &mut Mistakes,
) -> Option<WebIdentity> {
    let role_arn = role_arn(keys, &TOKEN, mistakes);
    let partition = role_arn.as_ref().map(RoleArn::partition);
    let role_session_name = mistakes.note(parts::session_name(keys, caller));
    let token = mistakes.note(parts::text_source(TOKEN, keys, environment));
    let duration = mistakes.note(parts::span("duration_seconds", keys));
    let policies = parts::policies(keys, partition, environment, mistakes);
    Some(WebIdentity {
        role_arn: role_arn?,
        role_session_name: role_session_name?,
        token: token??,
        duration: duration?,
        policies: policies?,
    })
}

/// `AssumeRoleWithSAML`, as the keys describe it.
pub(super) fn saml(
    keys: &Keys<'_>,
    environment: &Environment,
    mistakes: &mut Mistakes,
) -> Option<Saml> {
    let role_arn = role_arn(keys, &["principal_arn", ASSERTION[0], ASSERTION[1]], mistakes);
    let partition = role_arn.as_ref().map(RoleArn::partition);
    let principal_arn = principal_arn(keys, partition, mistakes);
    let assertion = mistakes.note(parts::text_source(ASSERTION, keys, environment));
    let duration = mistakes.note(parts::span("duration_seconds", keys));
    let policies = parts::policies(keys, partition, environment, mistakes);
    Some(Saml {
        role_arn: role_arn?,
        principal_arn: principal_arn?,
        // Without a file or a command somebody brings it.
        assertion: assertion?.unwrap_or(TextSource::HandedIn),
        duration: duration?,
        policies: policies?,
    })
}

/// `GetSessionToken`, as the keys describe it.
pub(super) fn session_token(keys: &Keys<'_>, mistakes: &mut Mistakes) -> Option<SessionToken> {
    let mfa = parts::mfa(keys, mistakes);
    let duration = mistakes.note(parts::span("duration_seconds", keys));
    Some(SessionToken { duration: duration?, mfa })
}

/// `GetFederationToken`, as the keys describe it.
pub(super) fn federation_token(
    keys: &Keys<'_>,
    environment: &Environment,
    mistakes: &mut Mistakes,
) -> Option<FederationToken> {
    let name = match (keys.get("federation_name"), keys.get("action")) {
        (Some(name), _) => name.parse::<FederationName>(),
        (None, Some(action)) => Err(action
            .mistake("stands without federation_name")
            .hint("add federation_name, which CloudTrail will show")),
        (None, None) => return None,
    };
    let name = mistakes.note(name);
    let duration = mistakes.note(parts::span("duration_seconds", keys));
    let policies = parts::policies(keys, None, environment, mistakes);
    let tags = parts::tags(keys, mistakes);
    Some(FederationToken { name: name?, duration: duration?, policies: policies?, tags: tags? })
}

fn role_arn(keys: &Keys<'_>, beside: &[&str], mistakes: &mut Mistakes) -> Option<RoleArn> {
    if let Some(arn) = keys.get("role_arn") {
        return mistakes.note(arn.parse());
    }
    if let Some(there) = beside.iter().find_map(|key| keys.get(key)) {
        mistakes.push(
            there.mistake("stands without role_arn").hint("add role_arn to the same profile"),
        );
    }
    None
}

fn principal_arn(
    keys: &Keys<'_>,
    partition: Option<Partition>,
    mistakes: &mut Mistakes,
) -> Option<PrincipalArn> {
    let Some(setting) = keys.get("principal_arn") else {
        if let Some(there) = ASSERTION.iter().find_map(|key| keys.get(key)) {
            mistakes.push(
                there
                    .mistake("stands without principal_arn")
                    .hint("add principal_arn, the ARN of the SAML provider in IAM"),
            );
        }
        return None;
    };
    let arn: PrincipalArn = mistakes.note(setting.parse())?;
    mistakes.note(parts::same_partition(&setting, arn.partition(), partition))?;
    Some(arn)
}
