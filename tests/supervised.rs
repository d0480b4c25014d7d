//! The program under a service manager: what it is told, what it takes over.
//!
//! Plays systemd with a datagram socket and inherited descriptors; a booted
//! systemd is `tests/beds/systemd`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use assumed::emulator::{Role, Trust};
use common::client::Client;
use common::program::{Daemon, Ended, Home};
use common::stand::{self, Sts, sessions_of};
use common::{PATIENCE, control};

const RUN: [&str; 5] = ["--log-format", "json", "run", "--profile", "dev"];

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

/// On a port of its own.
fn run(home: &Home) -> Command {
    let mut command = home.command(&RUN);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

/// The service manager's ear.
struct Ear(UnixDatagram, PathBuf);

impl Ear {
    fn new(home: &Home) -> Self {
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket, path)
    }

    fn hears(&self, command: &mut Command) {
        command.env("NOTIFY_SOCKET", &self.1);
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Everything up to the first message that begins so.
    fn until(&self, start: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.next());
            if heard.last().unwrap().starts_with(start) {
                return heard;
            }
        }
    }
}

#[test]
fn a_life_is_told_to_the_service_manager() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let ear = Ear::new(&home);
    let mut command = run(&home);
    ear.hears(&mut command);
    let mut daemon = Daemon::start(command);
    let start = ear.until("READY=1");
    assert_eq!(start[0], "STATUS=dev: no credentials yet");
    let expires = daemon.event("rotated")["expires"].as_str().unwrap().replace('T', " ");
    let held = format!("STATUS=dev: credentials until {expires}");
    assert_eq!(start[start.len() - 2], held, "READY comes with the credentials, not before");

    daemon.signal("-HUP");
    let begun = ear.until("RELOADING=1");
    let usec = begun.last().unwrap().strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(usec.parse::<u64>().is_ok());
    ear.until("READY=1");

    let ended = daemon.end("-TERM");
    assert_eq!(ended.code(), Some(0));
    ear.until("STOPPING=1");
}

#[test]
fn a_start_that_fails_says_why_and_was_never_ready() {
    let sts = Sts::start(sessions_of(3600));
    let refused = Role { trust: Trust::Nobody, ..Role::default() };
    sts.emulator.script(|script| script.roles.others = Some(refused));
    let home = home(&sts);
    let ear = Ear::new(&home);
    let mut command = run(&home);
    command.arg("--exit-on-refusal");
    ear.hears(&mut command);
    assert_eq!(Ended::of(command).code(), Some(77));
    let mut heard = ear.until("STOPPING=1");
    heard.push(ear.next());
    assert!(!heard.iter().any(|told| told.contains("READY=1")), "{heard:?}");
    let last = heard.last().unwrap();
    assert!(last.starts_with("STATUS=") && last.contains("AccessDenied"), "{last}");
}

#[test]
fn the_start_is_given_up_when_nothing_comes_in_time() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts).with_settings("ready_timeout = \"1s\"\n");
    drop(sts);
    let ear = Ear::new(&home);
    let mut command = run(&home);
    ear.hears(&mut command);
    let ended = Ended::of(command);
    assert_eq!(ended.code(), Some(69), "{}", ended.stderr);
    let heard = ear.until("STOPPING=1");
    assert!(!heard.contains(&"READY=1".to_owned()), "{heard:?}");
}

#[test]
fn the_watchdog_is_fed_while_both_loops_turn() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let ear = Ear::new(&home);
    let mut command = run(&home);
    ear.hears(&mut command);
    command.env("WATCHDOG_USEC", "100000");
    let daemon = Daemon::start(command);
    for _ in 0..3 {
        ear.until("WATCHDOG=1");
    }
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

