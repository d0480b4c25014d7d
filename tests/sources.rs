//! Every source of credentials, from the words of a user to what STS is asked,
//! parameter by parameter, against the embedded STS.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "sources/rig.rs"]
mod rig;

use std::time::Duration;

use assumed::emulator::{Code, DEMO_ACCESS_KEY_ID, Fault, Mfa, Role, Trust};
use assumed::failure::Kind;
use assumed::secret::Secret;
use common::client::Client;
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};
use jiff::SignedDuration;
use rig::{Rig, encoded, failure, grant, map};
use serde_json::json;

const ARN: &str = "arn:aws:iam::210987654321:role/team/one";
const TWO: &str = "arn:aws:iam::210987654321:role/two";
const PROVIDER: &str = "arn:aws:iam::210987654321:saml-provider/corp";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/assumed-demo";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const MINUTES: SignedDuration = SignedDuration::from_mins(5);

#[tokio::test]
async fn assume_role_is_asked_with_every_parameter_in_either_form() {
    let rig = Rig::new();
    let profile = rig.profile(&format!(
        "role_arn = {ARN}\nsource_profile = me\nrole_session_name = {{user}}-{{pid}}\nduration_seconds = 7200\n\
         external_id = agreed\nsource_identity = jane\npolicy = {POLICY}\npolicy_arns = {READ_ONLY}\n\
         tags = team=blue, cost center = 47=11,empty=\ntransitive_tag_keys = team, empty\n"
    ));
    let table = rig.table(&format!(
        "role_arn = \"{ARN}\"\nsource_profile = \"me\"\nrole_session_name = \"{{user}}-{{pid}}\"\n\
         duration_seconds = \"2h\"\nexternal_id = \"agreed\"\nsource_identity = \"jane\"\npolicy = '{POLICY}'\n\
         policy_arns = [\"{READ_ONLY}\"]\ntags = {{ team = \"blue\", \"cost center\" = \"47=11\", empty = \"\" }}\n\
         transitive_tag_keys = [\"team\", \"empty\"]\n"
    ));
    for chain in [profile, table] {
        assert_eq!(grant(&chain).await.role_arn.unwrap().as_str(), ARN);
        let (asked, mut parameters) = rig.last();
        assert_eq!(asked.access_key_id.as_deref(), Some(DEMO_ACCESS_KEY_ID));
        // A table of TOML has no order of its own.
        let mut tags: Vec<(String, String)> = (1..=3)
            .map(|n| {
                let mut take =
                    |part: &str| parameters.remove(&format!("Tags.member.{n}.{part}")).unwrap();
                (take("Key"), take("Value"))
            })
            .collect();
        tags.sort();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(tags, [pair("cost center", "47=11"), pair("empty", ""), pair("team", "blue")]);
        let expected = [
            ("Action", "AssumeRole"),
            ("RoleArn", ARN),
            ("RoleSessionName", "jane-42"),
            ("DurationSeconds", "7200"),
            ("ExternalId", "agreed"),
            ("SourceIdentity", "jane"),
            ("Policy", POLICY),
            ("PolicyArns.member.1.arn", READ_ONLY),
            ("TransitiveTagKeys.member.1", "team"),
            ("TransitiveTagKeys.member.2", "empty"),
        ];
        assert_eq!(parameters, map(&expected));
    }
}

#[tokio::test]
async fn a_policy_file_is_sent_as_it_is_at_that_moment() {
    let rig = Rig::new();
    let path = rig.file("policy.json", POLICY);
    let chain = rig.profile(&format!(
        "role_arn = {ARN}\nsource_profile = me\npolicy_file = {}\n",
        path.display()
    ));
    grant(&chain).await;
    assert_eq!(rig.last().1["Policy"], POLICY);
    rig.file("policy.json", "{ }\n");
    let told = failure(&chain).await;
    assert_eq!(told.code.as_deref(), Some("MalformedPolicyDocument"), "{told}");
    rig.file("policy.json", &"x".repeat(3000));
    let told = failure(&chain).await;
    assert_eq!((told.kind, rig.sts.total()), (Kind::NoBase, 2), "{told}");
}

