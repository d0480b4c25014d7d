//! The control socket of the whole program: who may, what it says, and that
//! nobody can keep others from it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use assumed::emulator::{Code, Fault};
use common::client::{self, Client, ROLE_LIST};
use common::control::{self, Done, ask};
use common::program::{Daemon, Ended, Home};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("assumed/control.sock")
}

/// A daemon that serves, and where.
fn serving(home: &Home) -> (Daemon, std::net::SocketAddr) {
    let mut daemon = Daemon::start(home.command(&RUN));
    let address = daemon.address();
    daemon.event("rotated");
    (daemon, address)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_the_daemon() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let socket = socket(&home);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    let link = home.state().join("control.sock");
    assert_eq!(fs::read_link(&link).unwrap(), socket);
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    assert!(!socket.exists() && fs::symlink_metadata(&link).is_err());
}

#[test]
fn what_a_killed_daemon_left_is_replaced() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    daemon.end("-KILL");
    assert!(socket(&home).exists());
    let (daemon, _) = serving(&home);
    assert_eq!(ask(&socket(&home), "GET", "/v1/status", "").status, 200);
    daemon.end("-TERM");
}

#[test]
fn a_live_socket_is_left_to_its_daemon() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (first, _) = serving(&home);
    let other = home.path().join("other");
    let other = other.to_str().unwrap();
    let path = socket(&home);
    let path = path.to_str().unwrap();
    let named = [&RUN[..], &["--state-dir", other, "--control", path]].concat();
    let refused = Ended::of(home.command(&named));
    assert_eq!(refused.code(), Some(69));
    assert!(refused.stderr.contains("another daemon listens on"), "{}", refused.stderr);

    // Where no place was named, another one will do.
    let mut unnamed = home.command(&[&RUN[..], &["--state-dir", other]].concat());
    unnamed.env_remove("ASSUMED_CONTROL");
    let mut second = Daemon::start(unnamed);
    second.event("rotated");
    let pid = |socket: &Path| ask(socket, "GET", "/v1/status", "").json()["pid"].as_u64();
    assert_eq!(pid(&socket(&home)), Some(first.pid().into()));
    // In the state directory itself, or by the link there, as far as this user may go.
    assert_eq!(pid(&Path::new(other).join("control.sock")), Some(second.pid().into()));
    second.end("-TERM");
    first.end("-TERM");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[test]
fn a_file_in_the_way_is_not_removed() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let precious = home.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    let named = [&RUN[..], &["--control", precious.to_str().unwrap()]].concat();
    assert_eq!(Ended::of(home.command(&named)).code(), Some(78));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
}

#[test]
fn errors_have_a_code_a_message_and_a_hint() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    for (method, path, body, status, code) in [
        ("GET", "/v1/nothing", "", 404, "not-found"),
        ("DELETE", "/v1/status", "", 405, "method-not-allowed"),
        ("POST", "/v1/refresh", "{\"role\":\"nobody\"}", 404, "no-such-name"),
        ("GET", "/v1/health?role=nobody", "", 404, "no-such-name"),
        ("POST", "/v1/lock", "{\"for\":\"ever\"}", 400, "bad-request"),
    ] {
        let told = ask(&socket(&home), method, path, body);
        assert_eq!(told.status, status, "{method} {path}: {told:?}");
        assert_eq!(told.json()["code"], code);
        assert!(!told.json()["message"].as_str().unwrap().is_empty());
        assert!(told.json().as_object().unwrap().contains_key("hint"), "{told:?}");
    }
    let large = format!("{{\"role\":\"{}\"}}", "x".repeat(70_000));
    let told = ask(&socket(&home), "POST", "/v1/refresh", &large);
    assert_eq!((told.status, &told.json()["code"]), (400, &"bad-request".into()));
    daemon.end("-TERM");
}

#[test]
fn the_silent_and_the_slow_delay_nobody() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let socket = socket(&home);
    let mut crowd: Vec<UnixStream> = Vec::new();
    for number in 0..300 {
        let mut one = UnixStream::connect(&socket).unwrap();
        let begun = ["", "GET /v1/sta", "POST /v1/refresh HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"];
        // Those that made room for others cannot be written to.
        let _ = one.write_all(begun[number % 3].as_bytes());
        crowd.push(one);
        if number % 50 == 49 {
            assert_eq!(ask(&socket, "GET", "/v1/status", "").status, 200);
        }
    }
    assert_eq!(Client::new(address).credentials().status, 200);
    assert_eq!(ask(&socket, "POST", "/v1/refresh", "").status, 200);
    daemon.end("-TERM");
}

