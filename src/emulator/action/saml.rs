//! `AssumeRoleWithSAML`: a role for whoever brings a good assertion.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::call::{Call, Outcome};
use super::grant::{self, Grant, Visitor};
use super::policy;
use crate::emulator::caller::RoleSession;
use crate::emulator::idp::assertion::Assertion;
use crate::emulator::limits::{Check, Limit, Pattern, ROLE_ARN};
use crate::emulator::refusal::{Code, Refusal};
use crate::emulator::script::{Idp, Mismatch};
use crate::emulator::xml::Element;
use crate::role::AccountId;

const PRINCIPAL_ARN: Limit = Limit::required("PrincipalArn", (20, 2048), Pattern::Any);
const ASSERTION: Limit = Limit::required("SAMLAssertion", (4, 100_000), Pattern::Any);
const ACTION: &str = "sts:AssumeRoleWithSAML";

/// What is not the trust policy's to refuse.
fn of_provider(mismatch: Mismatch, _: &Idp) -> Option<Refusal> {
    let message = "Issuer not present in specified provider";
    (mismatch == Mismatch::Issuer).then(|| Refusal::new(Code::InvalidIdentityToken, message))
}

pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let mut check = Check::new(call.parameters);
    for limit in [&ROLE_ARN, &PRINCIPAL_ARN, &ASSERTION] {
        check.text(limit);
    }
    policy::limits(&mut check);
    let asked = grant::duration(&mut check);
    check.verdict()?;
    let role = grant::role_arn(call.parameters)?;
    let provider = Provider::of(call.parameters.get("PrincipalArn").unwrap_or_default())?;
    let assertion = call.parameters.get("SAMLAssertion").unwrap_or_default();
    let assertion = Assertion::read(assertion, call.now)?;
    let packed = policy::packed(call.parameters, &assertion.tags)?;
    if !assertion.allows(&role, provider.arn) {
        return Err(grant::not_authorized(ACTION));
    }
    let rules = grant::admitted(
        call,
        &role,
        &Visitor { action: ACTION, idp: assertion.idp(), of_provider },
    )?;
    grant::allow_duration(rules, asked)?;
    let session = RoleSession {
        role,
        name: assertion.session_name.clone(),
        source_identity: assertion.source_identity.clone(),
        transitive: assertion.tags.clone().handed_on(&[]),
    };
    let latest = assertion.session_ends;
    let mut result = Grant { rules, session, asked, latest, packed }.result(call)?;
    result.push(Element::text("NameQualifier", provider.name_qualifier(&assertion.issuer)));
    result.push(Element::text("Subject", assertion.subject));
    result.push(Element::text("SubjectType", assertion.subject_type));
    result.push(Element::text("Issuer", assertion.issuer));
    result.push(Element::text("Audience", assertion.recipient));
    Ok(result)
}

/// `arn:PARTITION:iam::ACCOUNT:saml-provider/NAME`
struct Provider<'a> {
    arn: &'a str,
    account: AccountId,
    name: &'a str,
}

impl<'a> Provider<'a> {
    fn of(arn: &'a str) -> Result<Self, Refusal> {
        let read = || {
            let parts: Vec<_> = arn.split(':').collect();
            let &["arn", _, "iam", "", account, resource] = parts.as_slice() else {
                return None;
            };
            let name = resource.strip_prefix("saml-provider/").filter(|name| !name.is_empty())?;
            Some(Self { arn, account: account.parse().ok()?, name })
        };
        read().ok_or_else(|| Refusal::invalid(format!("{arn} is invalid")))
    }

    /// Tells subjects of one name apart, by who vouches for them and to whom (A10).
    fn name_qualifier(&self, issuer: &str) -> String {
        let text = format!("{issuer}{}/{}", self.account, self.name);
        BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
    }
}
