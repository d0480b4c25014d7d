//! What waits for a human, on the whole program: told once, handed in once,
//! used once, and never seen again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use assumed::clock::{Clock, SystemClock};
use assumed::emulator::{DEMO_SECRET_ACCESS_KEY, Mfa, Script};
use common::client::Client;
use common::control::{Done, verb};
use common::identity;
use common::program::{self, Daemon, Ended, Home, wait_for};
use common::stand::{Sts, keys, sessions_of};
use serde_json::Value;

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];
const ROLE: &str = "arn:aws:iam::123456789012:role/team/deploy";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/jane";
const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/corp";

/// A role that nobody becomes without a code.
fn mfa_home(sts: &Sts) -> Home {
    let config = format!(
        "[profile dev]\nrole_arn = {ROLE}\nsource_profile = me\nregion = eu-central-1\n\
         mfa_serial = {SERIAL}\nendpoint_url = {}\n",
        sts.emulator.endpoint_url()
    );
    Home::new().with_config(&config).with_credentials(&keys("me"))
}

fn waiting(home: &Home) -> (Daemon, Client, Value) {
    let mut daemon = Daemon::start(home.command(&RUN));
    let client = Client::new(daemon.address());
    let line = daemon.event("waiting");
    (daemon, client, line)
}

/// The device shows these codes, and no others are good.
fn shows(codes: &[&str]) -> Script {
    let codes = Some(codes.iter().map(|code| (*code).to_owned()).collect());
    Script { mfa: Mfa { serial: Some(SERIAL.to_owned()), codes }, ..sessions_of(3600) }
}

fn count(log: &str, word: &str) -> usize {
    log.matches(word).count()
}

/// Everything that a reader could see of it, without any of these.
#[track_caller]
fn keeps(home: &Home, daemon: &mut Daemon, secrets: &[&str]) {
    let seen =
        [daemon.log(), verb(home, &["status"]).stdout, verb(home, &["status", "--json"]).stdout];
    for secret in secrets.iter().chain(&[DEMO_SECRET_ACCESS_KEY]) {
        assert!(seen.iter().all(|text| !text.contains(secret)), "{secret} is seen: {seen:?}");
    }
}

#[test]
fn one_code_serves_every_role_that_waits_for_it() {
    let sts = Sts::start(shows(&["314159"]));
    let endpoint = sts.emulator.endpoint_url();
    let mut settings =
        format!("listen = [\"127.0.0.1:0\"]\n[sts]\nendpoint_url = \"{endpoint}\"\n");
    for name in ["dev", "ops"] {
        let role =
            format!("role_arn = \"{ROLE}\"\nsource_profile = \"me\"\nregion = \"eu-central-1\"");
        let code = format!("mfa_serial = \"{SERIAL}\"\neager = true");
        writeln!(settings, "[role.{name}]\n{role}\n{code}").unwrap();
    }
    let home = Home::new().with_credentials(&keys("me")).with_settings(&settings);
    let mut daemon = Daemon::start(home.command(&["--log-format", "json", "run"]));
    for role in ["dev", "ops"] {
        daemon.find(role, |line| line["event"] == "waiting" && line["role"] == role);
    }
    verb(&home, &["mfa", "314159"]).well();
    let [mut dev, mut ops] = ["dev", "ops"].map(|_| Value::Null);
    while dev.is_null() || ops.is_null() {
        let line = daemon.event("rotated");
        if line["role"] == "dev" { dev = line } else { ops = line }
    }
    assert_eq!(sts.emulator.count("GetSessionToken"), 1);
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn a_code_is_waited_for_and_one_serves_all_rotations() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let (mut daemon, client, line) = waiting(&home);
    assert_eq!(line["error"], format!("an MFA code of {SERIAL} is waited for"));
    assert!(line["hint"].as_str().unwrap().contains("assumed mfa"), "{line}");
    assert_eq!(client.credentials().status, 500, "nothing valid is held");
    verb(&home, &["health"]).ill(75);
    let table = verb(&home, &["status"]).well();
    assert!(table.contains("needs you     type: assumed mfa\n"), "{table}");
    let role = || verb(&home, &["status", "--json"]).json()["roles"][0].clone();
    let needs = role()["needs"].clone();
    assert_eq!((&needs["what"], &needs["of"]), (&"mfa".into(), &SERIAL.into()));
    assert_eq!((&needs["awaited"], &needs["ends"]), (&true.into(), &Value::Null));
    assert_eq!(sts.emulator.total(), 0, "without a code nobody is asked");

    assert!(verb(&home, &["mfa", "314159"]).well().starts_with("dev: generation 1, expires "));
    let document = client.credentials().json();
    daemon.keeps_secret(&document);
    for generation in [2, 3] {
        let told = verb(&home, &["refresh"]).well();
        assert!(told.starts_with(&format!("dev: generation {generation}, ")), "{told}");
    }
    assert_ne!(client.key_id(), document["AccessKeyId"].as_str().unwrap());
    assert_eq!(sts.emulator.count("GetSessionToken"), 1);
    assert_eq!(sts.emulator.count("AssumeRole"), 3);
    assert_eq!(role()["needs"]["awaited"], false);
    assert!(role()["needs"]["ends"].is_string());
    assert!(verb(&home, &["status"]).well().contains("\nmfa until     "));
    keeps(&home, &mut daemon, &["314159"]);
    daemon.end("-TERM");
}