/// The program with this socket as its descriptor 3, under this name.
fn with_socket(command: &Command, socket: TcpListener, name: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", name)
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

#[test]
fn a_socket_that_was_passed_replaces_the_listener_and_outlives_the_daemon() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts).with_settings("listen = [\"192.0.2.1:80\"]\n");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let passed = || with_socket(&home.command(&RUN), socket.try_clone().unwrap(), "imds");
    let mut daemon = Daemon::start(passed());
    assert_eq!(daemon.address(), address);
    daemon.event("rotated");
    let client = Client::new(address);
    let first = client.key_id();
    daemon.signal("-HUP");
    assert_eq!(daemon.event("reload")["message"], "settings read again; nothing changed");
    assert_eq!(client.key_id(), first);
    assert_eq!(daemon.end("-TERM").code(), Some(0));

    // Nobody is turned away in between: this client waits in the socket's queue.
    let waiting = std::thread::spawn(move || Client::new(address).key_id());
    let mut daemon = Daemon::start(passed());
    assert_eq!(daemon.address(), address);
    assert!(!waiting.join().unwrap().is_empty());
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn whoever_has_connected_is_answered_before_the_end() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = Daemon::start(run(&home));
    let address = daemon.address();
    daemon.event("rotated");
    let connections: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Accepted in turn: when this one was answered, so were those.
    Client::new(address);
    daemon.signal("-TERM");
    for mut connection in connections {
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:?}");
    }
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_socket_of_a_name_that_says_nothing_ends_the_start() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = Ended::of(with_socket(&home.command(&RUN), socket, "assumed.socket"));
    assert_eq!(ended.code(), Some(78));
    assert!(ended.stderr.contains("a socket named \"assumed.socket\""), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: FileDescriptorName="), "{}", ended.stderr);
}

#[test]
fn a_base_behind_a_socket_that_was_passed_would_be_this_daemon_itself() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nregion = eu-west-1\n\
         credential_source = Ec2InstanceMetadata\ncredential_source_endpoint = http://{}\n",
        socket.local_addr().unwrap()
    );
    let home = Home::new().with_config(&config).with_settings("listen = [\"127.0.0.1:0\"]\n");
    let ended = Ended::of(with_socket(&home.command(&RUN), socket, "imds"));
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("credential_source_endpoint: role dev"), "{}", ended.stderr);
}

#[test]
fn what_was_kept_by_somebody_else_is_refused_and_the_start_goes_on() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts).with_settings("listen = [\"127.0.0.1:0\"]\n");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let ear = Ear::new(&home);
    let mut command = home.command(&RUN);
    ear.hears(command.env("FDSTORE", "1"));
    let mut daemon = Daemon::start(with_socket(&command, socket, "mfa-sessions"));
    assert_eq!(daemon.event("restored")["error"], "it is no sealed memory");
    daemon.event("rotated");
    ear.until("FDSTOREREMOVE=1\nFDNAME=mfa-sessions");
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn systemd_passes_both_kinds_of_sockets() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        eprintln!("SKIPPED: systemd-socket-activate is not here");
        return;
    }
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let path = home.path().join("orders.sock");
    let own = home.command(&RUN);
    // It refuses port 0. On an address that nobody else uses, what was free stays free.
    let free = TcpListener::bind("127.77.3.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &free, "-l"]).arg(&path).arg("--fdname=imds:control");
    let variables = own.get_envs().filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in variables {
        command.arg("-E").arg(format!("{}={}", name.display(), value.display()));
    }
    command.arg(own.get_program()).args(own.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut daemon = Daemon::start(command);
    daemon.find("line of systemd's", |line| {
        line.as_str().is_some_and(|line| line.contains("orders.sock"))
    });
    // The first connection starts the daemon, and is the first that it serves.
    drop(UnixStream::connect(&path).unwrap());
    let address = daemon.address();
    assert_eq!(address.to_string(), free);
    daemon.event("rotated");
    assert!(!Client::new(address).key_id().is_empty());
    let status = control::ask(&path, "GET", "/v1/status", "").json();
    assert_eq!(status["control"], path.to_str().unwrap());
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    assert!(path.exists(), "its file is the service manager's to remove");
}

#[test]
fn keys_may_be_handed_over_in_the_credentials_directory() {
    let sts = Sts::start(sessions_of(3600));
    let (config, credentials) = stand::profile(&sts);
    let home = Home::new().with_config(&config);
    home.put("creds/aws-credentials", &credentials);
    home.put("creds/token-key", "0123456789abcdef0123456789abcdef");
    let started = |state: &str| {
        let mut command = run(&home);
        command.env("CREDENTIALS_DIRECTORY", home.path().join("creds"));
        command.arg("--state-dir").arg(home.path().join(state));
        Daemon::start(command)
    };
    let mut daemon = started("one");
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    assert!(!client.key_id().is_empty());
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    assert!(!home.path().join("one/token.key").exists());

    let mut daemon = started("two");
    let client = Client { address: daemon.address(), ..client };
    daemon.event("rotated");
    assert!(!client.key_id().is_empty(), "the metadata token outlives even the state directory");
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}