#[tokio::test]
async fn a_web_identity_speaks_for_itself_and_is_read_anew() {
    let rig = Rig::new();
    let token = rig.token(MINUTES);
    let path = rig.file("token", &token);
    let chain = rig.profile(&format!(
        "role_arn = {ARN}\nweb_identity_token_file = {}\nduration_seconds = 43200\npolicy_arns = {READ_ONLY}\n",
        path.display()
    ));
    assert_eq!(grant(&chain).await.account.unwrap().as_str(), "210987654321");
    let (asked, parameters) = rig.last();
    assert_eq!((asked.access_key_id, asked.region), (None, None), "nothing is signed");
    let expected = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", ARN),
        ("RoleSessionName", "jane@laptop"),
        ("DurationSeconds", "43200"),
        ("WebIdentityToken", "[redacted]"),
        ("PolicyArns.member.1.arn", READ_ONLY),
    ];
    assert_eq!(parameters, map(&expected));

    // The next one is another token, and it comes from a command as well.
    rig.wind(Duration::from_mins(1));
    rig.file("token", &rig.token(MINUTES));
    grant(&chain).await;
    let digest = |asked: &assumed::emulator::Asked| asked.digests["WebIdentityToken"].clone();
    let of_file = digest(&rig.last().0);
    assert_ne!(of_file, digest(&rig.sts.asked()[0]));
    let printing = rig.table(&format!(
        "role_arn = \"{ARN}\"\nweb_identity_token_command = [\"cat\", \"{}\"]\n",
        path.display()
    ));
    grant(&printing).await;
    assert_eq!(digest(&rig.last().0), of_file);
}