#[test]
fn a_wrong_code_is_told_in_the_words_of_sts_and_asked_for_again() {
    let sts = Sts::start(shows(&["111111", "222222"]));
    let home = mfa_home(&sts);
    let (mut daemon, client, _) = waiting(&home);
    let words = "MultiFactorAuthentication failed with invalid MFA one time pass code";
    let complaint = verb(&home, &["mfa", "999999"]).ill(75);
    assert!(complaint.contains(words) && complaint.contains("give the next code"), "{complaint}");
    verb(&home, &["mfa", "111111"]).well();
    let served = client.key_id();

    // Given too early, a code renews the session; a wrong one harms nothing.
    let complaint = verb(&home, &["mfa", "999998"]).ill(75);
    assert!(complaint.contains(words), "{complaint}");
    assert_eq!(verb(&home, &["status", "--json"]).json()["roles"][0]["state"], "fresh");
    let opened = sts.emulator.count("GetSessionToken");
    verb(&home, &["mfa", "222222"]).well();
    assert_eq!(sts.emulator.count("GetSessionToken"), opened + 1);
    assert_ne!(client.key_id(), served);
    keeps(&home, &mut daemon, &["999999", "111111", "999998", "222222"]);
    daemon.end("-TERM");
}

#[test]
fn a_code_is_sent_once_and_what_is_none_is_not_sent_at_all() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let (daemon, _, _) = waiting(&home);
    for code in ["12345", "1234567", "12345a", ""] {
        let complaint = verb(&home, &["mfa", code]).ill(64);
        assert!(complaint.starts_with("assumed: not an MFA code\nhint: "), "{complaint}");
    }
    verb(&home, &["mfa", "314159"]).well();
    let asked = sts.emulator.total();
    let complaint = verb(&home, &["mfa", "314159"]).ill(64);
    assert!(complaint.contains("sent already"), "{complaint}");
    assert_eq!(sts.emulator.total(), asked);
    let complaint = verb(&home, &["mfa", "271828", "--role", "prod"]).ill(64);
    assert!(complaint.contains("no role prod here"), "{complaint}");
    let complaint = verb(&home, &["saml", "/dev/null"]).ill(64);
    assert!(complaint.contains("dev never wants a SAML response"), "{complaint}");
    daemon.end("-TERM");
}

#[test]
fn a_code_may_come_by_a_pipe() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let (daemon, client, _) = waiting(&home);
    assert_eq!(piped(&home, &["mfa"], "314159\n").code, Some(0));
    client.key_id();
    daemon.end("-TERM");
}

fn piped(home: &Home, arguments: &[&str], text: &str) -> Done {
    let mut child = home.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn waiting_is_told_once_however_often_it_is_tried() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let (mut daemon, _, _) = waiting(&home);
    for _ in 0..5 {
        verb(&home, &["refresh"]).ill(75);
    }
    let log = daemon.log();
    assert_eq!(count(&log, "\"event\":\"waiting\""), 1, "{log}");
    daemon.end("-TERM");
}

