//! Every source of credentials on the whole program: what is served, what STS was
//! asked for it, what is said where it fails, and that no secret is said at all.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use assumed::clock::{Clock, SystemClock};
use assumed::emulator::{Code, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Fault};
use common::client::Client;
use common::control::verb;
use common::identity::{response, response_for, token};
use common::program::{Daemon, Home, wait_for};
use common::stand::{Sts, keys, sessions_of};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::210987654321:role/team/one";
const FIRST: &str = "arn:aws:iam::210987654321:role/first";
const PROVIDER: &str = "arn:aws:iam::210987654321:saml-provider/corp";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/jane";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"UnheardOf","Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const CODE: &str = "918273";
const MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// A profile with a source of its own, in a home with the keys of a user.
struct Rig {
    sts: Sts,
    home: Home,
    secrets: Vec<String>,
    /// When the token does.
    ends: String,
}

impl Rig {
    /// `HOME` in the lines is the home directory, `TOKEN` and `RESPONSE` files in it.
    fn new(lines: &str) -> Self {
        let sts = Sts::start(sessions_of(3600));
        let home = Home::new().with_credentials(&keys("me"));
        let now = SystemClock.now().wall;
        let (token, response) =
            (token(now, MINUTES), response(now, MINUTES, &format!("{ROLE},{PROVIDER}")));
        home.put("token", &token);
        home.put("response", &response);
        let ends = Timestamp::from_second(now.as_second() + MINUTES.as_secs()).unwrap();
        let rig = Self { sts, home, secrets: Vec::new(), ends: ends.to_string() };
        rig.configure(lines);
        let secrets = [DEMO_SECRET_ACCESS_KEY, CODE, &token, "UnheardOf", "unheard-of"];
        // As base64 a part of the response begins so wherever it stands.
        let secrets = secrets.into_iter().chain(["PHA6UmVz", "p:Response"]).map(str::to_owned);
        Self { secrets: secrets.collect(), ..rig }
    }

    fn configure(&self, lines: &str) {
        let config = format!(
            "[profile dev]\nregion = eu-central-1\nendpoint_url = {}\n{lines}",
            self.sts.emulator.endpoint_url()
        );
        self.home.put(".aws/config", &config.replace("HOME", self.home.path().to_str().unwrap()));
    }

