//! A life in the foreground: checked before, changed while it runs, ended when
//! STS says no.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use assumed::emulator::{Code, Fault, Role, Trust};
use common::client::{Client, Line, ROLE_LIST, send};
use common::program::{Daemon, Ended, Home, SETTINGS, wait_for};
use common::stand::{self, Sts, sessions_of};
use serde_json::Value;

const RUN: [&str; 5] = ["--log-format", "json", "run", "--profile", "dev"];
const CHECK: [&str; 3] = ["check", "--profile", "dev"];
const PLAIN: &str = "listen = [\"127.0.0.1:0\"]\n";
const TWO: &str = "listen = [\"127.0.0.1:0\", \"[::1]:0\"]\n";

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials).with_settings(PLAIN)
}

fn started(home: &Home) -> Daemon {
    Daemon::start(home.command(&RUN))
}

/// Has the daemon read its files again, and returns what it says of that.
fn reload(daemon: &mut Daemon) -> Value {
    daemon.signal("-HUP");
    daemon.event("reload")
}

fn changed(line: &Value) -> String {
    assert_eq!(line["level"], "INFO", "{line}");
    line["changed"].as_str().unwrap_or_default().to_owned()
}

// --- check ---

#[test]
fn a_check_says_what_would_be_served_and_does_nothing() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let ended = Ended::of(home.command(&CHECK));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let endpoint = sts.emulator.endpoint_url();
    for what in [
        "dev (deploy) of account 123456789012, in eu-central-1",
        "profile me (keys)",
        "arn:aws:iam::123456789012:role/team/deploy",
        &endpoint,
        "127.0.0.1:0 (imds)",
        "http_tokens required",
        "a new key for metadata tokens would be made",
        ".aws/config",
    ] {
        assert!(ended.stdout.contains(what), "no {what} in\n{}", ended.stdout);
    }
    assert_eq!(sts.emulator.total(), 0, "nobody is called");
    assert!(!home.path().join(".local").exists(), "nothing is written");
}

#[test]
fn a_check_can_be_read_by_programs() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut command = home.command(&CHECK);
    command.arg("--json").env("AWS_ACCESS_KEY_ID", "AKIA").env("AWS_SECRET_ACCESS_KEY", "x");
    let ended = Ended::of(command);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["valid"], true);
    let role = &told["served"]["roles"][0];
    assert_eq!(role["role_name"], "deploy");
    assert_eq!(role["chain"][0]["duration_seconds"], 3600);
    assert_eq!(told["served"]["listen"][0]["kind"], "imds");
    assert_eq!(told["served"]["token_key"], "new");
    assert_eq!(told["warnings"][0]["key"], "AWS_ACCESS_KEY_ID", "a rival is named");
}

#[test]
fn sts_is_named_as_the_sdk_finds_it() {
    let endpoint = |settings: &str| {
        let config = "[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/x\n\
                      credential_source = Environment\nregion = eu-west-1\n";
        let home = Home::new().with_config(&format!("{config}{settings}"));
        let mut command = home.command(&CHECK);
        command.args(["--json"]).env("AWS_ACCESS_KEY_ID", "A").env("AWS_SECRET_ACCESS_KEY", "x");
        let told: Value = serde_json::from_str(&Ended::of(command).stdout).unwrap();
        told["served"]["roles"][0]["sts"]["endpoint"].as_str().unwrap().to_owned()
    };
    assert_eq!(endpoint(""), "https://sts.eu-west-1.amazonaws.com");
    assert_eq!(endpoint("use_dualstack_endpoint = true\n"), "https://sts.eu-west-1.api.aws");
}

#[test]
fn a_check_names_every_mistake_and_ends_with_78() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    home.put(SETTINGS, "lisen = 1\nready_timeout = \"soon\"\n[imds]\nhttp_tokens = \"maybe\"\n");
    let ended = Ended::of(home.command(&CHECK));
    assert_eq!(ended.code(), Some(78));
    for line in ["config.toml:1:", "config.toml:2:", "config.toml:4:"] {
        assert!(ended.stderr.contains(line), "no {line} in\n{}", ended.stderr);
    }
    let mut command = home.command(&CHECK);
    command.arg("--json");
    let ended = Ended::of(command);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(78), ""));
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["valid"], told["mistakes"].as_array().unwrap().len()), (&false.into(), 3));
    assert_eq!(told["mistakes"][0]["line"], 1);
}

