//! `AssumeRole`.

use std::time::Duration;

use super::*;
use crate::emulator::caller::RoleSession;
use crate::emulator::mfa::Mfa;
use crate::emulator::script::Idp;

const HOUR: Duration = Duration::from_hours(1);
const SERIAL: (&str, &str) = ("SerialNumber", "arn:aws:iam::123456789012:mfa/me");
const CODE: (&str, &str) = ("TokenCode", "123456");

fn given(parameters: &[(&str, &str)]) -> Given {
    let usual = [("RoleArn", ARN), ("RoleSessionName", "me@host")];
    super::given("AssumeRole", &usual, parameters)
}

fn role_session() -> RoleSession {
    RoleSession {
        role: ARN.parse().unwrap(),
        name: "me".parse().unwrap(),
        source_identity: Some("me".into()),
        transitive: vec![("team".into(), "blue".into())],
    }
}

#[test]
fn a_result_has_the_parts_of_the_service_model() {
    // A9, A10
    let xml = given(&[]).answer().unwrap();
    assert_eq!(text(&xml, "Arn"), "arn:aws:sts::210987654321:assumed-role/deploy/me@host");
    assert!(text(&xml, "AssumedRoleId").starts_with("AROA"));
    assert!(text(&xml, "AssumedRoleId").ends_with(":me@host"));
    assert!(text(&xml, "AccessKeyId").starts_with("ASIA"));
    assert_eq!(text(&xml, "Expiration"), "2026-11-25T09:00:00Z");
    assert!(!xml.contains("PackedPolicySize") && !xml.contains("SourceIdentity"));
}

#[test]
fn what_was_asked_is_granted_unless_the_script_says_how_long() {
    let mut given = given(&[("DurationSeconds", "900")]);
    assert_eq!(text(&given.answer().unwrap(), "Expiration"), "2026-11-25T08:15:00Z");
    given.script.session = Some(Duration::from_mins(2));
    assert_eq!(text(&given.answer().unwrap(), "Expiration"), "2026-11-25T08:02:00Z");
    let role = Role { session: Some(Duration::from_mins(3)), ..Role::default() };
    let given = given.role(role);
    assert_eq!(text(&given.answer().unwrap(), "Expiration"), "2026-11-25T08:03:00Z");
}

