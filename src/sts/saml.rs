//! What a SAML response says of itself, looked at before it is sent.
//!
//! Nothing is verified here: STS does that. It is read so that an assertion
//! which has ended, or names other roles, is told in words and not in a refusal.
//! What cannot be looked into (an encrypted assertion) is sent as it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::request::{Saml, TextSource};
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::markup::{Document, Why};
use crate::role::RoleArn;
use crate::secret::Secret;

/// `SAMLAssertion` has 4 to 100000 characters (docs/rules.md, STS parameters).
const LONGEST: usize = 100_000;

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const ROLE: &str = "https://aws.amazon.com/SAML/Attributes/Role";

/// What an assertion says that matters before the call.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    /// The earliest `NotOnOrAfter` of conditions and subject.
    ends: Option<Timestamp>,
    /// Pairs of a role and a provider, in whichever order they stand.
    roles: Vec<String>,
    encrypted: bool,
}

/// The response in the form that STS takes: base64, without line breaks.
pub(super) fn encoded(text: &Secret) -> Result<Secret, Failure> {
    let text = text.expose();
    let encoded = if text.starts_with('<') {
        STANDARD.encode(text)
    } else {
        text.split_ascii_whitespace().collect()
    };
    let wrong = match encoded.len() {
        0 => "it is empty",
        length if length > LONGEST => "it has more than 100000 characters",
        _ if STANDARD.decode(&encoded).is_err() => "it is neither XML nor base64",
        _ => return Ok(Secret::new(encoded)),
    };
    Err(Failure::new(Kind::NoBase, format!("what stands for the SAML response is none: {wrong}"))
        .hint("it is what the identity provider posts as SAMLResponse"))
}

/// Refuses what STS would refuse, as far as the assertion tells it.
pub(super) fn check(encoded: &Secret, call: &Saml, now: Timestamp) -> Result<(), Failure> {
    let xml = STANDARD.decode(encoded.expose()).unwrap_or_default();
    let xml = String::from_utf8_lossy(&xml);
    let claims = read(&xml).map_err(|why| {
        Failure::new(Kind::NoBase, format!("the SAML response cannot be read: {why}"))
            .hint("it is what the identity provider posts as SAMLResponse")
    })?;
    if let Some(ends) = claims.ends.filter(|ends| *ends <= now) {
        return Err(ended(call, ends, now));
    }
    if claims.encrypted || claims.roles.iter().any(|pair| names(pair, call)) {
        return Ok(());
    }
    Err(other_roles(&claims.roles, call))
}

/// Somebody has to sign in again, unless a command does it.
fn ended(call: &Saml, ends: Timestamp, now: Timestamp) -> Failure {
    let (kind, hint) = match call.assertion {
        TextSource::File(_) => (
            Kind::NeedsHuman,
            "sign in at the identity provider, and put the new response into the file",
        ),
        TextSource::HandedIn => (
            Kind::NeedsHuman,
            "sign in at the identity provider, and hand the new response in: assumed saml FILE",
        ),
        TextSource::Command(_) => (Kind::NoBase, "is this machine's clock right?"),
    };
    let ago = clock::until(ends, now).as_secs();
    Failure::new(kind, format!("the SAML assertion ended at {ends}, {ago}s ago")).hint(hint)
}

fn names(pair: &str, call: &Saml) -> bool {
    let mut parts = pair.split(',').map(str::trim);
    let (role, provider) = (call.role_arn.as_str(), call.principal_arn.as_str());
    match (parts.next(), parts.next()) {
        (Some(one), Some(two)) => (one, two) == (role, provider) || (two, one) == (role, provider),
        _ => false,
    }
}

fn other_roles(pairs: &[String], call: &Saml) -> Failure {
    let roles = pairs.iter().flat_map(|pair| pair.split(','));
    // Parsed, so that nothing else of the assertion gets out.
    let roles: Vec<RoleArn> = roles.filter_map(|text| text.trim().parse().ok()).collect();
    if roles.contains(&call.role_arn) {
        return Failure::new(
            Kind::NoBase,
            "the SAML assertion names the role with another provider",
        )
        .hint("is principal_arn the provider that has signed it?");
    }
    let offered: Vec<&str> = roles.iter().take(5).map(RoleArn::as_str).collect();
    let what = if offered.is_empty() {
        "the SAML assertion names no role of AWS".to_owned()
    } else {
        format!("the SAML assertion does not name the role; it names {}", offered.join(", "))
    };
    Failure::new(Kind::NoBase, what).hint("is this user allowed the role at the identity provider?")
}