#[tokio::test]
async fn a_web_identity_may_come_from_variables_alone() {
    let rig = Rig::new();
    let path = rig.file("token", &rig.token(MINUTES));
    let rig = rig
        .with("AWS_ROLE_ARN", ARN)
        .with("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap())
        .with("AWS_ROLE_SESSION_NAME", "pod");
    let role = rig.settings("", None, None).unwrap();
    assert_eq!((role.name.as_str(), role.role_name.as_str()), ("one", "one"));
    grant(&rig.chain(role)).await;
    assert_eq!(rig.last().1["RoleSessionName"], "pod");
}

#[tokio::test]
async fn a_refused_token_is_told_with_the_time_at_which_it_ended() {
    let rig = Rig::new();
    let path = rig.file("token", &rig.token(-MINUTES));
    let chain =
        rig.profile(&format!("role_arn = {ARN}\nweb_identity_token_file = {}\n", path.display()));
    let told = failure(&chain).await;
    assert_eq!(told.kind, Kind::NoBase);
    assert_eq!(told.code.as_deref(), Some("ExpiredTokenException"));
    assert!(told.message.starts_with("STS does not accept the web identity token: "), "{told}");
    assert!(told.message.ends_with("300s ago)"), "{told}");
    rig.file("token", "a.b.c");
    let told = failure(&chain).await;
    assert_eq!(told.code.as_deref(), Some("InvalidIdentityToken"));
    assert!(told.message.ends_with("(what was sent is no JSON web token)"), "{told}");
    for broken in ["", "two words", &"x".repeat(20_001)] {
        rig.file("token", broken);
        assert_eq!(failure(&chain).await.kind, Kind::NoBase);
    }
    assert_eq!(rig.sts.total(), 2, "what cannot be a token is not sent");
    rig.file("token", &rig.token(MINUTES));
    grant(&chain).await;
}

#[tokio::test]
async fn a_saml_response_speaks_for_itself_as_xml_or_base64() {
    let rig = Rig::new();
    let xml = rig.response(MINUTES, &format!("{ARN},{PROVIDER}"));
    let path = rig.file("saml", &xml);
    let chain = rig.profile(&format!(
        "role_arn = {ARN}\nprincipal_arn = {PROVIDER}\nsaml_assertion_file = {}\npolicy = {POLICY}\n",
        path.display()
    ));
    grant(&chain).await;
    let (asked, parameters) = rig.last();
    assert_eq!((asked.access_key_id, asked.region), (None, None), "nothing is signed");
    let expected = [
        ("Action", "AssumeRoleWithSAML"),
        ("RoleArn", ARN),
        ("PrincipalArn", PROVIDER),
        ("DurationSeconds", "3600"),
        ("SAMLAssertion", "[redacted]"),
        ("Policy", POLICY),
    ];
    assert_eq!(parameters, map(&expected));
    rig.file("saml", &encoded(&xml));
    grant(&chain).await;
    assert_eq!(rig.last().0.digests, asked.digests);

    rig.wind(Duration::from_mins(6));
    let told = failure(&chain).await;
    assert_eq!(told.kind, Kind::NeedsHuman, "{told}");
    rig.file("saml", &rig.response(MINUTES, &format!("{TWO},{PROVIDER}")));
    let told = failure(&chain).await;
    assert!(told.message.ends_with(TWO), "{told}");
    rig.file("saml", &format!("<!DOCTYPE x [<!ENTITY a 'b'>]>{xml}"));
    assert!(failure(&chain).await.message.contains("it has a DTD"));
    assert_eq!(rig.sts.total(), 2, "what cannot succeed is not sent");
}

#[tokio::test]
async fn a_session_of_a_user_is_asked_with_and_without_a_code() {
    let rig = Rig::new();
    let plain = "action = get-session-token\nsource_profile = me\nduration_seconds = 900\n";
    let got = grant(&rig.profile(plain)).await;
    assert_eq!(got.account.unwrap().as_str(), "123456789012");
    let asked = rig.sts.asked();
    let (last, first) = (&asked[1], &asked[0]);
    assert_eq!(last.action, "GetCallerIdentity", "whose the keys are, once");
    assert_eq!(first.access_key_id.as_deref(), Some(DEMO_ACCESS_KEY_ID));
    let mut parameters = first.parameters.clone();
    parameters.remove("Version");
    assert_eq!(parameters, map(&[("Action", "GetSessionToken"), ("DurationSeconds", "900")]));

    let chain = rig.table(&format!(
        "action = \"get-session-token\"\nsource_profile = \"me\"\nmfa_serial = \"{SERIAL}\"\nmfa_command = [\"echo\", \"123456\"]\n"
    ));
    let first = grant(&chain).await;
    let asked = &rig.sts.asked()[2];
    let mut parameters = asked.parameters.clone();
    parameters.remove("Version");
    let expected = [
        ("Action", "GetSessionToken"),
        ("DurationSeconds", "43200"),
        ("SerialNumber", SERIAL),
        ("TokenCode", "[redacted]"),
    ];
    assert_eq!(parameters, map(&expected));
    let again = grant(&chain).await;
    assert_eq!(again.credentials.access_key_id(), first.credentials.access_key_id());
    assert_eq!(rig.sts.count("GetSessionToken"), 2);
}

#[tokio::test]
async fn a_federated_user_is_asked_with_every_parameter() {
    let rig = Rig::new();
    let chain = rig.profile(&format!(
        "action = get-federation-token\nfederation_name = guest\nsource_profile = me\nduration_seconds = 129600\n\
         policy = {POLICY}\npolicy_arns = {READ_ONLY}\ntags = team=blue\n"
    ));
    let got = grant(&chain).await;
    assert_eq!(got.account.unwrap().as_str(), "123456789012");
    let expected = [
        ("Action", "GetFederationToken"),
        ("Name", "guest"),
        ("DurationSeconds", "129600"),
        ("Policy", POLICY),
        ("PolicyArns.member.1.arn", READ_ONLY),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
    ];
    assert_eq!(rig.last().1, map(&expected));
    assert_eq!(rig.sts.total(), 1, "the reply tells whose it is");
}

/// Prints another code each time, as a device does.
fn device(rig: &Rig) -> String {
    let counter = rig.file("counter", "100000");
    let counter = counter.display();
    rig.file("code.sh", &format!("n=$(cat {counter}); echo $((n + 1)) | tee {counter}"))
        .display()
        .to_string()
}

#[tokio::test]
async fn one_code_a_day_serves_every_role_of_a_user() {
    let rig = Rig::new();
    let trust = || Role { trust: Trust::Mfa, ..Role::default() };
    rig.sts.script(|script| {
        script.mfa = Mfa { serial: Some(SERIAL.to_owned()), codes: None };
        script.roles.known = [(ARN.to_owned(), trust()), (TWO.to_owned(), trust())].into();
    });
    let device = device(&rig);
    let role = |arn: &str| {
        rig.table(&format!(
            "role_arn = \"{arn}\"\nsource_profile = \"me\"\nmfa_serial = \"{SERIAL}\"\nmfa_command = [\"sh\", \"{device}\"]\nmfa_session = \"24h\"\n"
        ))
    };
    let (one, two) = (role(ARN), role(TWO));
    for _ in 0..48 {
        grant(&one).await;
        let (asked, parameters) = rig.last();
        assert!(!parameters.contains_key("TokenCode"), "AssumeRole carries no code");
        assert!(asked.access_key_id.unwrap().starts_with("ASIA"));
        grant(&two).await;
        rig.wind(Duration::from_mins(29));
    }
    assert_eq!(rig.sts.count("AssumeRole"), 96);
    assert_eq!(rig.sts.count("GetSessionToken"), 1);
    rig.wind(Duration::from_hours(1));
    grant(&one).await;
    grant(&two).await;
    assert_eq!(rig.sts.count("GetSessionToken"), 2, "the next day wants the next code");
}

#[tokio::test]
async fn a_wrong_code_is_told_in_the_words_of_sts_and_asked_for_again() {
    let rig = Rig::new();
    rig.sts.script(|script| {
        let codes = Some(["654321".to_owned()].into());
        script.mfa = Mfa { serial: Some(SERIAL.to_owned()), codes };
    });
    let code = rig.file("code", "111111");
    let chain = rig.profile(&format!(
        "role_arn = {ARN}\nsource_profile = me\nmfa_serial = {SERIAL}\nmfa_command = cat {}\n",
        code.display()
    ));
    let told = failure(&chain).await;
    assert_eq!((told.kind, told.code.as_deref()), (Kind::NeedsHuman, Some("AccessDenied")));
    assert!(told.message.contains("invalid MFA one time pass code"), "{told}");
    let told = failure(&chain).await;
    assert_eq!(told.message, "this MFA code has been sent already");
    assert_eq!(rig.actions(), ["GetSessionToken"]);
    rig.reception.code(&SERIAL.parse().unwrap(), &Secret::new("654321")).unwrap();
    grant(&chain).await;
    assert_eq!(rig.actions()[1..], ["GetSessionToken", "AssumeRole"]);
}

#[tokio::test]
async fn a_session_that_sts_no_longer_accepts_is_opened_anew() {
    let rig = Rig::new();
    let device = device(&rig);
    let chain = rig.profile(&format!(
        "role_arn = {ARN}\nsource_profile = me\nmfa_serial = {SERIAL}\nmfa_command = sh {device}\n"
    ));
    grant(&chain).await;
    rig.sts.script(|script| script.next.push_back(Some(Fault::Error(Code::ExpiredToken))));
    assert_eq!(failure(&chain).await.kind, Kind::NoBase);
    grant(&chain).await;
    assert_eq!(rig.sts.count("GetSessionToken"), 2);
}

#[tokio::test]
async fn temporary_keys_send_a_code_with_each_call() {
    let rig = Rig::new();
    let lent = grant(&rig.profile("action = get-session-token\nsource_profile = me\n")).await;
    let lent = lent.credentials;
    let output = rig.file(
        "keys.json",
        &json!({
            "Version": 1,
            "AccessKeyId": lent.access_key_id(),
            "SecretAccessKey": lent.secret_access_key().expose(),
            "SessionToken": lent.session_token().expose(),
        })
        .to_string(),
    );
    let device = device(&rig);
    let config = format!(
        "[profile it]\nrole_arn = {ARN}\nsource_profile = tool\nmfa_serial = {SERIAL}\nmfa_command = sh {device}\n\
         [profile tool]\ncredential_process = cat {}\n",
        output.display()
    );
    let chain = rig.chain(rig.settings(&config, Some("it"), None).unwrap());
    for _ in 0..2 {
        grant(&chain).await;
        let (_, parameters) = rig.last();
        assert_eq!(parameters["SerialNumber"], SERIAL);
        assert!(parameters.contains_key("TokenCode"));
    }
    let config = format!(
        "[profile it]\naction = get-session-token\nsource_profile = tool\n[profile tool]\ncredential_process = cat {}\n",
        output.display()
    );
    let told = failure(&rig.chain(rig.settings(&config, Some("it"), None).unwrap())).await;
    assert_eq!(told.message, "profile tool (credential_process) holds temporary credentials");
}

#[tokio::test]
async fn a_chain_may_begin_anywhere() {
    let rig = Rig::new();
    let token = rig.file("token", &rig.token(MINUTES));
    let config = format!(
        "[profile it]\nrole_arn = {TWO}\nsource_profile = web\n\
         [profile web]\nrole_arn = {ARN}\nweb_identity_token_file = {}\n\
         [profile day]\nrole_arn = {TWO}\nsource_profile = session\nduration_seconds = 43200\n\
         [profile session]\naction = get-session-token\nsource_profile = me\n",
        token.display()
    );
    grant(&rig.chain(rig.settings(&config, Some("it"), None).unwrap())).await;
    assert_eq!(rig.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
    // A session of a user is no role, so the hour of a chain is not for it (A4).
    grant(&rig.chain(rig.settings(&config, Some("day"), None).unwrap())).await;
    assert_eq!(rig.actions()[2..], ["GetSessionToken", "AssumeRole"]);
    assert_eq!(rig.last().1["DurationSeconds"], "43200");
}

#[tokio::test]
async fn each_error_code_says_what_it_means_for_the_call() {
    // docs/rules.md, STS errors
    let rig = Rig::new();
    let token = rig.file("token", &rig.token(MINUTES));
    let saml = rig.file("saml", &rig.response(MINUTES, &format!("{ARN},{PROVIDER}")));
    let web =
        rig.profile(&format!("role_arn = {ARN}\nweb_identity_token_file = {}\n", token.display()));
    let saml = rig.profile(&format!(
        "role_arn = {ARN}\nprincipal_arn = {PROVIDER}\nsaml_assertion_file = {}\n",
        saml.display()
    ));
    let user = rig.profile("action = get-session-token\nsource_profile = me\n");
    let guest = rig
        .profile("action = get-federation-token\nfederation_name = guest\nsource_profile = me\n");
    for (chain, code, kind, word) in [
        (&web, Code::ExpiredTokenException, Kind::NoBase, "new one"),
        (&web, Code::InvalidIdentityToken, Kind::NoBase, "issuer"),
        (&web, Code::IDPCommunicationError, Kind::Unreachable, "tried again"),
        (&web, Code::IDPRejectedClaim, Kind::Refused, "new one"),
        (&web, Code::AccessDenied, Kind::Refused, "audience"),
        (&saml, Code::ExpiredTokenException, Kind::NeedsHuman, "sign in"),
        (&saml, Code::InvalidIdentityToken, Kind::NoBase, "audience"),
        (&saml, Code::IDPRejectedClaim, Kind::Refused, "sign in"),
        (&saml, Code::AccessDenied, Kind::Refused, "SAML provider"),
        (&user, Code::AccessDenied, Kind::Refused, "long-lived"),
        (&user, Code::RegionDisabledException, Kind::Refused, "Region"),
        (&user, Code::InvalidClientTokenId, Kind::Refused, "deactivated"),
        (&user, Code::Throttling, Kind::Throttled, "more slowly"),
        (&guest, Code::AccessDenied, Kind::Refused, "sts:GetFederationToken"),
        (&guest, Code::PackedPolicyTooLarge, Kind::Refused, "shorten"),
        (&guest, Code::MalformedPolicyDocument, Kind::Refused, "policy"),
        (&guest, Code::ServiceUnavailable, Kind::Unreachable, "tried again"),
    ] {
        rig.sts.script(|script| script.next.push_back(Some(Fault::Error(code))));
        let told = failure(chain).await;
        assert_eq!(told.kind, kind, "{told}");
        assert_eq!(told.code, Some(code.to_string()));
        assert!(told.hint.as_deref().unwrap().contains(word), "{told:?}");
    }
}

#[tokio::test]
async fn credentials_come_from_an_instance_that_is_not_us() {
    let home = Home::new();
    let arguments = ["--log-format", "json", "demo", "--session", "1h", "--listen", "127.0.0.1:0"];
    let mut instance = Daemon::start(home.command(&arguments));
    let address = instance.address();
    instance.event("rotated");
    let rig = Rig::new();
    let lines = |url: &str| {
        format!(
            "role_arn = {ARN}\ncredential_source = Ec2InstanceMetadata\ncredential_source_endpoint = {url}\n"
        )
    };
    grant(&rig.profile(&lines(&format!("http://{address}/")))).await;
    let (asked, _) = rig.last();
    assert_eq!(asked.access_key_id.unwrap(), Client::new(address).key_id());
    let told = failure(&rig.profile(&lines("http://127.0.0.1:1"))).await;
    assert_eq!(told.kind, Kind::Unreachable);
    assert_eq!(told.message, "the endpoint http://127.0.0.1:1: connection refused");
    let told = failure(&rig.profile(&lines(&format!("http://{address}/nothing/here")))).await;
    assert!(told.message.contains("answered HTTP 4"), "{told}");
    let config = format!("[profile it]\n{}", lines("http://localhost:1338"));
    let told = rig.settings(&config, Some("it"), None).unwrap_err();
    assert!(told.contains("own listeners"), "{told}");
}

#[tokio::test]
async fn credentials_come_from_a_container_endpoint_with_its_authorization() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rig = Rig::new().with("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
    let lent = grant(&rig.profile(&format!("role_arn = {ARN}\nsource_profile = me\n"))).await;
    let lent = lent.credentials;
    let body = json!({
        "AccessKeyId": lent.access_key_id(),
        "SecretAccessKey": lent.secret_access_key().expose(),
        "Token": lent.session_token().expose(),
        "Expiration": lent.expiration().to_string(),
        "RoleArn": ARN,
    })
    .to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/credentials", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let count = stream.read(&mut head).await.unwrap();
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(reply.as_bytes()).await.unwrap();
        String::from_utf8(head[..count].to_vec()).unwrap()
    });
    let chain = rig.profile(&format!(
        "role_arn = {TWO}\ncredential_source = EcsContainer\ncredential_source_endpoint = {url}\n"
    ));
    grant(&chain).await;
    assert_eq!(rig.last().0.access_key_id.as_deref(), Some(lent.access_key_id()));
    let head = served.await.unwrap();
    assert!(head.starts_with("GET /credentials HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: basic abc\r\n"), "{head}");
}

