//! What a locked daemon still has in memory of all that it served, sent and received.

#[path = "../networks/rig.rs"]
#[allow(dead_code)]
mod networks;
use std::fs;
use std::process::Command;
use std::sync::mpsc::channel;

use assumed::clock::{Clock as _, SystemClock};
use assumed::emulator::{self, Mfa, Script};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::SignedDuration;
use serde_json::Value;

use crate::common::client::{Client, Line, ROLE_LIST};
use crate::common::command::Running;
use crate::common::control::verb;
use crate::common::identity;
use crate::common::memory::{self, skipped};
use crate::common::program::{Daemon, Home};
use crate::common::stand::{self, Sts, keys, sessions_of};

const ROLE: &str = "arn:aws:iam::123456789012:role/team/deploy";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/jane";
const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/corp";
const CODE: &str = "314159";
const MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// A daemon that has served all that it can, on connections that stay open.
struct Served {
    daemon: Daemon,
    home: Home,
    secrets: Vec<String>,
    _kept: (Vec<Line>, Running),
}

impl Served {
    /// Starts it, has `give` bring what it waits for, and asks in every way that there is,
    /// before a rotation and after it.
    fn start(home: Home, command: Command, secrets: &[&str], give: impl FnOnce(&Home)) -> Self {
        let mut daemon = Daemon::start(command);
        let client = Client::new(daemon.address());
        let mut secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        secrets.push(client.token.clone());
        give(&home);
        daemon.event("rotated");
        let mut lines = vec![Line::open(&client), Line::open(&client)];
        for _ in 0..2 {
            for line in &mut lines {
                let role = line.get(ROLE_LIST).unwrap();
                let document = line.get(&format!("{ROLE_LIST}{}", role.text())).unwrap().json();
                secrets.extend(parts(&document));
            }
            verb(&home, &["refresh"]).well();
        }
        verb(&home, &["env", "--keys"]).well();
        verb(&home, &["credential-process"]).well();
        let running = Running::start(&home, &[], &[]);
        let token = running.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap();
        secrets.push(token.to_owned());
        secrets.extend(parts(&running.ask().json()));
        Self { daemon, home, secrets, _kept: (lines, running) }
    }

    #[track_caller]
    fn is_clean_after(&mut self, lock: &[&str]) {
        let pid = self.daemon.pid();
        assert!(!memory::found(pid, &self.secrets).is_empty(), "what is served is in memory");
        verb(&self.home, lock).well();
        memory::is_clean(pid, &self.secrets);
    }

    #[track_caller]
    fn is_served_again(&mut self) {
        verb(&self.home, &["unlock"]).well();
        self.daemon.event("unlocked");
        self.daemon.event("rotated");
    }
}

/// The secrets of a document of credentials.
fn parts(document: &Value) -> [String; 2] {
    ["SecretAccessKey", "Token"].map(|part| document[part].as_str().unwrap().to_owned())
}

/// A profile that STS knows, with these lines and those of its source.
fn home(sts: &Sts, lines: &str) -> Home {
    let endpoint = sts.emulator.endpoint_url();
    let config =
        format!("[profile dev]\nregion = eu-central-1\nendpoint_url = {endpoint}\n{lines}");
    Home::new().with_config(&config).with_credentials(&keys("me"))
}

#[test]
fn a_lock_leaves_nothing_of_keys_from_a_file() {
    if skipped() {
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, &format!("role_arn = {ROLE}\nsource_profile = me\n"));
    let command = home.traced("dev");
    let mut served = Served::start(home, command, &[emulator::DEMO_SECRET_ACCESS_KEY], |_| {});
    served.is_clean_after(&["lock"]);
    served.is_served_again();
    served.is_clean_after(&["lock", "--forget"]);
}

#[test]
fn a_lock_leaves_nothing_of_keys_from_the_environment() {
    if skipped() {
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let home = Home::new();
    let mut command = home.command(&["--log-format", "json", "run", "--listen", "127.0.0.1:0"]);
    command
        .args(["--role-arn", ROLE])
        .env("AWS_ENDPOINT_URL_STS", sts.emulator.endpoint_url())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", emulator::DEMO_ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", emulator::DEMO_SECRET_ACCESS_KEY);
    let mut served = Served::start(home, command, &[emulator::DEMO_SECRET_ACCESS_KEY], |_| {});
    let environ = fs::read(format!("/proc/{}/environ", served.daemon.pid())).unwrap();
    let environ = String::from_utf8_lossy(&environ);
    assert!(environ.contains("AWS_REGION=") && !environ.contains(emulator::DEMO_SECRET_ACCESS_KEY));
    served.is_clean_after(&["lock"]);
    served.is_served_again();
}