#[test]
fn no_listener_on_tcp_takes_an_order() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let client = Client::new(address);
    let before = client.key_id();
    for path in ["/v1/lock", "/v1/stop", "/v1/refresh", "/v1/reload", "/v1/credentials"] {
        for method in ["POST", "PUT", "GET", "DELETE"] {
            let answer = client::send(
                address,
                &format!(
                    "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\n\
                     X-aws-ec2-metadata-token: {}\r\n\r\n{{}}",
                    client.token
                ),
            );
            assert!(answer.status >= 400, "{method} {path}: {}", answer.head);
        }
    }
    assert_eq!(client.key_id(), before, "neither ended nor locked nor rotated");
    daemon.end("-TERM");
}

/// Needs another user's rights, so root's.
#[test]
fn another_user_is_refused_by_the_peers_uid() {
    if !is_root() {
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = open.path().join("control.sock");
    let config = home.path().join("config.toml");
    let settings = |uids: &str| {
        let path = path.display();
        fs::write(
            &config,
            format!("[control]\npath = \"{path}\"\ngroup = \"65534\"\nuids = {uids}\n"),
        )
        .unwrap();
        let mut command =
            home.command(&[&RUN[..], &["--config", config.to_str().unwrap()]].concat());
        command.env_remove("ASSUMED_CONTROL");
        command
    };
    let as_nobody = || {
        let mut command = Command::new("/bin/sh");
        let program = env!("CARGO_BIN_EXE_assumed");
        command.uid(65534).gid(65534).env_clear().current_dir("/");
        command.args(["-c", "exec \"$0\" --control \"$1\" status --short", program]).arg(&path);
        Done::of(&mut command)
    };

    let mut daemon = Daemon::start(settings("[1]"));
    daemon.event("rotated");
    assert_eq!(mode(&path), 0o660);
    let refused = as_nobody();
    if refused.code == Some(126) {
        return; // The program lies where nobody may go.
    }
    let complaint = refused.ill(77);
    assert!(complaint.contains("this user may not steer the daemon"), "{complaint}");
    daemon.find("refusal", |line| line["uid"] == 65534);
    daemon.end("-TERM");

    let mut daemon = Daemon::start(settings("[65534]"));
    daemon.event("rotated");
    assert!(as_nobody().well().starts_with("dev "));
    daemon.end("-TERM");
}

/// One of many who ask without end, each request on a connection of its own.
struct Asker {
    address: std::net::SocketAddr,
    request: String,
    served: AtomicU64,
    refused: AtomicU64,
    over: AtomicBool,
    locked: AtomicBool,
}

impl Asker {
    fn new(address: std::net::SocketAddr, request: String) -> Arc<Self> {
        let (served, refused) = (AtomicU64::default(), AtomicU64::default());
        let (over, locked) = (AtomicBool::default(), AtomicBool::default());
        Arc::new(Self { address, request, served, refused, over, locked })
    }

    /// Asks for the role's credentials on the metadata endpoint.
    fn imds(address: std::net::SocketAddr) -> Arc<Self> {
        let client = Client::new(address);
        let request = format!(
            "GET {ROLE_LIST}deploy HTTP/1.1\r\nHost: {address}\r\n\
             X-aws-ec2-metadata-token: {}\r\n\r\n",
            client.token
        );
        Self::new(address, request)
    }

    /// Asks as a consumer that is made so.
    fn consumer(socket: &Path, wanted: &str) -> Arc<Self> {
        let minted = ask(socket, "POST", "/v1/tokens", wanted).json();
        let uri = minted["uri"].as_str().unwrap();
        let address: std::net::SocketAddr =
            uri["http://".len()..].split('/').next().unwrap().parse().unwrap();
        let request = format!(
            "GET /v1/credentials/dev HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: {}\r\n\r\n",
            minted["secret"].as_str().unwrap()
        );
        Self::new(address, request)
    }

    fn ask(&self) {
        while !self.over.load(Ordering::SeqCst) {
            let was_locked = self.locked.load(Ordering::SeqCst);
            let answer = client::send(self.address, &self.request);
            if was_locked {
                assert_eq!(answer.status, 403, "{}", answer.head);
                assert!(!answer.text().contains("AccessKeyId"));
                self.refused.fetch_add(1, Ordering::SeqCst);
            } else if answer.status == 200 {
                self.served.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

#[test]
fn after_a_lock_no_answer_holds_a_key_under_load_and_over_a_restart() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (mut daemon, address) = serving(&home);
    let narrowed = "{\"process\":true,\"narrowing\":{\"read_only\":true}}";
    let askers = [
        Asker::imds(address),
        Asker::imds(address),
        Asker::consumer(&socket(&home), "{\"name\":\"ci\"}"),
        Asker::consumer(&socket(&home), narrowed),
    ];
    let crowd: Vec<_> = askers
        .iter()
        .map(|asker| {
            let asker = Arc::clone(asker);
            std::thread::spawn(move || asker.ask())
        })
        .collect();
    let all = |count: fn(&Asker) -> &AtomicU64| {
        askers.iter().all(|asker| count(asker).load(Ordering::SeqCst) > 10)
    };
    // An attempt is on its way while the lock falls.
    while !all(|asker| &asker.served) {
        assert_eq!(ask(&socket(&home), "POST", "/v1/refresh", "").status, 200);
    }
    daemon.signal("-USR1");
    assert_eq!(ask(&socket(&home), "POST", "/v1/lock", "").status, 200);
    for asker in &askers {
        asker.locked.store(true, Ordering::SeqCst);
    }
    for path in ["/v1/refresh", "/v1/credentials"] {
        let told = ask(&socket(&home), "POST", path, "");
        assert_eq!((told.status, &told.json()["code"]), (423, &"locked".into()));
    }
    while !all(|asker| &asker.refused) {
        assert_eq!(ask(&socket(&home), "GET", "/v1/health", "").status, 423);
        assert!(!crowd.iter().any(std::thread::JoinHandle::is_finished), "one was served");
    }
    // What was on its way to STS has been seen there by now.
    let asked = sts.emulator.asked().len();
    for _ in 0..50 {
        assert_eq!(ask(&socket(&home), "POST", "/v1/refresh", "").status, 423);
    }
    for asker in &askers {
        asker.over.store(true, Ordering::SeqCst);
    }
    for one in crowd {
        one.join().unwrap();
    }
    assert_eq!(sts.emulator.asked().len(), asked, "nobody asks STS while locked");
    daemon.event("locked");
    daemon.end("-TERM");

    let mut daemon = Daemon::start(home.command(&RUN));
    let address = daemon.address();
    daemon.event("locked");
    let put = format!(
        "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\n\
         X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n"
    );
    assert_eq!(client::send(address, &put).status, 403);
    assert_eq!(ask(&socket(&home), "POST", "/v1/unlock", "").status, 200);
    daemon.event("rotated");
    assert_eq!(Client::new(address).credentials().status, 200);
    // Once for the role, and once for the session that is this process's own.
    sts.reached(u64::try_from(asked).unwrap() + 2);
    assert_eq!(sts.emulator.asked().len(), asked + 2);
    daemon.end("-TERM");
}

#[test]
fn the_status_holds_no_key_and_the_metrics_no_account() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let document = Client::new(address).credentials().json();
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::ServiceUnavailable)));
    let failed = ask(&socket(&home), "POST", "/v1/refresh", "");
    assert_eq!(failed.status, 503, "{failed:?}");
    let told = ["/v1/status", "/v1/roles", "/v1/health", "/v1/metrics"]
        .map(|path| ask(&socket(&home), "GET", path, "").body);
    for body in &told {
        for part in ["AccessKeyId", "SecretAccessKey", "Token"] {
            assert!(!body.contains(document[part].as_str().unwrap()), "{part}: {body}");
        }
    }
    assert!(!told[3].contains("123456789012"), "{}", told[3]);
    assert!(told[3].contains("assumed_failed_attempts_total{role=\"dev\",code="), "{}", told[3]);
    daemon.end("-TERM");
}

