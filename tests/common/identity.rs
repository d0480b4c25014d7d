//! What identity providers issue, unsigned: an OIDC token and a SAML response.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

/// Whom a SAML response is for.
pub const AUDIENCE: &str = "urn:amazon:webservices";

/// A JSON web token that ends so long after now.
pub fn token(now: Timestamp, life: SignedDuration) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let now = now.as_second();
    let claims = format!(
        r#"{{"iss":"https://idp.example.com","sub":"me","aud":"sts","iat":{},"exp":{}}}"#,
        now - 7200,
        now + life.as_secs()
    );
    let header = part(r#"{"alg":"RS256","kid":"1"}"#);
    format!("{header}.{}.{}", part(&claims), part("signature"))
}

/// A SAML response that ends so long after now, for one pair of a role and a provider.
pub fn response(now: Timestamp, life: SignedDuration, pair: &str) -> String {
    response_for(now, life, pair, AUDIENCE)
}

/// One for this audience.
pub fn response_for(now: Timestamp, life: SignedDuration, pair: &str, audience: &str) -> String {
    let ends = now + life;
    format!(
        r#"<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"
        xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><p:Status>
        <p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>
        <Assertion IssueInstant="{now}"><Issuer>https://idp.example.com/saml</Issuer>
        <Subject><NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">unheard-of-subject</NameID>
        <SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
        <SubjectConfirmationData NotOnOrAfter="{ends}"
            Recipient="https://signin.aws.amazon.com/saml"/></SubjectConfirmation></Subject>
        <Conditions NotOnOrAfter="{ends}"><AudienceRestriction><Audience>{audience}</Audience>
        </AudienceRestriction></Conditions>
        <AttributeStatement>
        <Attribute Name="https://aws.amazon.com/SAML/Attributes/Role">
        <AttributeValue>{pair}</AttributeValue></Attribute>
        <Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName">
        <AttributeValue>me@host</AttributeValue></Attribute>
        </AttributeStatement></Assertion></p:Response>"#
    )
}