/// Each set of lines, and the one thing that is wrong with it.
#[tokio::test]
#[allow(clippy::too_many_lines)] // a table
async fn what_sts_would_refuse_is_a_mistake_with_a_place() {
    let rig = Rig::new();
    let role = format!("role_arn = {ARN}\nsource_profile = me\n");
    let web = format!("role_arn = {ARN}\nweb_identity_token_file = /token\n");
    let saml = format!("role_arn = {ARN}\nprincipal_arn = {PROVIDER}\n");
    let eleven = [READ_ONLY; 11].join(",");
    for (lines, told) in [
        (format!("{role}policy = allow\n"), "4:10: policy: not a session policy"),
        (
            format!("{role}policy = {POLICY}\npolicy_file = /p\n"),
            "5:15: policy_file: stands beside policy",
        ),
        (format!("{role}policy_file = p\n"), "4:15: policy_file: not the whole path of a file"),
        (format!("{role}policy_arns = {eleven}\n"), "4:15: policy_arns: more than ten"),
        (
            format!("{role}policy_arns = arn:aws-cn:iam::aws:policy/X\n"),
            "4:15: policy_arns: an ARN of partition aws-cn, but the role belongs to aws",
        ),
        (format!("{role}tags = a=1,A=2\n"), "4:8: tags: not a set of session tags"),
        (format!("{role}tags = a*=1\n"), "4:8: tags: not the key of a session tag"),
        (
            format!("{role}transitive_tag_keys = a\n"),
            "4:23: transitive_tag_keys: not a set of session tags",
        ),
        (format!("{role}source_identity = a b\n"), "4:19: source_identity: not a source identity"),
        (
            format!("{role}credential_source_endpoint = http://192.0.2.1\n"),
            "4:30: credential_source_endpoint: stands without a credential_source that would ask it",
        ),
        (format!("{role}mfa_command = x\n"), "4:15: mfa_command: stands without mfa_serial"),
        (
            format!("{role}mfa_serial = {SERIAL}\nmfa_command = x\nmfa_session = 37h\n"),
            "6:15: mfa_session: not a session duration",
        ),
        (
            format!("{web}external_id = agreed\n"),
            "4:15: external_id: AssumeRoleWithWebIdentity does not take it",
        ),
        (format!("{web}tags = a=b\n"), "4:8: tags: AssumeRoleWithWebIdentity does not take it"),
        (
            format!("{web}source_profile = me\n"),
            "4:18: source_profile: AssumeRoleWithWebIdentity does not take it",
        ),
        (
            format!("{web}web_identity_token_command = x\n"),
            "3:27: web_identity_token_file: stands beside web_identity_token_command",
        ),
        (
            format!("role_arn = {ARN}\nsaml_assertion_file = /saml\n"),
            "3:23: saml_assertion_file: stands without principal_arn",
        ),
        (
            format!("{saml}saml_assertion_file = /saml\nrole_session_name = x\n"),
            "5:21: role_session_name: AssumeRoleWithSAML does not take it",
        ),
        ("action = get-session-tokn\n".to_owned(), "2:10: action: not one of the choices"),
        ("action = get-session-token\n".to_owned(), "2:10: action: a session without a source"),
        (
            "action = get-session-token\nsource_profile = me\nduration_seconds = 899\n".to_owned(),
            "4:20: duration_seconds: not a session duration",
        ),
        (
            "action = get-federation-token\nsource_profile = me\n".to_owned(),
            "2:10: action: stands without federation_name",
        ),
        (
            "action = get-session-token\nsource_profile = web\n".to_owned(),
            "3:18: source_profile: GetSessionToken and GetFederationToken take the long-lived keys of an IAM user",
        ),
        (
            format!(
                "role_arn = {ARN}\nsource_profile = web\nmfa_serial = {SERIAL}\nmfa_command = x\n"
            ),
            "4:14: mfa_serial: whoever signs this call has signed in already",
        ),
        (
            format!(
                "role_arn = {ARN}\nsource_profile = chained\nmfa_serial = {SERIAL}\nmfa_command = x\n"
            ),
            "4:14: mfa_serial: a role has no MFA device, and this call is signed by one",
        ),
        (
            format!("role_arn = {ARN}\nsource_profile = web\nduration_seconds = 3601\n"),
            "4:20: duration_seconds: more than an hour, for a role assumed with the credentials of another",
        ),
        (
            format!("role_arn = {ARN}\nsource_profile = guest\n"),
            "a federated user can assume no role",
        ),
    ] {
        let config = format!(
            "[profile it]\n{lines}[profile web]\n{web}[profile chained]\n{role}\
             [profile guest]\naction = get-federation-token\nfederation_name = guest\nsource_profile = me\n"
        );
        let mistakes = rig.settings(&config, Some("it"), None).unwrap_err();
        assert!(mistakes.contains(told), "{lines}{mistakes}");
        assert_eq!(mistakes.matches("hint: ").count(), 1, "{lines}{mistakes}");
    }
}

