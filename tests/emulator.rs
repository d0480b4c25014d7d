//! The embedded STS, asked by the SDK that production uses.
//!
//! Signer, serialiser and parser are AWS's here, so that what the emulator
//! accepts is what AWS's own code sends, and what it answers is understood.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use assumed::clock::{Clock as _, SystemClock};
use assumed::emulator::{
    self, Code, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Emulator, Fault, Idp, Mfa, Options,
    Role, Script, Trust,
};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::{AssumedRoleUser, PolicyDescriptorType, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};

const ARN: &str = "arn:aws:iam::210987654321:role/team/deploy";
const PROVIDER: &str = "arn:aws:iam::210987654321:saml-provider/Corp";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/assumed-demo";

fn sts() -> Emulator {
    let listener = emulator::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let options = Options::new(Arc::new(SystemClock));
    emulator::start(listener, Script::default(), options).unwrap()
}

fn client(sts: &Emulator, credentials: Credentials) -> Client {
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(1)).build();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(sts.endpoint_url())
        .region(Region::new("eu-central-1"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

fn keys(id: &str, secret: &str) -> Credentials {
    Credentials::new(id, secret, None, None, "test")
}

fn demo(sts: &Emulator) -> Client {
    client(sts, keys(DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY))
}

fn code<T, E: ProvideErrorMetadata + std::fmt::Debug>(
    outcome: Result<T, SdkError<E>>,
) -> Option<String> {
    let error = outcome.err()?;
    error.as_service_error().and_then(|e| e.code().map(str::to_owned))
}

async fn assume(client: &Client) -> Credentials {
    let reply =
        client.assume_role().role_arn(ARN).role_session_name("me@host").send().await.unwrap();
    set_of(reply.credentials().unwrap())
}

#[tokio::test]
async fn a_role_is_assumed_and_its_keys_sign_for_it() {
    let sts = sts();
    let user = demo(&sts).get_caller_identity().send().await.unwrap();
    assert_eq!(user.arn(), Some("arn:aws:iam::123456789012:user/assumed-demo"));
    assert!(user.request_id().is_some());

    let role = client(&sts, assume(&demo(&sts)).await);
    let identity = role.get_caller_identity().send().await.unwrap();
    let arn = "arn:aws:sts::210987654321:assumed-role/deploy/me@host";
    assert_eq!((identity.arn(), identity.account()), (Some(arn), Some("210987654321")));

    let asked = sts.asked();
    assert_eq!(asked[1].parameters["RoleArn"], ARN);
    assert_eq!(asked[1].region.as_deref(), Some("eu-central-1"));
    assert_eq!((sts.count("AssumeRole"), sts.count("GetCallerIdentity")), (1, 2));
}

#[tokio::test]
async fn errors_are_told_apart_by_their_code() {
    let sts = sts();
    let wrong = client(&sts, keys(DEMO_ACCESS_KEY_ID, "wrong"));
    let refused = code(wrong.get_caller_identity().send().await);
    assert_eq!(refused.as_deref(), Some("SignatureDoesNotMatch"));

    let unknown = client(&sts, keys("AKIAUNKNOWN", "wrong"));
    let refused = code(unknown.get_caller_identity().send().await);
    assert_eq!(refused.as_deref(), Some("InvalidClientTokenId"));

    let role = Role { trust: Trust::ExternalId("handshake".into()), ..Role::default() };
    sts.script(|script| script.roles.known.insert(ARN.into(), role));
    let call = || demo(&sts).assume_role().role_arn(ARN).role_session_name("me@host");
    assert_eq!(code(call().send().await).as_deref(), Some("AccessDenied"));
    assert_eq!(code(call().external_id("handshake").send().await), None);

    let bad = call().role_session_name("bad name").send().await;
    assert_eq!(code(bad).as_deref(), Some("ValidationError"));
}

#[tokio::test]
async fn a4_a_chain_is_held_to_one_hour() {
    let sts = sts();
    let role = client(&sts, assume(&demo(&sts)).await);
    let call = || role.assume_role().role_arn(ARN).role_session_name("me@host");
    assert_eq!(code(call().duration_seconds(3600).send().await), None);
    let refused = call().duration_seconds(3601).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationError"));
    assert!(refused.message().unwrap().contains("role chaining"));
}

fn set_of(set: &aws_sdk_sts::types::Credentials) -> Credentials {
    let token = Some(set.session_token().to_owned());
    Credentials::new(set.access_key_id(), set.secret_access_key(), token, None, "test")
}

/// A JWT without a signature, good for a minute from now.
fn jwt() -> String {
    let now = SystemClock.now().wall.as_second();
    let part = |text: String| BASE64_URL.encode(text);
    let header = part(r#"{"alg":"RS256","kid":"1"}"#.to_owned());
    let claims = part(format!(
        r#"{{"iss":"https://idp.example.com","sub":"me","aud":["sts"],"iat":{now},"exp":{}}}"#,
        now + 60
    ));
    format!("{header}.{claims}.{}", part("signature".to_owned()))
}

/// A SAML response without a signature, made now.
fn saml() -> String {
    let now = SystemClock.now().wall;
    let soon = now + jiff::SignedDuration::from_mins(5);
    BASE64.encode(format!(
        r#"<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"
            xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><p:Status>
            <p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>
            <Assertion IssueInstant="{now}"><Issuer>https://idp.example.com/saml</Issuer>
            <Subject><NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">me</NameID>
            <SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
            <SubjectConfirmationData NotOnOrAfter="{soon}"
                Recipient="https://signin.aws.amazon.com/saml"/></SubjectConfirmation></Subject>
            <AttributeStatement>
            <Attribute Name="https://aws.amazon.com/SAML/Attributes/Role">
            <AttributeValue>{ARN},{PROVIDER}</AttributeValue></Attribute>
            <Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName">
            <AttributeValue>me@host</AttributeValue></Attribute>
            </AttributeStatement></Assertion></p:Response>"#
    ))
}

#[tokio::test]
async fn a_token_and_an_assertion_need_no_keys() {
    let sts = sts();
    let nobody = demo(&sts);
    let call = || nobody.assume_role_with_web_identity().role_arn(ARN).role_session_name("me@host");
    let token = jwt();
    let reply = call().web_identity_token(&token).send().await.unwrap();
    assert_eq!(reply.subject_from_web_identity_token(), Some("me"));
    assert_eq!(
        (reply.provider(), reply.audience()),
        (Some("https://idp.example.com"), Some("sts"))
    );
    let role = client(&sts, set_of(reply.credentials().unwrap()));
    let identity = role.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.arn(), reply.assumed_role_user().map(AssumedRoleUser::arn));

    let call = || nobody.assume_role_with_saml().role_arn(ARN).principal_arn(PROVIDER);
    let reply = call().saml_assertion(saml()).send().await.unwrap();
    assert_eq!((reply.subject(), reply.subject_type()), (Some("me"), Some("transient")));
    assert_eq!(reply.issuer(), Some("https://idp.example.com/saml"));
    assert_eq!(reply.audience(), Some("https://signin.aws.amazon.com/saml"));
    assert!(reply.name_qualifier().is_some());
    assert!(reply.credentials().is_some());

    let asked = sts.asked();
    assert_eq!((&asked[0].access_key_id, &asked[2].access_key_id), (&None, &None));
    let parameters: Vec<_> = asked[2].parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
    let expected = [
        ("Action", "AssumeRoleWithSAML"),
        ("PrincipalArn", PROVIDER),
        ("RoleArn", ARN),
        ("SAMLAssertion", "[redacted]"),
        ("Version", "2011-06-15"),
    ];
    assert_eq!(parameters, expected);
    assert!(asked[0].digests["WebIdentityToken"].len() == 16);
    let told = format!("{asked:?}");
    assert!(!told.contains(&token) && !told.contains(token.rsplit('.').nth(1).unwrap()));
}

#[tokio::test]
async fn an_identity_is_refused_by_the_codes_of_the_service_model() {
    let sts = sts();
    let nobody = demo(&sts);
    let call = || nobody.assume_role_with_web_identity().role_arn(ARN).role_session_name("me@host");
    let next = |code| sts.script(|script| script.next = [Some(Fault::Error(code))].into());

    next(Code::IDPCommunicationError);
    let error = call().web_identity_token(jwt()).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    assert!(error.as_service_error().unwrap().is_idp_communication_error_exception());

    next(Code::IDPRejectedClaim);
    let error = call().web_identity_token(jwt()).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    assert!(error.as_service_error().unwrap().is_idp_rejected_claim_exception());

    let error = call().web_identity_token("no token").send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_invalid_identity_token_exception());
    next(Code::ExpiredTokenException);
    let error = call().web_identity_token(jwt()).send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_expired_token_exception());

    let idp = Idp { subject: Some("you".into()), ..Idp::default() };
    let role = Role { trust: Trust::Idp(idp), ..Role::default() };
    sts.script(|script| script.roles.known.insert(ARN.into(), role));
    let refused = code(call().web_identity_token(jwt()).send().await);
    assert_eq!(refused.as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn one_code_a_day_opens_the_roles_that_demand_one() {
    let sts = sts();
    let codes = Some(["123456".to_owned()].into());
    let trust = Role { trust: Trust::Mfa, ..Role::default() };
    sts.script(|script| {
        script.mfa = Mfa { serial: Some(SERIAL.into()), codes };
        script.roles.known.insert(ARN.into(), trust);
    });
    let user = demo(&sts);
    let call = |code: &str| user.get_session_token().serial_number(SERIAL).token_code(code).send();
    let wrong = call("654321").await.unwrap_err();
    assert_eq!(wrong.code(), Some("AccessDenied"));
    assert!(wrong.message().unwrap().starts_with("MultiFactorAuthentication failed with invalid"));

    let reply = call("123456").await.unwrap();
    assert_eq!(code(call("123456").await).as_deref(), Some("AccessDenied"));
    let session = client(&sts, set_of(reply.credentials().unwrap()));
    let call = |client: &Client| {
        client.assume_role().role_arn(ARN).role_session_name("me@host").duration_seconds(43200)
    };
    assert_eq!(code(call(&session).send().await), None);
    assert_eq!(code(call(&session).send().await), None);
    assert_eq!(code(call(&user).send().await).as_deref(), Some("AccessDenied"));

    // A6
    let refused = session.get_session_token().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));
    assert_eq!(refused.message(), Some("Cannot call GetSessionToken with session credentials"));
    let refused = code(session.get_federation_token().name("bob").send().await);
    assert_eq!(refused.as_deref(), Some("AccessDenied"));
    assert!(!format!("{:?}", sts.asked()).contains("123456\""));
}