#[test]
fn a_lock_leaves_nothing_of_what_a_command_printed() {
    if skipped() {
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, &format!("role_arn = {ROLE}\nsource_profile = tool\n"));
    let printed = format!(
        "{{\"Version\": 1, \"AccessKeyId\": \"{}\", \"SecretAccessKey\": \"{}\"}}",
        emulator::DEMO_ACCESS_KEY_ID,
        emulator::DEMO_SECRET_ACCESS_KEY
    );
    home.put("printed", &printed);
    let path = home.path().join("printed");
    home.put(".aws/credentials", &format!("[tool]\ncredential_process = cat {}\n", path.display()));
    let command = home.traced("dev");
    let mut served = Served::start(home, command, &[emulator::DEMO_SECRET_ACCESS_KEY], |_| {});
    served.is_clean_after(&["lock"]);
    served.is_served_again();
}

#[test]
fn a_lock_leaves_nothing_of_a_chain_with_a_session_of_mfa_that_unlock_goes_on_with() {
    if skipped() {
        return;
    }
    let codes = Mfa { serial: Some(SERIAL.to_owned()), codes: None };
    let sts = Sts::start(Script { mfa: codes, ..sessions_of(3600) });
    let first = "arn:aws:iam::123456789012:role/first";
    let lines = format!(
        "role_arn = {ROLE}\nsource_profile = first\n[profile first]\nrole_arn = {first}\n\
         source_profile = me\nmfa_serial = {SERIAL}\n"
    );
    let home = home(&sts, &lines);
    let command = home.traced("dev");
    let give = |home: &Home| _ = verb(home, &["mfa", CODE]).well();
    let mut served = Served::start(home, command, &[emulator::DEMO_SECRET_ACCESS_KEY], give);
    served.is_clean_after(&["lock"]);
    served.is_served_again();
    assert_eq!(sts.emulator.count("GetSessionToken"), 1, "no second code was needed");
    served.is_clean_after(&["lock", "--forget"]);
}

#[test]
fn a_lock_leaves_nothing_of_tokens_and_assertions() {
    if skipped() {
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let token = identity::token(SystemClock.now().wall, MINUTES);
    let place = Home::new();
    place.put("token", &token);
    let file = place.path().join("token");
    let web =
        home(&sts, &format!("role_arn = {ROLE}\nweb_identity_token_file = {}\n", file.display()));
    let command = web.traced("dev");
    Served::start(web, command, &[&token], |_| {}).is_clean_after(&["lock"]);

    let pair = format!("{ROLE},{PROVIDER}");
    let response = BASE64.encode(identity::response(SystemClock.now().wall, MINUTES, &pair));
    place.put("response", &response);
    let file = place.path().join("response");
    let saml = home(
        &sts,
        &format!(
            "role_arn = {ROLE}\nprincipal_arn = {PROVIDER}\nsaml_assertion_file = {}\n",
            file.display()
        ),
    );
    let command = saml.traced("dev");
    Served::start(saml, command, &[&response, "unheard-of-subject"], |_| {})
        .is_clean_after(&["lock"]);
}

#[test]
fn a_lock_leaves_nothing_of_an_exchange_under_tls() {
    if skipped() {
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let authority = networks::Authority::new("ours");
    let config = authority.server(&["localhost"], networks::Ticket::Valid);
    let behind = sts.emulator.address();
    let (sender, port) = channel();
    std::thread::spawn(move || {
        stand::runtime().block_on(async {
            sender.send(networks::front(behind, config).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let port = port.recv().unwrap();
    let home = Home::new().with_credentials(&keys("me")).with_config(&format!(
        "[profile dev]\nrole_arn = {ROLE}\nsource_profile = me\nregion = eu-central-1\n\
         endpoint_url = https://localhost:{port}\n"
    ));
    home.put("ca.pem", authority.pem());
    let mut command = home.traced("dev");
    command.env("AWS_CA_BUNDLE", home.path().join("ca.pem"));
    let mut served = Served::start(home, command, &[emulator::DEMO_SECRET_ACCESS_KEY], |_| {});
    served.is_clean_after(&["lock"]);
}