fn read(text: &str) -> Result<Claims, Why> {
    let document = Document::read(text)?;
    let ends = ["Conditions", "SubjectConfirmationData"].into_iter();
    let ends = ends.flat_map(|name| document.all(ASSERTION, name));
    let ends = ends.filter_map(|place| place.attribute("NotOnOrAfter")?.parse().ok());
    let roles = document.all(ASSERTION, "Attribute");
    let roles = roles.filter(|attribute| attribute.attribute("Name") == Some(ROLE));
    let roles = roles.flat_map(|attribute| attribute.children(ASSERTION, "AttributeValue"));
    Ok(Claims {
        ends: ends.min(),
        roles: roles.map(|value| value.text().to_owned()).collect(),
        encrypted: document.all(ASSERTION, "EncryptedAssertion").next().is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::request::{Policies, SessionDuration};

    const NOON: Timestamp = Timestamp::constant(1_782_907_200, 0);
    const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/one";
    const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/corp";

    fn call(assertion: TextSource) -> Saml {
        Saml {
            role_arn: ROLE_ARN.parse().unwrap(),
            principal_arn: PROVIDER.parse().unwrap(),
            assertion,
            duration: SessionDuration::default(),
            policies: Policies::default(),
        }
    }

    fn response(ends: &str, pair: &str) -> String {
        format!(
            "<samlp:Response xmlns:samlp='p' xmlns:saml='{ASSERTION}'><saml:Assertion><saml:Subject><saml:SubjectConfirmation>\
             <saml:SubjectConfirmationData NotOnOrAfter='{ends}' Recipient='https://signin.aws.amazon.com/saml'/>\
             </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotOnOrAfter='2026-07-01T13:00:00Z'/>\
             <saml:AttributeStatement><saml:Attribute Name='https://aws.amazon.com/SAML/Attributes/RoleSessionName'>\
             <saml:AttributeValue>jane</saml:AttributeValue></saml:Attribute>\
             <saml:Attribute Name='{ROLE}'><saml:AttributeValue>{pair}</saml:AttributeValue></saml:Attribute>\
             </saml:AttributeStatement></saml:Assertion></samlp:Response>"
        )
    }

    fn judged(xml: &str) -> Result<(), Failure> {
        let encoded = encoded(&Secret::new(xml)).unwrap();
        check(&encoded, &call(TextSource::File("/saml".into())), NOON)
    }

    const LATER: &str = "2026-07-01T12:05:00Z";

    #[test]
    fn an_assertion_for_the_role_passes_in_either_order() {
        judged(&response(LATER, &format!("{ROLE_ARN},{PROVIDER}"))).unwrap();
        judged(&response(LATER, &format!("{PROVIDER}, {ROLE_ARN}"))).unwrap();
        judged(&format!("<r><EncryptedAssertion xmlns='{ASSERTION}'/></r>")).unwrap();
    }

    #[test]
    fn one_that_has_ended_waits_for_a_human_or_for_the_command() {
        let ended = response("2026-07-01T11:59:00Z", &format!("{ROLE_ARN},{PROVIDER}"));
        let failure = judged(&ended).unwrap_err();
        assert_eq!(failure.kind, Kind::NeedsHuman);
        assert_eq!(failure.message, "the SAML assertion ended at 2026-07-01T11:59:00Z, 60s ago");
        let command = crate::sts::request::CommandLine::Line(Secret::new("x"));
        let call = call(TextSource::Command(command));
        let failure = check(&encoded(&Secret::new(ended)).unwrap(), &call, NOON).unwrap_err();
        assert_eq!(failure.kind, Kind::NoBase);
    }

    #[test]
    fn one_for_others_says_for_whom() {
        let other = "arn:aws:iam::123456789012:role/other";
        let failure = judged(&response(LATER, &format!("{other},{PROVIDER}"))).unwrap_err();
        assert!(failure.message.ends_with(&format!("it names {other}")), "{failure}");
        let failure = judged(&response(LATER, &format!("{ROLE_ARN},{PROVIDER}2"))).unwrap_err();
        assert!(failure.message.contains("another provider"), "{failure}");
        let failure = judged(&response(LATER, "hush hush")).unwrap_err();
        assert_eq!(failure.message, "the SAML assertion names no role of AWS");
    }

    #[test]
    fn hostile_responses_are_refused_unsent() {
        for (xml, why) in [
            ("<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>", "it has a DTD"),
            ("<a>", "it ends before its root does"),
            (&"<a>".repeat(1000), "it has too many elements"),
        ] {
            let failure = judged(xml).unwrap_err();
            assert!(failure.message.contains(why), "{failure}");
        }
        let refused = |text: &str| encoded(&Secret::new(text)).unwrap_err().message;
        assert!(refused("").ends_with("it is empty"));
        assert!(refused("not base64!").ends_with("neither XML nor base64"));
        assert!(refused(&"A".repeat(LONGEST + 4)).ends_with("100000 characters"));
    }

    #[test]
    fn base64_may_come_in_lines() {
        let text = STANDARD.encode("<a/>");
        let (one, two) = text.split_at(3);
        let joined = encoded(&Secret::new(format!("{one}\r\n{two}"))).unwrap();
        assert_eq!(joined.expose(), text);
    }
}
