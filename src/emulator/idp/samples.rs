//! Tokens and responses as providers make them, for tests.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::emulator::iso;

pub(in crate::emulator) const PROVIDER: &str = "arn:aws:iam::210987654321:saml-provider/Corp";

/// A JWT whose signature is none.
pub(in crate::emulator) fn jwt(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

/// A SAML response, to be changed before it is written down.
pub(in crate::emulator) struct Saml {
    pub(in crate::emulator) status: String,
    pub(in crate::emulator) issued: String,
    pub(in crate::emulator) not_before: String,
    pub(in crate::emulator) not_on_or_after: String,
    pub(in crate::emulator) recipient: String,
    pub(in crate::emulator) audience: String,
    pub(in crate::emulator) format: String,
    pub(in crate::emulator) session_ends: Option<String>,
    pub(in crate::emulator) roles: Vec<String>,
    /// By the last part of their names.
    pub(in crate::emulator) attributes: Vec<(String, Vec<String>)>,
}

impl Saml {
    /// A good one, made now for one role.
    pub(in crate::emulator) fn new(role: &str, now: Timestamp) -> Self {
        let at = |minutes| iso(now.saturating_add(SignedDuration::from_mins(minutes)).unwrap());
        Self {
            status: "urn:oasis:names:tc:SAML:2.0:status:Success".to_owned(),
            issued: at(0),
            not_before: at(-1),
            not_on_or_after: at(5),
            recipient: "https://signin.aws.amazon.com/saml".to_owned(),
            audience: "urn:amazon:webservices".to_owned(),
            format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned(),
            session_ends: None,
            roles: vec![format!("{role},{PROVIDER}")],
            attributes: vec![("RoleSessionName".to_owned(), vec!["me@example.com".to_owned()])],
        }
    }

    pub(in crate::emulator) fn xml(&self) -> String {
        let Self { status, issued, not_before, not_on_or_after, recipient, audience, .. } = self;
        let session_ends =
            self.session_ends.iter().map(|t| format!(" SessionNotOnOrAfter=\"{t}\""));
        let roles = ("Role".to_owned(), self.roles.clone());
        let attributes: String =
            [&roles].into_iter().chain(&self.attributes).map(attribute).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_1\" \
             Version=\"2.0\" IssueInstant=\"{issued}\" Destination=\"{recipient}\">\
             <Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://idp.example.com</Issuer>\
             <samlp:Status><samlp:StatusCode Value=\"{status}\"/></samlp:Status>\
             <Assertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_2\" Version=\"2.0\" \
             IssueInstant=\"{issued}\"><Issuer>https://idp.example.com/saml</Issuer>\
             <Subject><NameID Format=\"{}\">me</NameID>\
             <SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <SubjectConfirmationData NotOnOrAfter=\"{not_on_or_after}\" Recipient=\"{recipient}\"/>\
             </SubjectConfirmation></Subject>\
             <Conditions NotBefore=\"{not_before}\" NotOnOrAfter=\"{not_on_or_after}\">\
             <AudienceRestriction><Audience>{audience}</Audience></AudienceRestriction></Conditions>\
             <AuthnStatement AuthnInstant=\"{issued}\"{}/>\
             <AttributeStatement>{attributes}</AttributeStatement></Assertion></samlp:Response>\n",
            self.format,
            session_ends.collect::<String>(),
        )
    }

    pub(in crate::emulator) fn base64(&self) -> String {
        STANDARD.encode(self.xml())
    }
}

fn attribute((name, values): &(String, Vec<String>)) -> String {
    let values = values.join("</AttributeValue><AttributeValue>");
    format!(
        "<Attribute Name=\"https://aws.amazon.com/SAML/Attributes/{name}\">\
         <AttributeValue>{values}</AttributeValue></Attribute>"
    )
}