#[test]
fn a_check_looks_into_the_files_that_a_start_would_need() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    home.put("ca.pem", "no certificate\n");
    home.put(SETTINGS, "[sts]\nca_bundle = \"ca.pem\"\n");
    let checked = || {
        Ended::of({
            let mut command = home.command(&CHECK);
            command.current_dir(home.path());
            command
        })
    };
    let ended = checked();
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("ca.pem is of no use"), "{}", ended.stderr);
    home.put(SETTINGS, PLAIN);
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.state().join("token.key"), "short").unwrap();
    let ended = checked();
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("token.key"), "{}", ended.stderr);
}

// --- reload ---

#[test]
fn an_unchanged_role_keeps_its_credentials() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let key_id = client.key_id();
    assert_eq!(changed(&reload(&mut daemon)), "");
    home.put(SETTINGS, &format!("{PLAIN}[imds]\nhttp_tokens = \"optional\"\naccount_id = true\n"));
    assert_eq!(changed(&reload(&mut daemon)), "imds");
    assert_eq!(client.key_id(), key_id);
    assert_eq!(client.credentials().json()["AccountId"], "123456789012");
    let request = format!("GET {ROLE_LIST} HTTP/1.1\r\nHost: {}\r\n\r\n", client.address);
    assert_eq!(send(client.address, &request).status, 200, "without a token from now on");
    assert_eq!(sts.emulator.total(), 1);
}

#[test]
fn a_changed_role_is_assumed_anew_while_the_old_set_is_served() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let key_id = client.key_id();
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::ServiceUnavailable)));
    let (config, _) = stand::profile(&sts);
    home.put(".aws/config", &config.replace("role/team/deploy", "role/audit"));
    assert_eq!(changed(&reload(&mut daemon)), "role dev: assumed anew");
    daemon.event("failed");
    assert_eq!(client.get(ROLE_LIST).text(), "deploy");
    assert_eq!(client.key_id(), key_id, "the old set, until there is a new one");
    sts.emulator.script(|script| script.standing = None);
    daemon.signal("-USR1");
    daemon.event("rotated");
    assert_eq!(client.get(ROLE_LIST).text(), "audit");
    assert_ne!(client.key_id(), key_id);
    assert_eq!(client.get(&format!("{ROLE_LIST}deploy")).status, 404);
}

#[test]
fn a_successor_does_not_wait_for_a_set_that_never_came() {
    let sts = Sts::start(sessions_of(3600));
    let audit = "arn:aws:iam::123456789012:role/audit";
    sts.emulator.script(|script| {
        script.roles.known.insert(audit.to_owned(), Role::default());
        script.roles.others = Some(Role { trust: Trust::Nobody, ..Role::default() });
    });
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("failed");
    let (config, _) = stand::profile(&sts);
    home.put(".aws/config", &config.replace("role/team/deploy", "role/audit"));
    reload(&mut daemon);
    daemon.event("rotated");
    assert_eq!(client.get(ROLE_LIST).text(), "audit");
    assert_eq!(client.credentials().json()["Code"], "Success");
}

#[test]
fn listeners_come_and_go_and_a_connection_in_use_stays() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let mut line = Line::open(&client);
    assert_eq!(line.get(ROLE_LIST).unwrap().text(), "deploy");

    home.put(SETTINGS, TWO);
    daemon.signal("-HUP");
    let second = Client { address: daemon.address(), ..client.clone() };
    assert_eq!(changed(&daemon.event("reload")), "listening on [::1]:0");
    assert!(second.address.is_ipv6());
    assert_eq!(second.get(ROLE_LIST).status, 200);
    assert_eq!(line.get(ROLE_LIST).unwrap().status, 200, "the same connection");

    home.put(SETTINGS, PLAIN);
    assert_eq!(changed(&reload(&mut daemon)), "no longer listening on [::1]:0");
    assert_eq!(line.get(ROLE_LIST).unwrap().status, 200, "still the same connection");
    let closed = (0..1000).any(|_| TcpStream::connect(second.address).is_err());
    assert!(closed, "a removed listener accepts nobody");
    assert_eq!(client.get(ROLE_LIST).status, 200);
}

