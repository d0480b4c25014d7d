//! `AssumeRoleWithWebIdentity` and `AssumeRoleWithSAML`.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::emulator::idp::samples;
use crate::emulator::script::Idp;

fn claims() -> Value {
    json!({
        "iss": "https://idp.example.com", "sub": "me", "aud": "sts.amazonaws.com",
        "iat": now().as_second(), "exp": now().as_second() + 60,
    })
}

fn web(claims: &Value, parameters: &[(&str, &str)]) -> Given {
    let token = samples::jwt(&json!({ "alg": "RS256" }), claims);
    let usual = [("RoleArn", ARN), ("RoleSessionName", "me"), ("WebIdentityToken", &*token)];
    given("AssumeRoleWithWebIdentity", &usual, parameters)
}

fn saml(change: impl FnOnce(&mut samples::Saml), parameters: &[(&str, &str)]) -> Given {
    let mut response = samples::Saml::new(ARN, now());
    change(&mut response);
    let assertion = response.base64();
    let usual =
        [("RoleArn", ARN), ("PrincipalArn", samples::PROVIDER), ("SAMLAssertion", &*assertion)];
    given("AssumeRoleWithSAML", &usual, parameters)
}

fn wants(idp: &Value) -> Trust {
    let part = |name: &str| idp.get(name).and_then(Value::as_str).map(str::to_owned);
    let (issuer, audience, subject) = (part("issuer"), part("audience"), part("subject"));
    Trust::Idp(Idp { issuer, audience, subject })
}

#[test]
fn a_token_gets_a_role() {
    // A10
    let given = web(&claims(), &[]);
    let xml = given.answer().unwrap();
    assert_eq!(text(&xml, "SubjectFromWebIdentityToken"), "me");
    assert_eq!(text(&xml, "Provider"), "https://idp.example.com");
    assert_eq!(text(&xml, "Audience"), "sts.amazonaws.com");
    assert_eq!(text(&xml, "Arn"), "arn:aws:sts::210987654321:assumed-role/deploy/me");
    // A token's end is not the session's.
    assert_eq!(text(&xml, "Expiration"), "2026-11-25T09:00:00Z");
}

#[test]
fn a_token_that_is_not_wanted_is_told_apart_as_far_as_sts_does() {
    let message = |idp| web(&claims(), &[]).trust(wants(&idp)).answer().err();
    assert_eq!(message(json!({ "issuer": "https://idp.example.com", "subject": "me" })), None);
    let (invalid, denied) = (Code::InvalidIdentityToken, Code::AccessDenied);
    for (idp, code, told) in [
        (json!({ "issuer": "x" }), invalid, "No OpenIDConnect provider found in your account for"),
        (json!({ "audience": "x" }), invalid, "Incorrect token audience"),
        (
            json!({ "subject": "x" }),
            denied,
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ),
    ] {
        let (is, message) = message(idp).unwrap();
        assert_eq!(is, code);
        assert!(message.starts_with(told), "{message}");
    }
    for trust in [Trust::Nobody, Trust::Mfa, Trust::ExternalId("x".into())] {
        assert_eq!(web(&claims(), &[]).trust(trust).refused().0, Code::AccessDenied);
    }
}

#[test]
fn the_call_of_a_token_is_held_to_its_limits() {
    let long = "x".repeat(20_001);
    for (name, value, told) in [
        ("WebIdentityToken", "abc", "greater than or equal to 4"),
        ("WebIdentityToken", &*long, "less than or equal to 20000"),
        ("RoleSessionName", "x", "at 'roleSessionName'"),
        ("DurationSeconds", "899", "equal to 900"),
        ("ProviderId", "www.amazon.com", "OAuth 2.0"),
    ] {
        let (code, message) = web(&claims(), &[(name, value)]).refused();
        assert_eq!(code, Code::ValidationError, "{name}");
        assert!(message.contains(told) && !message.contains(&*long), "{message}");
    }
    let role = Role { max_session: Duration::from_hours(1), ..Role::default() };
    let given = web(&claims(), &[("DurationSeconds", "3601")]).role(role);
    assert!(given.refused().1.contains("MaxSessionDuration"));
}

#[test]
fn an_expired_token_and_a_broken_one_have_codes_of_their_own() {
    let mut old = claims();
    old["exp"] = now().as_second().into();
    assert_eq!(web(&old, &[]).refused().0, Code::ExpiredTokenException);
    let broken = web(&claims(), &[("WebIdentityToken", "a.b.c")]);
    assert_eq!(broken.refused().0, Code::InvalidIdentityToken);
}