#[test]
fn a_restart_forgets_the_session_and_asks_again() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let (daemon, _, _) = waiting(&home);
    verb(&home, &["mfa", "314159"]).well();
    daemon.end("-TERM");
    let (daemon, client, _) = waiting(&home);
    let complaint = verb(&home, &["mfa", "314159"]).ill(75);
    assert!(complaint.contains("STS does not accept the MFA code"), "{complaint}");
    verb(&home, &["mfa", "271828"]).well();
    client.key_id();
    daemon.end("-TERM");
}

#[test]
fn a_lock_keeps_the_session_unless_it_is_to_forget() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let (mut daemon, client, _) = waiting(&home);
    verb(&home, &["mfa", "314159"]).well();
    verb(&home, &["lock"]).well();
    verb(&home, &["mfa", "271828"]).ill(69);
    verb(&home, &["unlock"]).well();
    verb(&home, &["refresh"]).well();
    client.key_id();
    assert_eq!(sts.emulator.count("GetSessionToken"), 1);
    verb(&home, &["lock", "--forget"]).well();
    verb(&home, &["unlock"]).well();
    daemon.event("waiting");
    verb(&home, &["refresh"]).ill(75);
    daemon.end("-TERM");
}

#[test]
fn a_daemon_that_waits_for_a_human_is_ready_and_says_what_to_type() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let arguments = ["run", "--profile", "dev", "--listen", "127.0.0.1:0", "--daemon"];
    let ended = Ended::of(home.command(&arguments));
    assert_eq!(ended.code(), Some(75), "{}", ended.stderr);
    for words in ["is waited for; the daemon stays up (pid ", "\nhint: ", "assumed mfa"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    let told = verb(&home, &["mfa", "314159"]);
    let served = verb(&home, &["health"]);
    verb(&home, &["stop"]).well();
    told.well();
    served.well();
}

/// Settings with a command that keeps what it is told, for a home with a profile.
fn with_events(home: &Home, more: &str) -> std::path::PathBuf {
    let told = home.path().join("told");
    let script = format!("cat >> {0}; echo \"inside=$ASSUMED_INSIDE\" >> {0}", told.display());
    home.put(
        program::SETTINGS,
        &format!("[events]\ncommand = [\"sh\", \"-c\", '{script}']\n{more}"),
    );
    told
}

fn events(told: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(told).unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn a_command_is_told_once_that_somebody_is_needed() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let told = with_events(&home, "");
    let (mut daemon, client, _) = waiting(&home);
    wait_for(&told, "inside=1");
    verb(&home, &["refresh"]).ill(75);
    verb(&home, &["mfa", "314159"]).well();
    daemon.keeps_secret(&client.credentials().json());
    verb(&home, &["lock", "--forget"]).well();
    verb(&home, &["unlock"]).well();
    daemon.event("waiting");
    wait_for(&told, "inside=1\n{");
    let events = events(&told);
    assert_eq!(events.len(), 2, "{events:?}");
    let event = &events[0];
    for (member, value) in [
        ("event", "waiting"),
        ("role", "dev"),
        ("what", "mfa"),
        ("of", SERIAL),
        ("order", "assumed mfa"),
        ("message", &format!("an MFA code of {SERIAL} is waited for")),
    ] {
        assert_eq!(event[member], value, "{event}");
    }
    assert_eq!(event["until"], Value::Null, "nothing is served");
    assert!(!fs::read_to_string(&told).unwrap().contains("314159"));
    daemon.end("-TERM");
}

#[test]
fn the_end_of_a_session_is_told_once_before_it_comes() {
    // A session as short as this is told of half-way.
    let sts = Sts::start(sessions_of(6));
    let home = mfa_home(&sts);
    let told = with_events(&home, "lead = \"1m\"\n");
    let (mut daemon, _, _) = waiting(&home);
    verb(&home, &["mfa", "314159"]).well();
    let line = daemon.event("ending");
    assert!(line["hint"].as_str().unwrap().contains("assumed mfa"), "{line}");
    wait_for(&told, "\"event\":\"ending\"");
    daemon.event("waiting");
    assert_eq!(count(&daemon.log(), "\"event\":\"ending\""), 1);
    daemon.end("-TERM");
}

