//! `AssumeRoleWithWebIdentity`: a role for whoever brings a good token.

use super::call::{Call, Outcome};
use super::grant::{self, Grant, Visitor};
use super::policy;
use crate::emulator::caller::RoleSession;
use crate::emulator::idp::id_token::IdToken;
use crate::emulator::limits::{Check, Limit, Pattern, ROLE_ARN, SESSION_NAME};
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::script::{Idp, Mismatch};
use crate::emulator::xml::Element;

const TOKEN: Limit = Limit::required("WebIdentityToken", (4, 20_000), Pattern::Any);
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// What is not the trust policy's to refuse: a provider knows its clients, not its users.
fn of_provider(mismatch: Mismatch, token: &Idp) -> Option<Refusal> {
    let message = match mismatch {
        Mismatch::Issuer => {
            let issuer = token.issuer.as_deref().unwrap_or_default();
            format!("No OpenIDConnect provider found in your account for {issuer}")
        }
        Mismatch::Audience => "Incorrect token audience".to_owned(),
        Mismatch::Subject => return None,
    };
    Some(Refusal::new(Code::InvalidIdentityToken, message))
}

pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let mut check = Check::new(call.parameters);
    for limit in [&ROLE_ARN, &SESSION_NAME, &TOKEN] {
        check.text(limit);
    }
    policy::limits(&mut check);
    let asked = grant::duration(&mut check);
    check.verdict()?;
    if call.parameters.get("ProviderId").is_some() {
        return Err(Refusal::invalid("ProviderId is for OAuth 2.0 access tokens, not for JWTs"));
    }
    let token = call.parameters.get("WebIdentityToken").unwrap_or_default();
    let token = IdToken::read(token, call.now)?;
    let packed = policy::packed(call.parameters, &token.tags)?;
    let role = grant::role_arn(call.parameters)?;
    let rules =
        grant::admitted(call, &role, &Visitor { action: ACTION, idp: token.idp(), of_provider })?;
    grant::allow_duration(rules, asked)?;
    let name = call.parameters.get("RoleSessionName").unwrap_or_default();
    let session = RoleSession {
        role,
        name: name.parse().map_err(|_| Refusal::invalid("RoleSessionName is invalid"))?,
        source_identity: token.source_identity,
        transitive: token.tags.handed_on(&[]),
    };
    let mut result = Grant { rules, session, asked, latest: None, packed }.result(call)?;
    result.push(Element::text("SubjectFromWebIdentityToken", token.subject));
    result.push(Element::text("Audience", token.audience));
    result.push(Element::text("Provider", token.issuer));
    Ok(result)
}