#[test]
fn whoever_asks_is_seen_by_the_first_word_of_its_name() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let get = format!(
        "GET /latest/meta-data/ HTTP/1.1\r\nHost: {address}\r\n\
         User-Agent: Boto3/1.34.0 md/Botocore#1.34.0\r\n\r\n"
    );
    client::send(address, &get);
    client::send(address, &get);
    let status = ask(&socket(&home), "GET", "/v1/status", "").json();
    let clients = &status["clients"][0];
    assert_eq!((&clients["user_agent"], &clients["requests"]), (&"Boto3/1.34.0".into(), &2.into()));
    daemon.end("-TERM");
}

#[test]
fn a_socket_of_somebody_else_is_not_taken_for_stale() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let path = home.path().join("theirs.sock");
    let _theirs = UnixListener::bind(&path).unwrap();
    let named = [&RUN[..], &["--control", path.to_str().unwrap()]].concat();
    assert_eq!(Ended::of(home.command(&named)).code(), Some(69));
    UnixStream::connect(&path).unwrap();
}

/// Reads events until one holds.
fn event(lines: &mut impl Iterator<Item = String>, name: &str) -> serde_json::Value {
    for line in lines {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{line}");
        if event["event"] == name {
            return event;
        }
    }
    panic!("no event {name}");
}