#[test]
fn a_command_that_fails_changes_nothing_and_the_desktop_is_told() {
    let sts = Sts::start(sessions_of(3600));
    let home = mfa_home(&sts);
    let told = home.path().join("told");
    home.put(program::SETTINGS, "[events]\ncommand = [\"/nonexistent\"]\n");
    let path = pretend(&home, "notify-send", &format!("echo \"$@\" >> {}", told.display()));
    let mut command = home.command(&RUN);
    command.env("PATH", path).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let mut daemon = Daemon::start(command);
    let client = Client::new(daemon.address());
    let line = daemon.event("events");
    assert!(
        line["error"].as_str().unwrap().starts_with("events.command cannot be started"),
        "{line}"
    );
    wait_for(&told, "assumed mfa");
    let shown = fs::read_to_string(&told).unwrap();
    assert!(
        shown.starts_with("--app-name=assumed -- assumed: dev needs you an MFA code of "),
        "{shown}"
    );
    verb(&home, &["mfa", "314159"]).well();
    client.key_id();
    daemon.end("-TERM");
}

/// A terminal of which the test is the human.
struct Terminal {
    human: fs::File,
    program: fs::File,
}

impl Terminal {
    fn new() -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let human = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&human).unwrap();
        unlockpt(&human).unwrap();
        let name = ptsname(&human, Vec::new()).unwrap().into_string().unwrap();
        let program = fs::File::options().read(true).write(true).open(name).unwrap();
        Self { human: human.into(), program }
    }

    /// The program on this terminal, as its foreground job.
    fn command(&self, home: &Home, arguments: &[&str]) -> Command {
        let own = home.command(arguments);
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(own.get_program()).args(own.get_args()).env_clear();
        for (name, value) in own.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.stdin(self.program.try_clone().unwrap());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Reads what is shown until these words are.
    fn shows(&mut self, words: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(words) {
            let mut part = [0; 256];
            let count = self.human.read(&mut part).unwrap();
            shown.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
        shown
    }

    fn echoes(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.program).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ISIG)
    }
}

#[test]
fn a_daemon_in_the_foreground_asks_on_its_terminal() {
    let sts = Sts::start(shows(&["314159"]));
    let home = mfa_home(&sts);
    let mut terminal = Terminal::new();
    let mut daemon = Daemon::start(terminal.command(&home, &RUN));
    let client = Client::new(daemon.address());
    let question = format!("MFA code of {SERIAL}: ");
    terminal.shows(&question);
    terminal.human.write_all(b"000000\r").unwrap();
    daemon.find("wrong code", |line| line["code"] == "AccessDenied");
    let mut shown = terminal.shows(&question);
    terminal.human.write_all(b"31415x\x7f9\r").unwrap();
    daemon.event("rotated");
    client.key_id();
    verb(&home, &["lock", "--forget"]).well();
    verb(&home, &["unlock"]).well();
    shown += &terminal.shows(&question);
    assert!(!shown.contains("31415"), "nothing is echoed: {shown}");
    assert!(!terminal.echoes());
    // Ctrl-C ends the daemon, as ever, and the terminal is as it was.
    terminal.human.write_all(b"\x03").unwrap();
    let ended = daemon.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(terminal.echoes());
    assert!(!ended.stderr.contains("314159") && !ended.stderr.contains("000000"));
}

#[test]
fn a_command_without_a_daemon_gets_its_code_from_the_terminal() {
    let sts = Sts::start(shows(&["314159"]));
    let home = mfa_home(&sts);
    let complaint = verb(&home, &["exec", "dev", "--", "/bin/true"]).ill(75);
    assert!(complaint.contains(&format!("no daemon runs, and an MFA code of {SERIAL}")));
    assert!(complaint.contains("\nhint: start one that waits for it: assumed run --daemon"));
    let mut terminal = Terminal::new();
    let arguments = ["exec", "dev", "--read-only", "--", "/bin/sh", "-c", "echo ran"];
    let command = terminal.command(&home, &arguments).spawn().unwrap();
    terminal.shows(": ");
    terminal.human.write_all(b"314159\r").unwrap();
    let ended = command.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "ran\n", "{ended:?}");
    assert!(ended.status.success());
}