#[test]
fn what_a_token_says_of_tags_is_kept_for_the_chain() {
    let mut claims = claims();
    claims["https://aws.amazon.com/tags"] =
        json!({ "principal_tags": { "team": ["blue"] }, "transitive_tag_keys": ["team"] });
    claims["https://aws.amazon.com/source_identity"] = "me".into();
    let given = web(&claims, &[]);
    let xml = given.answer().unwrap();
    assert_eq!((text(&xml, "SourceIdentity"), text(&xml, "PackedPolicySize")), ("me", "1"));
    let Holder::Role(session) = given.holder() else { panic!("a role was assumed") };
    assert_eq!(session.transitive, [("team".to_owned(), "blue".to_owned())]);
}

#[test]
fn an_assertion_gets_a_role() {
    // A10
    let xml = saml(|_| {}, &[]).answer().unwrap();
    assert_eq!(text(&xml, "Arn"), "arn:aws:sts::210987654321:assumed-role/deploy/me@example.com");
    assert_eq!((text(&xml, "Subject"), text(&xml, "SubjectType")), ("me", "persistent"));
    assert_eq!(text(&xml, "Issuer"), "https://idp.example.com/saml");
    assert_eq!(text(&xml, "Audience"), "https://signin.aws.amazon.com/saml");
    // By hand: base64(sha1("https://idp.example.com/saml210987654321/Corp")).
    assert_eq!(text(&xml, "NameQualifier"), "r3NS9h1ZbbFefKrSy+r/5adJKa0=");
    assert_eq!(text(&xml, "Expiration"), "2026-11-25T09:00:00Z");
}

#[test]
fn the_session_at_the_provider_cuts_the_roles() {
    let ends = |time: &str| {
        let given = saml(|response| response.session_ends = Some(time.to_owned()), &[]);
        given.answer().map(|xml| text(&xml, "Expiration").to_owned())
    };
    assert_eq!(ends("2026-11-25T08:30:00Z").as_deref(), Ok("2026-11-25T08:30:00Z"));
    assert_eq!(ends("2026-11-25T18:30:00Z").as_deref(), Ok("2026-11-25T09:00:00Z"));
    assert_eq!(ends("2026-11-25T08:00:00Z").unwrap_err().0, Code::ExpiredTokenException);
}

#[test]
fn an_assertion_gives_only_the_roles_that_it_names() {
    let swapped = format!("{},{ARN}", samples::PROVIDER);
    assert!(saml(|response| response.roles = vec![swapped], &[]).answer().is_ok());
    let other = format!("{ARN}-other,{}", samples::PROVIDER);
    let provider = ("PrincipalArn", "arn:aws:iam::210987654321:saml-provider/Other");
    for given in [saml(|response| response.roles = vec![other], &[]), saml(|_| {}, &[provider])] {
        let (code, message) = given.refused();
        assert_eq!(code, Code::AccessDenied);
        assert_eq!(message, "Not authorized to perform sts:AssumeRoleWithSAML");
    }
    let named = saml(|response| response.roles = vec!["no pair".to_owned()], &[]);
    assert_eq!(named.refused().0, Code::InvalidIdentityToken);
}

#[test]
fn an_assertion_that_is_not_wanted_is_told_apart_as_far_as_sts_does() {
    let refused = |idp| saml(|_| {}, &[]).trust(wants(&idp)).answer().err();
    assert_eq!(refused(json!({ "subject": "me" })), None);
    assert_eq!(refused(json!({ "issuer": "x" })).unwrap().0, Code::InvalidIdentityToken);
    assert_eq!(refused(json!({ "audience": "x" })).unwrap().0, Code::AccessDenied);
    assert_eq!(refused(json!({ "subject": "x" })).unwrap().0, Code::AccessDenied);
}

#[test]
fn the_call_of_an_assertion_is_held_to_its_limits() {
    let long = "x".repeat(100_001);
    for (name, value, told) in [
        ("SAMLAssertion", "abc", "greater than or equal to 4"),
        ("SAMLAssertion", &*long, "less than or equal to 100000"),
        ("PrincipalArn", "x", "at 'principalArn'"),
        ("PrincipalArn", "arn:aws:iam::210987654321:role/x", "is invalid"),
        ("DurationSeconds", "43201", "equal to 43200"),
    ] {
        let (code, message) = saml(|_| {}, &[(name, value)]).refused();
        assert_eq!(code, Code::ValidationError, "{name}");
        assert!(message.contains(told) && !message.contains(&*long), "{message}");
    }
}
