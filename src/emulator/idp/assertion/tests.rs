use super::*;
use crate::emulator::idp::samples::{PROVIDER, Saml};

const ARN: &str = "arn:aws:iam::210987654321:role/team/deploy";

fn now() -> Timestamp {
    "2026-11-25T08:00:00Z".parse().unwrap()
}

fn read(change: impl FnOnce(&mut Saml)) -> Result<Assertion, Refusal> {
    let mut saml = Saml::new(ARN, now());
    change(&mut saml);
    Assertion::read(&saml.base64(), now())
}

fn read_xml(change: impl FnOnce(String) -> String) -> Result<Assertion, Refusal> {
    Assertion::read(&BASE64.encode(change(Saml::new(ARN, now()).xml())), now())
}

fn told<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> String {
    let refusal = outcome.unwrap_err();
    assert_eq!(refusal.code, Code::InvalidIdentityToken, "{}", refusal.message);
    refusal.message
}

#[test]
fn a_response_says_whose_it_is() {
    let assertion = read(|_| {}).unwrap();
    assert_eq!(assertion.issuer, "https://idp.example.com/saml");
    assert_eq!((&*assertion.subject, &*assertion.subject_type), ("me", "persistent"));
    assert_eq!(assertion.recipient, "https://signin.aws.amazon.com/saml");
    assert_eq!(assertion.session_name.as_str(), "me@example.com");
    assert_eq!((assertion.session_ends, &assertion.source_identity), (None, &None));
    assert!(assertion.allows(&ARN.parse().unwrap(), PROVIDER));
    assert!(!assertion.allows(&ARN.parse().unwrap(), ARN));
}

#[test]
fn line_breaks_in_base64_do_no_harm() {
    let text = Saml::new(ARN, now()).base64();
    let (first, second) = text.split_at(76);
    assert!(Assertion::read(&format!("{first}\r\n{second}\n"), now()).is_ok());
}

#[test]
fn a_response_is_to_be_redeemed_within_five_minutes() {
    let code = |change: fn(&mut Saml)| read(change).map(|_| ()).map_err(|refusal| refusal.code);
    let expired = Err(Code::ExpiredTokenException);
    assert_eq!(code(|saml| saml.not_on_or_after = "2026-11-25T08:00:01Z".into()), Ok(()));
    assert_eq!(code(|saml| saml.not_on_or_after = "2026-11-25T08:00:00Z".into()), expired);
    assert_eq!(code(|saml| saml.issued = "2026-11-25T07:55:00.001Z".into()), Ok(()));
    assert_eq!(code(|saml| saml.issued = "2026-11-25T07:55:00Z".into()), expired);
    assert_eq!(code(|saml| saml.not_before = "2026-11-25T08:05:00Z".into()), Ok(()));
    let early = read(|saml| saml.not_before = "2026-11-25T08:05:01Z".into());
    assert!(told(early).contains("not valid yet"));
    assert!(told(read(|saml| saml.issued = "today".into())).contains("IssueInstant"));
}

#[test]
fn a_response_for_somebody_else_is_refused() {
    for audience in ["https://sp.example.com", "https://signin.aws.amazon.com.evil.com/saml"] {
        let message = told(read(|saml| saml.audience = audience.into()));
        assert_eq!(message, "Response does not contain the required audience.");
    }
    for recipient in [
        "",
        "https://sp.example.com/saml",
        "http://signin.aws.amazon.com/saml",
        "https://evilsignin.aws.amazon.com/saml",
        "https://evil.com/.signin.aws.amazon.com/saml",
    ] {
        assert!(told(read(|saml| saml.recipient = recipient.into())).contains("recipient"));
    }
    for recipient in
        ["https://eu-central-1.signin.aws.amazon.com/saml", "https://signin.amazonaws.cn/saml"]
    {
        assert_eq!(read(|saml| saml.recipient = recipient.into()).unwrap().recipient, recipient);
    }
}

