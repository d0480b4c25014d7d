//! `GetSessionToken` and `GetFederationToken`.

use super::*;
use crate::emulator::mfa::Mfa;

const SERIAL: (&str, &str) = ("SerialNumber", "arn:aws:iam::123456789012:mfa/me");

fn session_token(parameters: &[(&str, &str)]) -> Given {
    given("GetSessionToken", &[], parameters)
}

fn federation_token(parameters: &[(&str, &str)]) -> Given {
    given("GetFederationToken", &[("Name", "bob")], parameters)
}

#[test]
fn a_session_of_the_users_own_lasts_half_a_day() {
    let xml = session_token(&[]).answer().unwrap();
    assert_eq!(text(&xml, "Expiration"), "2026-11-25T20:00:00Z");
    assert!(xml.starts_with("<Result><Credentials>") && xml.ends_with("</Credentials></Result>"));
    let longest = session_token(&[("DurationSeconds", "129600")]).answer().unwrap();
    assert_eq!(text(&longest, "Expiration"), "2026-11-26T20:00:00Z");
    for (seconds, told) in [("899", "equal to 900"), ("129601", "equal to 129600")] {
        let (code, message) = session_token(&[("DurationSeconds", seconds)]).refused();
        assert_eq!(code, Code::ValidationError);
        assert!(message.ends_with(told), "{message}");
    }
}

#[test]
fn a_session_opened_with_a_code_says_so() {
    assert_eq!(session_token(&[]).holder(), Holder::User { mfa: false });
    let mut given = session_token(&[SERIAL, ("TokenCode", "123456")]);
    assert_eq!(given.holder(), Holder::User { mfa: true });
    assert_eq!(given.refused().0, Code::AccessDenied);
    given.parameters.insert("TokenCode".into(), "234567".into());
    given.script.mfa = Mfa { serial: None, codes: Some(["345678".to_owned()].into()) };
    let (code, message) = given.refused();
    assert_eq!(code, Code::AccessDenied);
    assert!(message.starts_with("MultiFactorAuthentication failed with invalid"), "{message}");
    assert_eq!(session_token(&[SERIAL]).refused().0, Code::AccessDenied);
}

#[test]
fn a6_temporary_keys_do_not_beget_others_without_a_role() {
    let holders = || [Holder::User { mfa: true }, Holder::Federated("bob".into())];
    for holder in holders() {
        let (code, message) = session_token(&[]).by(holder).refused();
        assert_eq!(code, Code::AccessDenied);
        assert_eq!(message, "Cannot call GetSessionToken with session credentials");
    }
    for holder in holders() {
        let (code, message) = federation_token(&[]).by(holder).refused();
        assert_eq!(code, Code::AccessDenied);
        assert_eq!(message, "Cannot call GetFederationToken with session credentials");
    }
}

#[test]
fn somebody_is_vouched_for_by_name() {
    // A10
    let given = federation_token(&[("Policy", r#"{"Statement": []}"#)]);
    let xml = given.answer().unwrap();
    assert_eq!(text(&xml, "FederatedUserId"), "123456789012:bob");
    assert_eq!(text(&xml, "Arn"), "arn:aws:sts::123456789012:federated-user/bob");
    assert_eq!(text(&xml, "Expiration"), "2026-11-25T20:00:00Z");
    assert_eq!(text(&xml, "PackedPolicySize"), "1");
    assert_eq!(given.holder(), Holder::Federated("bob".into()));
}

#[test]
fn a_federated_user_is_held_to_its_limits() {
    let long = "x".repeat(33);
    for (name, value, told) in [
        ("Name", "b", "at 'name'"),
        ("Name", &*long, "less than or equal to 32"),
        ("Name", "b b", "regular expression"),
        ("DurationSeconds", "899", "equal to 900"),
        ("PolicyArns.member.1.arn", "x", "at 'policyArns.1.member.arn'"),
        ("Tags.member.1.Key", "a", "at 'tags.1.member.value'"),
    ] {
        let (code, message) = federation_token(&[(name, value)]).refused();
        assert_eq!(code, Code::ValidationError, "{name}={value}");
        assert!(message.contains(told), "{message}");
    }
    let broken = federation_token(&[("Policy", "{")]).refused();
    assert_eq!(broken.0, Code::MalformedPolicyDocument);
}

#[test]
fn a_federated_user_assumes_no_role() {
    let usual = [("RoleArn", ARN), ("RoleSessionName", "me")];
    let given = given("AssumeRole", &usual, &[]).by(Holder::Federated("bob".into()));
    let (code, message) = given.refused();
    assert_eq!(code, Code::AccessDenied);
    assert!(message.starts_with("User: arn:aws:sts::123456789012:federated-user/bob is not"));
}