#[tokio::test]
async fn the_examples_of_the_documents_are_settings() {
    let page = include_str!("../docs/sources.md");
    let rig = Rig::new().with("AWS_ACCESS_KEY_ID", "AKIA").with("AWS_SECRET_ACCESS_KEY", "s");
    let blocks = |language: &str| -> Vec<String> {
        let mark = format!("```{language}\n");
        page.split(&mark).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let profiles = blocks("ini");
    let tables = blocks("toml");
    assert!(profiles.len() >= 9 && tables.len() >= 8);
    for text in profiles {
        let name = text.split(['[', ']']).nth(1).unwrap().strip_prefix("profile ").unwrap();
        let found = rig.settings(&text, Some(name), None);
        assert!(found.is_ok(), "{text}{}", found.unwrap_err());
    }
    for text in tables {
        let found = rig.settings("", None, Some(&text));
        assert!(found.is_ok(), "{text}{}", found.unwrap_err());
    }
}

#[test]
fn the_program_writes_neither_code_nor_token_nor_policy() {
    const CODE: &str = "918273";
    let policy = POLICY.replace("[]", r#"[{"Sid":"HushHush"}]"#);
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| {
        script.mfa = Mfa { serial: Some(SERIAL.to_owned()), codes: Some([CODE.to_owned()].into()) };
        script.next.push_back(Some(Fault::Error(Code::ServiceUnavailable)));
    });
    let config = format!(
        "[profile dev]\nrole_arn = {ARN}\nsource_profile = me\nregion = eu-central-1\nendpoint_url = {}\n\
         policy = {policy}\nmfa_serial = {SERIAL}\nmfa_command = printf {CODE}\n\
         [profile web]\nrole_arn = {ARN}\nregion = eu-central-1\nendpoint_url = {}\n\
         web_identity_token_command = printf hush.hush.hush\n",
        sts.emulator.endpoint_url(),
        sts.emulator.endpoint_url(),
    );
    let home = Home::new().with_config(&config).with_credentials(&stand::keys("me"));
    for (profile, attempts) in [("dev", 1), ("web", 3)] {
        let mut daemon = Daemon::start(home.traced(profile));
        daemon.keeps_secret(&json!({ "SecretAccessKey": CODE, "Token": "HushHush" }));
        daemon.keeps_secret(&json!({ "SecretAccessKey": "hush.hush.hush" }));
        sts.reached(attempts);
        daemon.find("a failure", |line| line["event"] == "failed" || line["error"].is_string());
        assert_eq!(daemon.end("-TERM").code(), Some(0));
    }
}