#[test]
fn events_are_told_as_they_happen_and_hold_no_secret() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let socket = socket(&home);
    let document = Client::new(address).credentials().json();
    let mut lines = control::events(&socket);
    let first = event(&mut lines, "rotated");
    assert_eq!((&first["role"], &first["generation"]), (&"dev".into(), &1.into()), "of the past");
    assert_eq!(first["expires"], document["Expiration"]);
    assert_eq!(first.as_object().unwrap().len(), 5, "{first}");

    ask(&socket, "POST", "/v1/refresh", "");
    assert_eq!(event(&mut lines, "rotated")["generation"], 2);
    let minted = ask(&socket, "POST", "/v1/tokens", "{\"name\":\"ci\"}").json();
    let told = event(&mut lines, "minted");
    assert_eq!((&told["consumer"], &told["role"]), (&"ci".into(), &"dev".into()));
    ask(&socket, "DELETE", "/v1/tokens/ci", "");
    assert_eq!(event(&mut lines, "revoked")["consumer"], "ci");
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::ServiceUnavailable)));
    ask(&socket, "POST", "/v1/refresh", "");
    let failed = event(&mut lines, "failed");
    assert!(failed["code"].is_string() && failed["message"].is_string(), "{failed}");
    ask(&socket, "POST", "/v1/reload", "");
    assert_eq!(event(&mut lines, "reloaded")["changed"], serde_json::json!([]));
    ask(&socket, "POST", "/v1/lock", "");
    event(&mut lines, "locked");
    ask(&socket, "POST", "/v1/unlock", "");
    event(&mut lines, "unlocked");

    let past: Vec<String> = control::events(&socket).take(9).collect();
    let all = past.concat();
    for secret in [
        &document["SecretAccessKey"],
        &document["Token"],
        &document["AccessKeyId"],
        &minted["secret"],
    ] {
        assert!(!all.contains(secret.as_str().unwrap()), "{all}");
    }
    daemon.end("-TERM");
    event(&mut lines, "stopping");
    assert_eq!(lines.next(), None, "and the stream has ended");
}

#[test]
fn readers_of_events_that_do_not_read_delay_nobody() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let socket = socket(&home);
    let asleep: Vec<UnixStream> = (0..100)
        .map(|_| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            let _ = stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: control\r\n\r\n");
            stream
        })
        .collect();
    for number in 0..50 {
        let name = format!("{{\"name\":\"c{number}\"}}");
        assert_eq!(ask(&socket, "POST", "/v1/tokens", &name).status, 200);
    }
    let last = control::events(&socket).take(50).last().unwrap();
    assert!(last.contains("c4"), "{last}");
    drop(asleep);
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn the_active_role_may_be_named_and_no_other() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let told = ask(&socket(&home), "PUT", "/v1/active", "{\"role\":\"dev\"}");
    assert_eq!((told.status, told.body.as_str()), (200, "{\"active\":\"dev\"}\n"));
    let told = ask(&socket(&home), "PUT", "/v1/active", "{\"role\":\"prod\"}");
    assert_eq!((told.status, &told.json()["code"]), (404, &"no-such-name".into()));
    assert_eq!(ask(&socket(&home), "PUT", "/v1/active", "{}").status, 400);
    daemon.end("-TERM");
}