#[test]
fn a_listener_for_other_peers_keeps_its_socket() {
    let sts = Sts::start(sessions_of(3600));
    // Free a moment ago; port 0 would be another one after the change.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = |more: &str| format!("listen = [{{ address = \"127.0.0.1:{port}\"{more} }}]\n");
    let home = home(&sts).with_settings(&listen(""));
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    home.put(SETTINGS, &listen(", allow_from = [\"192.0.2.0/24\"]"));
    let line = reload(&mut daemon);
    assert_eq!(changed(&line), format!("other terms on 127.0.0.1:{port}"));
    assert_eq!(client.get(ROLE_LIST).status, 200);
    home.put(SETTINGS, PLAIN);
    let gone = format!("no longer listening on 127.0.0.1:{port}");
    assert!(changed(&reload(&mut daemon)).contains(&gone));
}

#[test]
fn a_request_in_hand_on_a_removed_listener_is_answered() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.standing = Some(Fault::Hang));
    let home = home(&sts).with_settings(TWO);
    let mut daemon = started(&home);
    daemon.address();
    let second = Client::new(daemon.address());
    let mut line = Line::open(&second);
    sts.reached(1);
    // Waits for the attempt that hangs, as long as clients are made to wait.
    let asked = thread::spawn(move || line.get(&format!("{ROLE_LIST}deploy")));
    home.put(SETTINGS, PLAIN);
    reload(&mut daemon);
    let answer = asked.join().unwrap();
    // Removed before or after the request was read: answered, or never taken in hand.
    assert!(answer.is_none_or(|answer| answer.status == 500));
}

#[test]
fn a_bad_file_changes_nothing_and_every_mistake_is_told() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let key_id = client.key_id();
    home.put(SETTINGS, "listen = [\"[::1]:0\"]\nlisen = 1\n[imds]\nhttp_tokens = \"maybe\"\n");
    for place in ["config.toml:2:", "config.toml:4:"] {
        let line = if place.contains(":2:") { reload(&mut daemon) } else { daemon.event("reload") };
        assert_eq!(line["level"], "ERROR", "{line}");
        assert!(line["error"].as_str().unwrap().contains(place), "{line}");
    }
    assert_eq!(client.key_id(), key_id);
    home.put(SETTINGS, PLAIN);
    assert_eq!(changed(&reload(&mut daemon)), "", "as if it had never been");
}

#[test]
fn what_a_reload_cannot_change_is_told_with_all_the_rest() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = format!("listen = [\"127.0.0.1:0\", \"[::1]:0\", \"127.0.0.1:{port}\"]");
    let file = "state_dir = \"elsewhere\"\n[log]\nfile = \"/gone/assumed.log\"\n";
    home.put(SETTINGS, &format!("{listen}\n{file}"));
    let told: Vec<Value> =
        [reload(&mut daemon), daemon.event("reload"), daemon.event("reload")].into();
    let told_of =
        |word: &str| told.iter().find(|line| line["error"].as_str().unwrap().contains(word));
    assert_eq!(told_of("state_dir").unwrap()["hint"], "this needs a restart");
    assert!(told_of(&format!("127.0.0.1:{port}")).is_some(), "{told:?}");
    assert!(told_of("/gone/assumed.log").is_some(), "{told:?}");
    assert!(!daemon.log().contains("[::1]"), "nothing was applied");
    assert_eq!(client.get(ROLE_LIST).status, 200);
}