#[tokio::test]
async fn a_federated_user_is_who_it_was_said_to_be() {
    let sts = sts();
    let tag = Tag::builder().key("team").value("blue").build().unwrap();
    let call = demo(&sts).get_federation_token().name("bob").tags(tag).duration_seconds(900);
    let reply = call.send().await.unwrap();
    let user = reply.federated_user().unwrap();
    assert_eq!(user.federated_user_id(), "123456789012:bob");
    let bob = client(&sts, set_of(reply.credentials().unwrap()));
    let identity = bob.get_caller_identity().send().await.unwrap();
    assert_eq!((identity.arn(), identity.user_id()), (Some(user.arn()), Some("123456789012:bob")));
}

#[tokio::test]
async fn every_parameter_of_assume_role_arrives_and_a_chain_hands_tags_on() {
    let sts = sts();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let call = demo(&sts)
        .assume_role()
        .role_arn(ARN)
        .role_session_name("me@host")
        .duration_seconds(900)
        .external_id("agreed")
        .source_identity("me")
        .policy(r#"{"Version":"2012-10-17","Statement":[]}"#)
        .policy_arns(
            PolicyDescriptorType::builder().arn("arn:aws:iam::aws:policy/ReadOnly").build(),
        )
        .tags(tag("team", "blue"))
        .transitive_tag_keys("team");
    let reply = call.send().await.unwrap();
    assert_eq!(reply.source_identity(), Some("me"));
    let shown = &sts.asked()[0].parameters;
    for (name, value) in [
        ("DurationSeconds", "900"),
        ("ExternalId", "agreed"),
        ("SourceIdentity", "me"),
        ("Policy", r#"{"Version":"2012-10-17","Statement":[]}"#),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnly"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
        ("TransitiveTagKeys.member.1", "team"),
    ] {
        assert_eq!(shown.get(name).map(String::as_str), Some(value), "{name}");
    }
    let role = client(&sts, set_of(reply.credentials().unwrap()));
    let call = || role.assume_role().role_arn(ARN).role_session_name("me@host");
    let next = call().send().await.unwrap();
    assert_eq!(next.source_identity(), Some("me"));
    let again = call().tags(tag("Team", "red")).send().await.unwrap_err();
    assert!(again.message().unwrap().contains("inherited"));
}

#[tokio::test]
async fn faults_reach_the_sdk_as_what_they_are() {
    let sts = sts();
    let client = demo(&sts);
    let call = || client.assume_role().role_arn(ARN).role_session_name("me@host").send();
    let next = |fault| sts.script(|script| script.next = [Some(fault)].into());

    next(Fault::Error(Code::Throttling));
    let throttled = call().await.unwrap_err();
    assert_eq!(
        (throttled.code(), throttled.message()),
        (Some("Throttling"), Some("Rate exceeded"))
    );
    assert_eq!(throttled.raw_response().unwrap().status().as_u16(), 400);

    next(Fault::Error(Code::ServiceUnavailable));
    assert_eq!(call().await.unwrap_err().raw_response().unwrap().status().as_u16(), 503);

    next(Fault::Hang);
    assert!(matches!(call().await, Err(SdkError::TimeoutError(_))));

    for fault in [Fault::Reset, Fault::Cut] {
        next(fault);
        assert!(
            matches!(call().await, Err(SdkError::DispatchFailure(_) | SdkError::ResponseError(_))),
            "{fault}"
        );
    }
    for fault in [Fault::Garbage, Fault::EntityBomb, Fault::WrongRoot, Fault::Nested] {
        next(fault);
        assert!(call().await.is_err(), "{fault}");
    }
    assert!(call().await.is_ok());
}

#[tokio::test]
async fn sessions_are_as_long_as_the_script_says() {
    let sts = sts();
    sts.script(|script| script.session = Some(Duration::from_mins(2)));
    let reply = demo(&sts).assume_role().role_arn(ARN).role_session_name("me@host");
    let first = reply.clone().send().await.unwrap();
    sts.script(|script| script.session = None);
    let second = reply.send().await.unwrap();
    let ends = |expiration: &aws_sdk_sts::primitives::DateTime| expiration.secs();
    let apart = ends(second.credentials().unwrap().expiration())
        - ends(first.credentials().unwrap().expiration());
    assert!((3480..3500).contains(&apart), "{apart}");
}

#[tokio::test]
async fn the_sdk_takes_half_a_reply_for_a_whole_one() {
    // Which is why the door to STS has to look at every set before it is believed.
    let sts = sts();
    for fault in [Fault::Truncated, Fault::MissingFields] {
        sts.script(|script| script.next = [Some(fault)].into());
        let call = demo(&sts).assume_role().role_arn(ARN).role_session_name("me@host");
        let reply = call.send().await.unwrap();
        assert_eq!(reply.credentials().unwrap().expiration().secs(), 0, "{fault}");
    }
}