#[test]
fn the_verb_asks_unseen_and_again_where_the_code_is_wrong() {
    let sts = Sts::start(shows(&["314159"]));
    let home = mfa_home(&sts);
    let (daemon, client, _) = waiting(&home);
    let mut terminal = Terminal::new();
    let mut verb = terminal.command(&home, &["mfa"]).spawn().unwrap();
    let mut shown = terminal.shows(": ");
    terminal.human.write_all(b"000000\r").unwrap();
    shown += &terminal.shows(": ");
    terminal.human.write_all(b"314159\r").unwrap();
    assert!(verb.wait().unwrap().success());
    assert!(terminal.echoes() && !shown.contains("0000"), "{shown}");
    client.key_id();
    daemon.end("-TERM");
}

/// What the identity provider of the tests posts.
fn response() -> String {
    let life = jiff::SignedDuration::from_mins(5);
    identity::response(SystemClock.now().wall, life, &format!("{ROLE},{PROVIDER}"))
}

#[test]
fn an_assertion_is_handed_in_used_and_forgotten() {
    let sts = Sts::start(sessions_of(3600));
    let config = format!(
        "[profile dev]\nrole_arn = {ROLE}\nprincipal_arn = {PROVIDER}\nregion = eu-central-1\n\
         endpoint_url = {}\n",
        sts.emulator.endpoint_url()
    );
    let home = Home::new().with_config(&config);
    let (mut daemon, client, line) = waiting(&home);
    assert_eq!(line["error"], "a SAML response is waited for");
    assert!(line["hint"].as_str().unwrap().contains("assumed saml"), "{line}");
    let complaint = piped(&home, &["saml"], "unheard-of-nonsense").ill(75);
    assert!(complaint.contains("what stands for the SAML response is none"), "{complaint}");
    assert_eq!(sts.emulator.total(), 0, "what cannot succeed is not sent");

    assert!(piped(&home, &["saml"], &response()).well().starts_with("dev: generation 1, "));
    let served = client.key_id();
    // It served one attempt, so the next one waits again, and what is valid stays.
    verb(&home, &["refresh"]).ill(75);
    assert_eq!(client.key_id(), served);
    home.put("response.xml", &response());
    let file = home.path().join("response.xml");
    verb(&home, &["saml", file.to_str().unwrap()]).well();
    assert_ne!(client.key_id(), served);
    keeps(&home, &mut daemon, &["unheard-of", "PHA6UmVz", "p:Response"]);
    daemon.end("-TERM");
}

/// A program of this name that writes down what it is told.
fn pretend(home: &Home, name: &str, script: &str) -> String {
    let folder = home.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", folder.display())
}

#[test]
fn a_login_is_that_of_the_profile_and_the_role_is_tried_after_it() {
    let home = Home::new().with_config(
        "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n\
         region = eu-central-1\n[sso-session corp]\nsso_start_url = https://corp.invalid/start\n\
         sso_region = eu-central-1\n",
    );
    let (daemon, _, line) = waiting(&home);
    assert!(line["hint"].as_str().unwrap().contains("aws sso login --profile dev"), "{line}");
    let told = home.path().join("told");
    let path = pretend(&home, "aws", &format!("echo \"$@\" >> {}", told.display()));
    let login = || Done::of(home.command(&["login"]).env("PATH", &path));
    // The login was none, so the outcome of the attempt is that of before.
    let complaint = login().ill(75);
    assert!(complaint.contains("no credentials from IAM Identity Center"), "{complaint}");
    assert_eq!(fs::read_to_string(&told).unwrap(), "sso login --profile dev\n");
    pretend(&home, "aws", "exit 3");
    let complaint = login().ill(75);
    assert!(complaint.contains("`aws sso login --profile dev` ended with "), "{complaint}");
    let complaint = Done::of(home.command(&["login"]).env("PATH", "/nonexistent")).ill(69);
    assert!(complaint.contains("the AWS CLI, version 2, has to be installed"), "{complaint}");
    daemon.end("-TERM");
}
