//! No client takes more than its share: connections of one user make room for others, on every
//! listener and on the control socket, and do not hold up the end of the daemon.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use common::PATIENCE;
use common::client::{self, Client, Line, ROLE_LIST};
use common::control::ask;
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 5] = ["--log-format", "json", "run", "--profile", "dev"];
const KINDS: [&str; 4] = ["imds", "container", "pod-identity", "metrics"];

/// A home whose daemon has a listener of each kind, for 16 connections each.
fn home(sts: &Sts) -> Home {
    let listener = |kind: &&str| {
        format!("{{ address = \"127.0.0.1:0\", kind = \"{kind}\", max_connections = 16 }}")
    };
    let listeners = KINDS.iter().map(listener).collect::<Vec<_>>().join(", ");
    let (config, credentials) = stand::profile(sts);
    let home = Home::new().with_config(&config).with_credentials(&credentials);
    home.with_settings(&format!("listen = [{listeners}]\n"))
}

/// A daemon that has credentials, and the addresses of its listeners.
fn serving(home: &Home) -> (Daemon, Vec<SocketAddr>) {
    let mut daemon = Daemon::start(home.command(&RUN));
    let addresses = KINDS.iter().map(|_| daemon.address()).collect();
    daemon.event("rotated");
    (daemon, addresses)
}

/// Connections that have sent this and nothing more.
fn connections(address: SocketAddr, count: usize, sent: &str) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // One that was closed for others cannot be written to.
        let _ = stream.write_all(sent.as_bytes());
        stream
    };
    (0..count).map(connect).collect()
}

fn status(address: SocketAddr) -> u16 {
    client::send(address, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").status
}

#[test]
fn idle_connections_and_half_sent_heads_make_room_on_every_listener() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, addresses) = serving(&home);
    let quiet: Vec<u16> = addresses.iter().map(|address| status(*address)).collect();
    for address in &addresses {
        for sent in ["", "GET / HTTP/1.1\r\nHost: localh"] {
            let _held = connections(*address, 100, sent);
            let found: Vec<u16> = addresses.iter().map(|address| status(*address)).collect();
            assert_eq!(found, quiet, "{address} {sent:?}");
        }
    }
    daemon.end("-TERM");
}

#[test]
fn the_oldest_connection_is_closed_and_one_line_says_so() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (mut daemon, addresses) = serving(&home);
    let mut held = connections(addresses[0], 17, "");
    assert_eq!(held[0].read(&mut [0; 8]).unwrap(), 0, "closed");
    held[1].write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(held[1].read(&mut [0; 8]).unwrap() > 0, "answered");
    let _more = connections(addresses[0], 100, "");
    assert_eq!(status(addresses[0]), 401);
    let line = daemon.event("connection_limit");
    let [limit, open] = ["limit", "open"].map(|name| line[name].as_u64());
    assert_eq!((limit, open, line["level"].as_str()), (Some(16), Some(16), Some("WARN")), "{line}");
    if cfg!(target_os = "linux") {
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(line["source"], format!("uid {uid}"), "{line}");
    }
    let ended = daemon.end("-TERM");
    assert_eq!(ended.stderr.matches("connection_limit").count(), 1, "{}", ended.stderr);
}

#[test]
fn f4_refused_callers_keep_no_connection_and_others_do() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, addresses) = serving(&home);
    let closes = |kind: usize, path: &str, fields: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nConnection: keep-alive\r\n{fields}\r\n");
        let mut stream = connections(addresses[kind], 1, &request).remove(0);
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head[..length]).to_ascii_lowercase();
        let status: u16 = head[9..12].parse().unwrap();
        (status, head.contains("connection: close"))
    };
    let (own, foreign) = ("Host: localhost\r\n", "Host: evil.example\r\n");
    let browser = "Host: localhost\r\nSec-Fetch-Site: none\r\n";
    let forwarded = "Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n";
    assert_eq!(closes(0, "/", own), (401, false), "a client gets a metadata token and goes on");
    for refused in [foreign, browser, forwarded] {
        assert_eq!(closes(0, "/", refused), (403, true), "{refused}");
    }
    for refused in [own, foreign, browser] {
        assert!(closes(1, "/v1/credentials/dev", refused).1, "{refused}");
    }
    assert_eq!(closes(2, "/v1/credentials", "Host: 169.254.170.23\r\n"), (400, true));
    assert_eq!(closes(3, "/health", foreign), (403, true));
    assert_eq!(closes(3, "/health", own), (200, false));
    daemon.end("-TERM");
}

#[test]
fn pipelined_requests_take_turns_and_are_all_answered() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, addresses) = serving(&home);
    let one = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = connections(addresses[0], 1, &(one.repeat(99) + last)).remove(0);
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401 Unauthorized\r\n").count(), 100);
    daemon.end("-TERM");
}

#[test]
fn neither_silence_nor_a_half_sent_head_holds_up_the_end() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, addresses) = serving(&home);
    let client = Client::new(addresses[0]);
    let mut kept = Line::open(&client);
    assert_eq!(kept.get(ROLE_LIST).unwrap().status, 200);
    let mut held = connections(addresses[0], 4, "");
    held.extend(connections(addresses[0], 4, "GET / HTTP/1.1\r\nHost: localh"));
    held.extend(connections(addresses[3], 8, "GET / HTTP/1.1\r\n"));
    let ended = daemon.end("-TERM");
    assert_eq!(ended.code(), Some(0));
    assert!(ended.stderr.contains("every request in hand was answered"), "{}", ended.stderr);
}

#[test]
fn readers_of_events_make_room_for_orders() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (mut daemon, _) = serving(&home);
    let socket = home.path().join("assumed/control.sock");
    let follow = |_| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: control\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 8]).unwrap() > 0);
        stream
    };
    let mut readers: Vec<UnixStream> = (0..64).map(follow).collect();
    assert_eq!(ask(&socket, "GET", "/v1/status", "").status, 200);
    assert_eq!(ask(&socket, "POST", "/v1/refresh", "").status, 200);
    let mut rest = Vec::new();
    readers.remove(0).read_to_end(&mut rest).unwrap();
    let line = daemon.find("limit", |line| line["event"] == "control" && line["level"] == "WARN");
    assert_eq!(line["uid"], rustix::process::getuid().as_raw());
    daemon.end("-TERM");
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_logged() {
    let sts = Sts::start(sessions_of(3600));
    let (config, credentials) = stand::profile(&sts);
    let listen = "{ address = \"127.0.0.1:0\", max_connections = 5000 }";
    let home = Home::new().with_config(&config).with_credentials(&credentials);
    let home = home.with_settings(&format!("listen = [{listen}]\n"));
    let daemon = home.command(&RUN);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\""]).arg(daemon.get_program());
    command.args(daemon.get_args()).env_clear();
    command.envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut daemon = Daemon::start(command);
    let line = daemon.event("connection_limit");
    let [wanted, limit] = ["wanted", "limit"].map(|name| line[name].as_u64());
    assert_eq!((wanted, limit), (Some(5000), Some(75)), "{line}");
    let address = daemon.address();
    daemon.event("rotated");
    let _held = connections(address, 280, "");
    assert_eq!(Client::new(address).credentials().status, 200);
    daemon.end("-TERM");
}