#[test]
fn breaches_of_the_limits_are_validation_errors() {
    let long = "x".repeat(65);
    for (name, value, told) in [
        ("RoleArn", "deploy", "at 'roleArn'"),
        ("RoleArn", "arn:aws:iam::210987654321:user/me", "is invalid"),
        ("RoleSessionName", "bad name!", "at 'roleSessionName'"),
        ("RoleSessionName", "x", "greater than or equal to 2"),
        ("RoleSessionName", &*long, "less than or equal to 64"),
        ("DurationSeconds", "899", "greater than or equal to 900"),
        ("DurationSeconds", "43201", "less than or equal to 43200"),
        ("DurationSeconds", "1h", "at 'durationSeconds'"),
        ("ExternalId", "x", "at 'externalId'"),
        ("ExternalId", "a b", r"[\w+=,.@:\/-]*"),
        ("SourceIdentity", "a/b", "at 'sourceIdentity'"),
        ("SourceIdentity", "a", "at 'sourceIdentity'"),
        ("SourceIdentity", "aws:me", "at 'sourceIdentity'"),
        ("TokenCode", "12345a", "at 'tokenCode'"),
        ("Policy", &*"x".repeat(2049), "at 'policy'"),
        ("PolicyArns.member.1.arn", "short", "at 'policyArns.1.member.arn'"),
        ("TransitiveTagKeys.member.1", "", "at 'transitiveTagKeys.1.member'"),
        ("Tags.member.1.Key", "a", "at 'tags.1.member.value'"),
        (
            "ProvidedContexts.member.1.ProviderArn",
            "x",
            "at 'providedContexts.1.member.providerArn'",
        ),
        ("ProvidedContexts.member.1.ContextAssertion", "x", "greater than or equal to 4"),
    ] {
        let (code, message) = given(&[(name, value)]).refused();
        assert_eq!(code, Code::ValidationError, "{name}={value}");
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn a3_more_than_the_role_allows_fails() {
    let role = Role { max_session: HOUR, ..Role::default() };
    let (code, message) = given(&[("DurationSeconds", "3601")]).role(role.clone()).refused();
    assert_eq!(code, Code::ValidationError);
    assert!(message.contains("MaxSessionDuration"), "{message}");
    assert!(given(&[("DurationSeconds", "3600")]).role(role).answer().is_ok());
}

#[test]
fn a4_a_role_gets_one_hour_at_most() {
    let given = given(&[("DurationSeconds", "3601")]);
    assert!(given.answer().is_ok());
    let mut given = given.by(Holder::Role(role_session()));
    let (code, message) = given.refused();
    assert_eq!(code, Code::ValidationError);
    assert!(message.contains("1 hour session limit for roles assumed by role chaining"));
    given.parameters.insert("DurationSeconds".into(), "3600".into());
    assert!(given.answer().is_ok());
}

#[test]
fn whoever_is_not_admitted_learns_no_reason() {
    let wants = || Trust::ExternalId("secret-handshake".into());
    let mut unlisted = given(&[]);
    unlisted.script.roles.others = None;
    let refused = [
        unlisted,
        given(&[]).trust(Trust::Nobody),
        given(&[]).trust(Trust::Mfa),
        given(&[]).trust(Trust::Idp(Idp::default())),
        given(&[]).trust(wants()),
        given(&[("ExternalId", "wrong")]).trust(wants()),
    ];
    for given in refused {
        let (code, message) = given.refused();
        assert_eq!(code, Code::AccessDenied);
        assert_eq!(
            message,
            format!(
                "User: arn:aws:iam::123456789012:user/assumed-demo \
                 is not authorized to perform: sts:AssumeRole on resource: {ARN}"
            )
        );
    }
    assert!(given(&[("ExternalId", "secret-handshake")]).trust(wants()).answer().is_ok());
}

#[test]
fn policies_and_tags_are_looked_at() {
    for policy in ["{", "[]", r#"{"Version": "2012-10-17"}"#] {
        assert_eq!(given(&[("Policy", policy)]).refused().0, Code::MalformedPolicyDocument);
    }
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let xml = given(&[("Policy", policy), ("SourceIdentity", "me")]).answer().unwrap();
    assert_eq!((text(&xml, "PackedPolicySize"), text(&xml, "SourceIdentity")), ("2", "me"));

    let full = format!(r#"{{"Statement": [], "x": "{}"}}"#, "x".repeat(2000));
    let arn = ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    assert!(given(&[("Policy", &full)]).answer().is_ok());
    let full = full.replace('x', "é").replacen('é', "x", 1);
    assert!(given(&[("Policy", &full)]).answer().is_ok(), "characters count, and not bytes");
    assert_eq!(given(&[("Policy", &full), arn]).refused().0, Code::PackedPolicyTooLarge);

    let twice = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", ""),
        ("Tags.member.2.Key", "Team"),
        ("Tags.member.2.Value", ""),
    ];
    assert!(given(&twice[..2]).answer().is_ok());
    assert!(given(&twice).refused().1.starts_with("Duplicate tag keys"));
}

#[test]
fn lists_are_no_longer_than_they_may_be() {
    let numbered = |count: usize, name: &str, value: &str| -> Vec<(String, String)> {
        (1..=count).map(|n| (name.replace('N', &n.to_string()), format!("{value}{n}"))).collect()
    };
    let contexts = "ProvidedContexts.member.N.ContextAssertion";
    for (name, value, most) in [
        ("PolicyArns.member.N.arn", "arn:aws:iam::aws:policy/P", 10),
        ("Tags.member.N.Key", "k", 50),
        (contexts, "assertion", 5),
    ] {
        let list = |count| {
            let mut list = numbered(count, name, value);
            if name.starts_with("Tags") {
                list.extend(numbered(count, "Tags.member.N.Value", "v"));
            }
            let list: Vec<_> = list.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            given(&list)
        };
        assert!(list(most).answer().is_ok(), "{name}");
        let (code, message) = list(most + 1).refused();
        assert_eq!(code, Code::ValidationError);
        assert!(message.contains(&format!("length less than or equal to {most}")), "{message}");
    }
}

#[test]
fn a_code_is_good_once_and_only_with_its_device() {
    for half in [SERIAL, CODE] {
        let (code, message) = given(&[half]).refused();
        assert_eq!(code, Code::AccessDenied);
        assert!(message.ends_with("must provide both MFA serial number and one time pass code."));
    }
    let mut asked = given(&[SERIAL, CODE]);
    assert!(asked.answer().is_ok());
    let (code, message) = asked.refused();
    assert_eq!(code, Code::AccessDenied);
    assert_eq!(message, "MultiFactorAuthentication failed with invalid MFA one time pass code. ");

    asked.script.mfa = Mfa { serial: None, codes: Some(["654321".to_owned()].into()) };
    asked.used = UsedCodes::default();
    assert!(asked.refused().1.contains("invalid MFA one time pass code"));
    asked.parameters.insert("TokenCode".into(), "654321".into());
    assert!(asked.answer().is_ok());

    asked.script.mfa = Mfa { serial: Some("another".into()), codes: None };
    assert!(asked.refused().1.contains("unable to validate MFA code"));
}

#[test]
fn a_role_that_demands_mfa_takes_a_code_or_a_session_opened_with_one() {
    assert!(given(&[SERIAL, CODE]).trust(Trust::Mfa).answer().is_ok());
    let by = |holder| given(&[]).trust(Trust::Mfa).by(holder);
    assert!(by(Holder::User { mfa: true }).answer().is_ok());
    for holder in [Holder::User { mfa: false }, Holder::Role(role_session())] {
        assert_eq!(by(holder).refused().0, Code::AccessDenied);
    }
    // A role has no device to show a code.
    let given = given(&[SERIAL, CODE]).by(Holder::Role(role_session()));
    assert!(given.refused().1.contains("associated with this user"));
}

#[test]
fn transitive_tags_and_the_source_identity_follow_a_chain() {
    let tag = |key, value| [("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
    let stage = tag("stage", "test");
    let marked = [stage[0], stage[1], ("TransitiveTagKeys.member.1", "Stage")];
    let chained = given(&marked).by(Holder::Role(role_session()));
    assert_eq!(text(&chained.answer().unwrap(), "SourceIdentity"), "me");
    let Holder::Role(next) = chained.holder() else { panic!("a role was assumed") };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(next.transitive, [pair("team", "blue"), pair("stage", "test")]);
    assert_eq!(next.source_identity.as_deref(), Some("me"));

    let again = given(&tag("Team", "red")).by(Holder::Role(role_session()));
    let (code, message) = again.refused();
    assert_eq!(code, Code::ValidationError);
    assert!(message.contains("inherited"), "{message}");
    let unmarked = given(&[("TransitiveTagKeys.member.1", "stage")]).refused();
    assert_eq!(unmarked.0, Code::ValidationError);

    let same = given(&[("SourceIdentity", "me")]).by(Holder::Role(role_session()));
    assert!(same.answer().is_ok());
    let other = given(&[("SourceIdentity", "you")]).by(Holder::Role(role_session()));
    let (code, message) = other.refused();
    assert_eq!(code, Code::AccessDenied);
    assert!(message.ends_with("is not authorized to perform: sts:SetSourceIdentity"), "{message}");
}