#[test]
fn the_log_changes_its_level_its_form_and_its_file() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    // Flags would beat the file, so the form is set there.
    let log = |rest: &str| format!("{PLAIN}[log]\nformat = \"json\"\n{rest}");
    home.put(SETTINGS, &log(""));
    let mut daemon = Daemon::start(home.command(&["run", "--profile", "dev"]));
    daemon.event("rotated");
    home.put(SETTINGS, &log("level = \"debug\"\n"));
    assert_eq!(changed(&reload(&mut daemon)), "log");
    daemon.signal("-USR1");
    assert_eq!(daemon.event("attempt")["level"], "DEBUG");
    // In a directory of the daemon's own: its sandbox is closed.
    let file = home.state().join("own.log");
    home.put(SETTINGS, &format!("{PLAIN}[log]\nfile = \"{}\"\n", file.display()));
    daemon.signal("-HUP");
    wait_for(&file, "changed=\"log\"");
    let ended = daemon.end("-TERM");
    assert!(!ended.stderr.contains("stopped"), "{}", ended.stderr);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("event=\"stopped\"") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_named_file_takes_the_log_and_the_pid_file_goes_with_the_daemon() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut command = home.command(&RUN);
    command.args(["--log-file", "a.log", "--pid-file", "a.pid"]).current_dir(home.path());
    let daemon = Daemon::start(command);
    let (log, pid) = (home.path().join("a.log"), home.path().join("a.pid"));
    wait_for(&log, "rotated");
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", daemon.pid()));
    let ended = daemon.end("-TERM");
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    assert!(!pid.exists());
}

// --- refusals ---

#[test]
fn a_refusal_ends_nothing_while_something_valid_is_served() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut command = home.command(&RUN);
    command.args(["--exit-on-refusal", "--pid-file", "a.pid"]).current_dir(home.path());
    let mut daemon = Daemon::start(command);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let nobody = Role { trust: Trust::Nobody, ..Role::default() };
    sts.emulator.script(|script| script.roles.others = Some(nobody));
    daemon.signal("-USR1");
    daemon.event("failed");
    assert_eq!(client.credentials().json()["Code"], "Success");
    daemon.end("-TERM");
}

#[test]
fn the_pid_file_goes_after_a_refusal_too() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.roles.others = None);
    let home = home(&sts);
    let mut command = home.command(&RUN);
    command.args(["--exit-on-refusal", "--pid-file", "a.pid"]).current_dir(home.path());
    let ended = Ended::of(command);
    assert_eq!(ended.code(), Some(77), "{}", ended.stderr);
    assert!(!home.path().join("a.pid").exists());
}

// --- under load ---

/// Clients that ask without a pause, on connections old and new, until told to stop.
struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    fn begin(client: &Client) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let path = format!("{ROLE_LIST}deploy");
        let spawn = |kept: bool| {
            let (over, client, path) = (Arc::clone(&over), client.clone(), path.clone());
            thread::spawn(move || {
                let (mut line, mut asked) = (Line::open(&client), 0);
                while !over.load(Ordering::Relaxed) {
                    let answer =
                        if kept { line.get(&path).expect("kept open") } else { client.get(&path) };
                    assert_eq!(answer.status, 200, "{}", answer.head);
                    asked += 1;
                }
                asked
            })
        };
        let clients = [true, false].map(spawn).into();
        Self { over, clients }
    }

    /// How many requests were answered; none was lost.
    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).sum()
    }
}

/// Reloads with something else changed each time, paced by `pause`.
fn reload_under_load(times: usize, pause: impl Fn()) {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let load = Load::begin(&client);
    let (config, _) = stand::profile(&sts);
    for turn in 0..times {
        let tokens = ["required", "optional"][turn % 2];
        let listen = [PLAIN, TWO][turn / 2 % 2];
        home.put(SETTINGS, &format!("{listen}[imds]\nhttp_tokens = \"{tokens}\"\n"));
        // The name of its session makes it another role, under the same name.
        let session = format!("role_session_name = turn-{}\n", turn / 5);
        home.put(".aws/config", &config.replace("region", &format!("{session}region")));
        changed(&reload(&mut daemon));
        pause();
    }
    let asked = load.end();
    assert!(asked > 100, "{asked} requests are no load");
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn reloads_under_load_lose_no_request() {
    reload_under_load(30, || ());
}

#[test]
#[ignore = "takes a minute; the one before it is the same in short"]
#[allow(clippy::disallowed_methods)]
fn a_minute_of_reloads_under_load_loses_no_request() {
    reload_under_load(600, || thread::sleep(std::time::Duration::from_millis(90)));
}