#[test]
fn what_a_response_must_say_is_told() {
    assert!(told(read(|saml| saml.status = "urn:x".into())).contains("status"));
    assert!(told(read(|saml| saml.attributes.clear())).starts_with("RoleSessionName is required"));
    assert!(told(read(|saml| saml.attributes[0].1[0] = "m e".into())).contains("must match"));
    assert!(told(read(|saml| saml.roles.clear())).contains("Role attribute"));
    for (part, other, why) in [
        ("samlp:Response", "samlp:Request", "not a Response"),
        ("<Assertion xmlns", "<Assertion xmlns=\"urn:x\" was", "not one Assertion"),
        ("NameID", "BaseID", "no NameID"),
        (">me<", "> <", "no NameID"),
        ("Subject>", "Object>", "not one Subject"),
        ("cm:bearer", "cm:holder-of-key", "not confirmed as the bearer"),
        ("<Issuer>https://idp.example.com/saml</Issuer>", "", "not one Issuer"),
    ] {
        let message = told(read_xml(|xml| xml.replace(part, other)));
        assert!(message.contains(why), "{part}: {message}");
    }
}

#[test]
fn the_session_ends_with_the_first_statement_that_does() {
    let ends = read(|saml| saml.session_ends = Some("2026-11-25T08:30:00.5+00:00".into()));
    assert_eq!(ends.unwrap().session_ends, "2026-11-25T08:30:00.5Z".parse().ok());
    let odd = read(|saml| saml.session_ends = Some("P1D".into()));
    assert!(told(odd).contains("SessionNotOnOrAfter is not a time"));
}

#[test]
fn tags_and_a_source_identity_may_be_among_the_attributes() {
    let with = |name: &str, values: &[&str]| {
        let attribute = (name.to_owned(), values.iter().map(|v| (*v).to_owned()).collect());
        read(|saml| saml.attributes.push(attribute))
    };
    let tagged = with("PrincipalTag:team", &["blue"]).unwrap();
    assert_eq!(tagged.tags.own, [("team".to_owned(), "blue".to_owned())]);
    let named = with("SourceIdentity", &["me"]).unwrap();
    assert_eq!(named.source_identity.as_deref(), Some("me"));
    assert!(told(with("SourceIdentity", &["aws:me"])).starts_with("Source Identity must match"));
    assert!(told(with("TransitiveTagKeys", &["team"])).contains("transitive"));
    assert!(told(with("PrincipalTag:team", &["a", "b"])).starts_with("Duplicate tag keys"));
    assert!(told(with("PrincipalTag:te*m", &["a"])).contains("session tags"));
}

#[test]
fn hostile_responses_are_refused() {
    for text in ["", "====", "no base64", "/////w=="] {
        assert!(told(Assertion::read(text, now())).starts_with("Invalid SAML response"), "{text}");
    }
    let dtd = |declarations: &str| format!("?>\n<!DOCTYPE r [{declarations}]>");
    let bomb = "<!ENTITY e0 \"&e1;&e1;&e1;&e1;\"><!ENTITY e1 \"&e2;&e2;&e2;&e2;\">".repeat(9);
    for declarations in
        [&*bomb, "<!ENTITY x SYSTEM \"file:///etc/passwd\">", "<!ELEMENT r ANY>", "%x;"]
    {
        let message = told(read_xml(|xml| xml.replacen("?>", &dtd(declarations), 1)));
        assert!(message.contains("DTD") || message.contains("well-formed"), "{message}");
    }
    let deep = |_| format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    assert!(told(read_xml(deep)).contains("too many elements"));
    let wide =
        |xml: String| xml.replace("<Subject>", &format!("{}<Subject>", "<a/>".repeat(5_000)));
    assert!(told(read_xml(wide)).contains("too many elements"));
    let twice = |xml: String| {
        let (start, rest) = xml.split_once("<Assertion").unwrap();
        let (assertion, end) = rest.split_once("</Assertion>").unwrap();
        let assertion = format!("<Assertion{assertion}</Assertion>");
        format!("{start}{assertion}{assertion}{end}")
    };
    assert!(told(read_xml(twice)).contains("not one Assertion"));
}

#[test]
fn a_comment_does_not_make_one_subject_of_another() {
    let assertion = read_xml(|xml| xml.replace(">me<", ">me<!-- x -->.evil<")).unwrap();
    assert_eq!(assertion.subject, "me.evil");
}