    fn start(&self) -> (Daemon, Client) {
        let mut command = self.home.traced("dev");
        command.env("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY);
        let mut daemon = Daemon::start(command);
        for secret in &self.secrets {
            daemon.keeps_secret(&json!({ "Token": secret }));
        }
        let client = Client::new(daemon.address());
        (daemon, client)
    }

    /// What was asked, each with who signed it.
    fn asked(&self) -> Vec<(BTreeMap<String, String>, Option<String>)> {
        let asked = self.sts.emulator.asked().into_iter();
        let asked = asked.filter(|asked| asked.action != "GetCallerIdentity");
        asked
            .map(|asked| {
                let mut parameters = asked.parameters;
                parameters.remove("Version");
                (parameters, asked.access_key_id)
            })
            .collect()
    }

    /// No secret is shown either, and the end is a good one.
    fn end(&self, daemon: Daemon) {
        for arguments in
            [["status"].as_slice(), &["status", "--json"], &["check", "--profile", "dev"]]
        {
            let done = verb(&self.home, arguments);
            let seen = done.stdout + &done.stderr;
            for secret in &self.secrets {
                assert!(!seen.contains(secret), "{secret} in {seen}");
            }
        }
        assert_eq!(daemon.end("-TERM").code(), Some(0));
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An `AssumeRole` with nothing set, and these parameters besides.
fn assume_role(arn: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let usual = [
        ("Action", "AssumeRole"),
        ("RoleArn", arn),
        ("RoleSessionName", "it"),
        ("DurationSeconds", "3600"),
    ];
    map(&[&usual, more].concat())
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn each_source_is_served_and_sts_was_asked_for_just_that() {
    const USER: Option<&str> = Some(DEMO_ACCESS_KEY_ID);
    const LATER: Option<&str> = Some("ASIA");
    let name = "role_session_name = it\n";
    let role = format!("role_arn = {ROLE}\n{name}");
    let token = [("Action", "AssumeRoleWithWebIdentity"), ("RoleArn", ROLE)];
    let token = [&token[..], &[("RoleSessionName", "it"), ("DurationSeconds", "7200")]].concat();
    let token =
        map(&[&token[..], &[("WebIdentityToken", "[redacted]"), ("Policy", POLICY)]].concat());
    let saml = map(&[
        ("Action", "AssumeRoleWithSAML"),
        ("RoleArn", ROLE),
        ("PrincipalArn", PROVIDER),
        ("DurationSeconds", "3600"),
        ("SAMLAssertion", "[redacted]"),
        ("PolicyArns.member.1.arn", READ_ONLY),
    ]);
    let session =
        |duration: &'static str| [("Action", "GetSessionToken"), ("DurationSeconds", duration)];
    let code = [("SerialNumber", SERIAL), ("TokenCode", "[redacted]")];
    let guest = map(&[
        ("Action", "GetFederationToken"),
        ("Name", "guest"),
        ("DurationSeconds", "3600"),
        ("Policy", POLICY),
        ("PolicyArns.member.1.arn", READ_ONLY),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
    ]);
    let process = format!(
        r#"echo '{{"Version": 1, "AccessKeyId": "{DEMO_ACCESS_KEY_ID}", "SecretAccessKey": "{DEMO_SECRET_ACCESS_KEY}"}}'"#
    );
    for (lines, expected) in [
        (
            format!(
                "{role}source_profile = me\nexternal_id = agreed\nsource_identity = jane\npolicy = {POLICY}\n\
                 policy_arns = {READ_ONLY}\ntags = team=blue\ntransitive_tag_keys = team\n"
            ),
            vec![(
                assume_role(
                    ROLE,
                    &[
                        ("ExternalId", "agreed"),
                        ("SourceIdentity", "jane"),
                        ("Policy", POLICY),
                        ("PolicyArns.member.1.arn", READ_ONLY),
                        ("Tags.member.1.Key", "team"),
                        ("Tags.member.1.Value", "blue"),
                        ("TransitiveTagKeys.member.1", "team"),
                    ],
                ),
                USER,
            )],
        ),
        (
            format!(
                "{role}source_profile = first\n[profile first]\nrole_arn = {FIRST}\n{name}source_profile = me\n"
            ),
            vec![(assume_role(FIRST, &[]), USER), (assume_role(ROLE, &[]), LATER)],
        ),
        (
            format!(
                "{role}source_profile = me\nmfa_serial = {SERIAL}\nmfa_command = echo {CODE}\nmfa_session = 8h\n"
            ),
            vec![
                (map(&[&session("28800")[..], &code].concat()), USER),
                (assume_role(ROLE, &[]), LATER),
            ],
        ),
        (
            format!(
                "{role}duration_seconds = 7200\nweb_identity_token_file = HOME/token\npolicy = {POLICY}\n"
            ),
            vec![(token, None)],
        ),
        (
            format!(
                "role_arn = {ROLE}\nprincipal_arn = {PROVIDER}\nsaml_assertion_command = cat HOME/response\npolicy_arns = {READ_ONLY}\n"
            ),
            vec![(saml, None)],
        ),
        (
            "action = get-session-token\nsource_profile = me\nduration_seconds = 3600\n".to_owned(),
            vec![(map(&session("3600")), USER)],
        ),
        (
            format!(
                "action = get-session-token\nsource_profile = me\nmfa_serial = {SERIAL}\nmfa_command = echo {CODE}\n"
            ),
            vec![(map(&[&session("43200")[..], &code].concat()), USER)],
        ),
        (
            format!(
                "action = get-federation-token\nfederation_name = guest\nsource_profile = me\nduration_seconds = 3600\n\
                 policy = {POLICY}\npolicy_arns = {READ_ONLY}\ntags = team=blue\n"
            ),
            vec![(guest, USER)],
        ),
        (
            format!(
                "{role}source_profile = tool\n[profile tool]\ncredential_process = {process}\n"
            ),
            vec![(assume_role(ROLE, &[]), USER)],
        ),
        (format!("{role}credential_source = Environment\n"), vec![(assume_role(ROLE, &[]), USER)]),
    ] {
        let rig = Rig::new(&lines);
        let (mut daemon, client) = rig.start();
        daemon.event("rotated");
        let document = client.credentials().json();
        daemon.keeps_secret(&document);
        assert!(document["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{document}");
        let asked = rig.asked();
        assert_eq!(asked.len(), expected.len(), "{lines}{asked:?}");
        for ((parameters, signer), (expected, key)) in asked.iter().zip(&expected) {
            assert_eq!(parameters, expected, "{lines}");
            let signed = signer
                .as_deref()
                .map(|signer| if signer.starts_with("ASIA") { "ASIA" } else { signer });
            assert_eq!(signed, *key, "{lines}");
        }
        rig.end(daemon);
    }
}

/// What a refused refresh says and ends with.
fn refreshed(rig: &Rig, code: Code) -> (Option<i32>, String) {
    rig.sts.emulator.script(|script| script.next.push_back(Some(Fault::Error(code))));
    let done = verb(&rig.home, &["refresh"]);
    (done.code, done.stderr)
}

/// How long a line of the log says that it waits.
fn pause(since: &Value, next: &str) -> SignedDuration {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    time(next).duration_since(time(since.as_str().unwrap()))
}

#[test]
fn each_error_code_has_its_sentence_and_is_tried_again_where_that_may_help() {
    // docs/rules.md, STS errors
    let role = format!("role_arn = {ROLE}\nsource_profile = me\n");
    let web = format!("role_arn = {ROLE}\nweb_identity_token_file = HOME/token\n");
    let saml = format!(
        "role_arn = {ROLE}\nprincipal_arn = {PROVIDER}\nsaml_assertion_file = HOME/response\n"
    );
    let user = "action = get-session-token\nsource_profile = me\n".to_owned();
    let guest =
        "action = get-federation-token\nfederation_name = guest\nsource_profile = me\n".to_owned();
    let denied = "STS refused: User is not authorized to perform this action";
    let again = "nothing to do: it is tried again";
    let busy = "STS asks for fewer calls: Rate exceeded";
    for (source, table) in [
        (
            role,
            [
                (Code::AccessDenied, 77, "STS refused: User is not authorized to perform this action", "does the role's trust policy name this caller? a wrong external_id and a missing MFA look just like this"),
                (Code::ValidationError, 77, "STS refused: The input fails to satisfy the constraints of STS", "duration_seconds may exceed the role's maximum session duration, or one hour in a role chain"),
                (Code::MalformedPolicyDocument, 77, "STS refused: Syntax errors in policy.", "the session policy is not a valid policy document"),
                (Code::PackedPolicyTooLarge, 77, "STS refused: Packed policy consumes too much of allotted space, please use smaller policy.", "shorten the session policy, or pass fewer tags"),
                (Code::RegionDisabledException, 77, "STS refused: STS is not activated in this region for this account", "activate STS for this Region in the account that owns the role, or set another region"),
                (Code::InvalidClientTokenId, 77, "STS refused: The security token included in the request is invalid.", "the access key is unknown or deactivated, or its session token is not valid in this Region"),
                (Code::SignatureDoesNotMatch, 77, "STS does not accept the signature", "the secret access key does not belong to the access key id, or something on the way changes requests"),
                (Code::ExpiredToken, 75, "STS does not accept the base credentials: The security token included in the request is expired", "the base credentials have expired: log in again, or renew them"),
                (Code::Throttling, 69, busy, "nothing to do: it is tried again more slowly"),
                (Code::InternalFailure, 69, "STS is in trouble: We encountered an internal error. Please try again.", again),
                (Code::ServiceUnavailable, 69, "STS is in trouble: Service is unavailable. Please try again later.", again),
            ]
            .as_slice(),
        ),
        (
            web,
            &[
                (Code::ExpiredTokenException, 75, "STS does not accept the web identity token: The token that was passed is expired or is not valid (the token is valid until END)", "whoever writes the web identity token has to write a new one; it is read anew each time"),
                (Code::InvalidIdentityToken, 75, "STS does not accept the web identity token: The identity token could not be validated (the token is valid until END)", "the web identity token is not accepted: is its issuer registered in the account, and the token new?"),
                (Code::IDPRejectedClaim, 77, "STS refused: The identity provider rejected the claim (the token is valid until END)", "the identity provider rejects the token: get a new one"),
                (Code::IDPCommunicationError, 69, "STS is in trouble: The identity provider could not be reached (the token is valid until END)", "STS cannot reach the identity provider; it is tried again"),
            ],
        ),
        (
            saml,
            &[
                (Code::ExpiredTokenException, 75, "STS does not accept the SAML response: The token that was passed is expired or is not valid", "sign in at the identity provider again, for a new SAML response"),
                (Code::InvalidIdentityToken, 75, "STS does not accept the SAML response: The identity token could not be validated", "the SAML response is not accepted: is its audience https://signin.aws.amazon.com/saml, and the provider's metadata in IAM up to date?"),
                (Code::IDPRejectedClaim, 77, "STS refused: The identity provider rejected the claim", "the identity provider rejects the assertion: sign in again"),
            ],
        ),
        (
            user,
            &[
                (Code::AccessDenied, 77, denied, "only the long-lived keys of an IAM user may ask; with MFA, the device has to be that user's own"),
                (Code::ValidationError, 77, "STS refused: The input fails to satisfy the constraints of STS", "is mfa_serial the ARN, or the serial number, of the user's own device?"),
            ],
        ),
        (
            guest,
            &[
                (Code::AccessDenied, 77, denied, "only the long-lived keys of an IAM user who is allowed sts:GetFederationToken may ask"),
                (Code::PackedPolicyTooLarge, 77, "STS refused: Packed policy consumes too much of allotted space, please use smaller policy.", "shorten the session policy, or pass fewer tags"),
            ],
        ),
    ] {
        let rig = Rig::new(&source);
        let (mut daemon, client) = rig.start();
        daemon.event("rotated");
        for &(code, exit, sentence, hint) in table {
            let served = client.key_id();
            let (ended, told) = refreshed(&rig, code);
            let told = told.replace(&rig.ends, "END");
            assert_eq!(told, format!("assumed: {sentence} ({code})\nhint: {hint}\n"));
            assert_eq!((ended, client.key_id()), (Some(exit), served), "{code}");
            let line = daemon.find("failure", |line| line["error"].is_string());
            let pause = line["next"].as_str().map(|next| pause(&line["timestamp"], next));
            if exit == 69 {
                assert!(pause.unwrap() < MINUTES, "{line}");
            } else {
                // Haste would change nothing.
                assert!(pause.is_none_or(|pause| exit == 75 || pause > MINUTES / 2), "{line}");
                verb(&rig.home, &["refresh"]).well();
            }
            daemon.event("rotated");
        }
        rig.end(daemon);
    }
}

/// The program that prints a user's credentials, whatever it does.
fn tool(rig: &Rig, script: &str) {
    rig.home.put("tool", &script.replace("HOME", rig.home.path().to_str().unwrap()));
}

/// True where it has ended, soon at the latest; whoever adopted it may not have noticed yet.
fn is_gone(pid: &str) -> bool {
    (0..100).any(|_| {
        let told = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        told.stdout.is_empty() || told.stdout.starts_with(b"Z")
    })
}

#[test]
fn a_credential_process_may_do_what_it_likes() {
    let rig = Rig::new(&format!(
        "role_arn = {ROLE}\nsource_profile = tool\ncredential_process_timeout = 1s\n\
         [profile tool]\ncredential_process = sh HOME/tool\n"
    ));
    let good = format!(
        r#"echo '{{"Version": 1, "AccessKeyId": "{DEMO_ACCESS_KEY_ID}", "SecretAccessKey": "{DEMO_SECRET_ACCESS_KEY}"}}'"#
    );
    tool(&rig, &good);
    let (mut daemon, client) = rig.start();
    daemon.event("rotated");
    let served = client.key_id();
    let expired = r#"echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "unheard-of", "SessionToken": "unheard-of", "Expiration": "2020-01-01T00:00:00Z"}'"#;
    let killed = "did not end within 1s, and was killed";
    for (script, told) in [
        ("sleep 600", killed),
        ("sleep 600 & echo $! > HOME/child; sleep 600", killed),
        // What it leaves behind holds its output open.
        ("sleep 600 & echo $! > HOME/child; echo unheard-of", killed),
        ("trap '' TERM INT HUP; while :; do sleep 1; done", killed),
        ("yes unheard-of", "printed more than 128 KiB, and was killed"),
        ("yes unheard-of >&2 & sleep 600", killed),
        ("echo unheard-of; kill -9 $$", "ended with signal: 9 (SIGKILL)"),
        (
            "echo unheard-of; echo log in first >&2; exit 3",
            "ended with exit status: 3: log in first",
        ),
        ("echo unheard-of", "printed something that is no JSON object"),
        ("printf '\\377\\376'", "printed something that is no JSON object"),
        ("true", "printed something that is no JSON object"),
        (r#"echo '{"Version": 1, "SecretAccessKey": "unheard-of"}'"#, "printed no AccessKeyId"),
        (expired, "printed credentials that have already expired"),
        ("read line && exit 1; exit 4", "ended with exit status: 4"),
        (
            "test -t 0 || test -t 2 || (exec 3<>/dev/tty) 2>/dev/null || exit 5",
            "ended with exit status: 5",
        ),
    ] {
        tool(&rig, script);
        let asked = rig.sts.emulator.total();
        let done = verb(&rig.home, &["refresh"]);
        let line = done.stderr.lines().next().unwrap().to_owned();
        assert_eq!(line, format!("assumed: credential_process {told}"), "{script}");
        assert_eq!((rig.sts.emulator.total(), client.key_id()), (asked, served.clone()));
        if script.contains("child") {
            wait_for(&rig.home.path().join("child"), "\n");
            let child = fs::read_to_string(rig.home.path().join("child")).unwrap();
            assert!(is_gone(child.trim()), "what it started lives on: {script}");
            fs::remove_file(rig.home.path().join("child")).unwrap();
        }
    }
    tool(&rig, &good);
    verb(&rig.home, &["refresh"]).well();
    assert_ne!(client.key_id(), served);
    rig.end(daemon);
}

/// Tries each content of a file; says what is told of it, and whether it was sent.
fn tried(lines: &str, file: &str, contents: &[(&str, &str, bool)]) {
    let rig = Rig::new(lines);
    let good = fs::read_to_string(rig.home.path().join(file)).unwrap();
    let (mut daemon, client) = rig.start();
    daemon.event("rotated");
    let served = client.key_id();
    for (content, told, is_sent) in contents {
        rig.home.put(file, content);
        let asked = rig.sts.emulator.total();
        let done = verb(&rig.home, &["refresh"]);
        let start: String = content.chars().take(60).collect();
        assert!(done.stderr.contains(told), "{start}: {}", done.stderr);
        assert_eq!(rig.sts.emulator.total() - asked, u64::from(*is_sent), "{start}");
        assert_eq!(client.key_id(), served, "what is valid is served: {start}");
    }
    rig.home.put(file, &good);
    verb(&rig.home, &["refresh"]).well();
    rig.end(daemon);
}

#[test]
fn a_hostile_response_harms_nobody() {
    let lines = format!(
        "role_arn = {ROLE}\nprincipal_arn = {PROVIDER}\nsaml_assertion_file = HOME/response\n"
    );
    let now = SystemClock.now().wall;
    let pair = format!("{ROLE},{PROVIDER}");
    let good = response(now, MINUTES, &pair);
    let bomb = (1..30).fold("<!ENTITY e0 'unheard-of'>".to_owned(), |all, n| {
        format!("{all}<!ENTITY e{n} '&e{0};&e{0};'>", n - 1)
    });
    let bomb = format!("<!DOCTYPE r [{bomb}]>{}", good.replace("me@host", "&e29;"));
    let outside = format!("<!DOCTYPE r SYSTEM 'file:///etc/passwd'>{good}");
    let deep = "<a>".repeat(20_000);
    let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
    let huge = good.replace("me@host", &"x".repeat(100_000));
    let cut = &good[..good.len() / 2];
    let elsewhere = response_for(now, MINUTES, &pair, "https://elsewhere.example");
    let foreign = response(now, MINUTES, &format!("{FIRST},{PROVIDER}"));
    // A reader that stops at a comment would see another role.
    let comment = response(now, MINUTES, &format!("{ROLE}<!-- -->-not,{PROVIDER}"));
    let ended = response(now, -MINUTES, &pair);
    tried(
        &lines,
        "response",
        &[
            (&bomb, "the SAML response cannot be read: it has a DTD", false),
            (&outside, "the SAML response cannot be read: it has a DTD", false),
            (&good.replace("me@host", "&unheard;"), "it refers to an entity", false),
            (&deep, "it has too many elements", false),
            (&wide, "it has too many elements", false),
            (&huge, "it has more than 100000 characters", false),
            (&"A".repeat(200_000), "it is longer than 128 KiB", false),
            (cut, "the SAML response cannot be read: ", false),
            ("unheard-of !", "it is neither XML nor base64", false),
            ("", "it is empty", false),
            (&foreign, &format!("it names {FIRST}"), false),
            (&comment, &format!("it names {ROLE}-not"), false),
            (&ended, "the SAML assertion ended at ", false),
            (&elsewhere, "STS does not accept the SAML response: ", true),
        ],
    );
}

#[test]
fn a_token_that_lies_about_its_shape_harms_nobody() {
    use base64::Engine as _;
    let lines = format!("role_arn = {ROLE}\nweb_identity_token_file = HOME/token\n");
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let of = |header: &str, claims: &str| format!("{}.{}.c2ln", part(header), part(claims));
    let now = SystemClock.now().wall;
    let header = r#"{"alg":"RS256"}"#;
    let none = token(now, MINUTES)
        .replace(&part(r#"{"alg":"RS256","kid":"1"}"#), &part(r#"{"alg":"none"}"#));
    let five = [token(now, MINUTES), "e30.e30".to_owned()].join(".");
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let no_token = "(what was sent is no JSON web token)";
    let no_end = "(the token does not say when it expires)";
    tried(
        &lines,
        "token",
        &[
            ("", "it is empty", false),
            ("unheard-of words", "a token is one word of ASCII characters", false),
            (&"x".repeat(20_001), "a token has 4 to 20000 characters", false),
            (&"x".repeat(200_000), "it is longer than 128 KiB", false),
            ("a.b.c", no_token, true),
            ("....", no_token, true),
            (&five, no_token, true),
            (&of(header, "[]"), no_token, true),
            (&of(header, &nested), no_token, true),
            (&of(header, "{}"), no_end, true),
            (&of(header, r#"{"exp":"soon"}"#), no_end, true),
            (&of(header, r#"{"exp":1e300}"#), no_end, true),
            (&of(header, r#"{"exp":-99999999999999999}"#), no_end, true),
            (&none, "(the token is valid until ", true),
            (&token(now, -MINUTES * 2), "(the token expired at ", true),
        ],
    );
}
