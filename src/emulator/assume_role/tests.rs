use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::emulator::form::encoded;
use crate::emulator::script::{Roles, Trust};

const ARN: &str = "arn:aws:iam::210987654321:role/team/deploy";

/// A call by the demo user, with what is usual unless `given` says otherwise.
struct Given {
    caller: Caller,
    roles: Roles,
    session: Option<Duration>,
    parameters: BTreeMap<String, String>,
}

fn given(parameters: &[(&str, &str)]) -> Given {
    let usual = [("RoleArn", ARN), ("RoleSessionName", "me@host")];
    let all = usual.iter().chain(parameters);
    Given {
        caller: Caller::User,
        roles: Roles::default(),
        session: None,
        parameters: all.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    }
}

impl Given {
    fn role(mut self, role: Role) -> Self {
        self.roles.known.insert(ARN.into(), role);
        self
    }

    fn answer(&self) -> Result<String, (Code, String)> {
        let form: Vec<_> =
            self.parameters.iter().map(|(n, v)| format!("{n}={}", encoded(v))).collect();
        let call = Call {
            parameters: &Parameters::parse(form.join("&").as_bytes()).unwrap(),
            caller: &self.caller,
            roles: &self.roles,
            session: self.session,
            now: now(),
        };
        answer(&call)
            .map(|result| Element::of("Result", result).render())
            .map_err(|refusal| (refusal.code, refusal.message))
    }

    fn refused(&self) -> (Code, String) {
        self.answer().unwrap_err()
    }
}

fn now() -> Timestamp {
    "2026-11-25T08:00:00.9Z".parse().unwrap()
}

fn text<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
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
    given.session = Some(Duration::from_mins(2));
    assert_eq!(text(&given.answer().unwrap(), "Expiration"), "2026-11-25T08:02:00Z");
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
        ("TokenCode", "12345a", "at 'tokenCode'"),
        ("Policy", &*"x".repeat(2049), "at 'policy'"),
        ("PolicyArns.member.1.arn", "short", "at 'policyArns.1.member.arn'"),
        ("TransitiveTagKeys.member.1", "", "at 'transitiveTagKeys.1.member'"),
        ("Tags.member.1.Key", "a", "at 'tags.1.member.value'"),
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
    let session = RoleSession {
        role: ARN.parse().unwrap(),
        name: "me".parse().unwrap(),
        expires: Timestamp::MAX,
    };
    let mut given = given(&[("DurationSeconds", "3601")]);
    assert!(given.answer().is_ok());
    given.caller = Caller::Role(session);
    let (code, message) = given.refused();
    assert_eq!(code, Code::ValidationError);
    assert!(message.contains("1 hour session limit for roles assumed by role chaining"));
    given.parameters.insert("DurationSeconds".into(), "3600".into());
    assert!(given.answer().is_ok());
}

#[test]
fn whoever_is_not_admitted_learns_no_reason() {
    let role = |trust| Role { trust, ..Role::default() };
    let wants = || role(Trust::ExternalId("secret-handshake".into()));
    let mut unlisted = given(&[]);
    unlisted.roles.others = None;
    let refused = [
        unlisted,
        given(&[]).role(role(Trust::Nobody)),
        given(&[]).role(wants()),
        given(&[("ExternalId", "wrong")]).role(wants()),
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
    assert!(given(&[("ExternalId", "secret-handshake")]).role(wants()).answer().is_ok());
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
fn a_serial_number_without_a_code_is_denied() {
    let serial = ("SerialNumber", "arn:aws:iam::123456789012:mfa/me");
    assert_eq!(given(&[serial]).refused().0, Code::AccessDenied);
    assert!(given(&[serial, ("TokenCode", "123456")]).answer().is_ok());
}
