//! `[[access]]`: whose programs may have which role, told apart by the kernel.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

mod common;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use common::client::{Client, ROLE_LIST, send};
use common::command::Running;
use common::control::{ask, verb};
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 3] = ["--log-format", "json", "run"];

/// Three roles, the first of them active, and these entries.
fn settings(sts: &Sts, access: &str) -> String {
    let endpoint = sts.emulator.endpoint_url();
    let mut text =
        format!("listen = [\"127.0.0.1:0\"]\n{access}\n[sts]\nendpoint_url = \"{endpoint}\"\n");
    for name in ["dev", "ops", "audit"] {
        let arn = format!("arn:aws:iam::123456789012:role/{name}-role");
        let keys = "source_profile = \"me\"\nregion = \"eu-central-1\"\neager = true";
        writeln!(text, "[role.{name}]\nrole_arn = \"{arn}\"\n{keys}").unwrap();
    }
    text
}

fn entry(uid: u32, rest: &str) -> String {
    format!("[[access]]\nuid = {uid}\n{rest}\n")
}

fn own() -> u32 {
    rustix::process::getuid().as_raw()
}

fn gid() -> u32 {
    rustix::process::getgid().as_raw()
}

fn start(sts: &Sts, access: &str) -> (Home, Daemon, SocketAddr) {
    let home = Home::new().with_credentials(&stand::keys("me"));
    let home = home.with_settings(&settings(sts, access));
    let mut daemon = Daemon::start(home.command(&RUN));
    let address = daemon.address();
    for _ in 0..3 {
        daemon.event("rotated");
    }
    (home, daemon, address)
}

fn put(address: SocketAddr) -> u16 {
    let request = format!(
        "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\n\
         X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n"
    );
    send(address, &request).status
}

fn listed(address: SocketAddr) -> String {
    Client::new(address).get(ROLE_LIST).text().to_owned()
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("assumed/control.sock")
}

#[test]
fn a_program_of_another_user_gets_nothing_and_it_is_said_once() {
    let sts = Sts::start(sessions_of(3600));
    let (_home, mut daemon, address) = start(&sts, &entry(own() + 1, "roles = [\"dev\"]"));
    assert_eq!([put(address), put(address)], [403, 403]);
    let listing = format!("GET {ROLE_LIST} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let answer = send(address, &listing);
    assert_eq!((answer.status, answer.text()), (403, ""), "nothing is told to it");
    let told = daemon.event("barred");
    assert_eq!(told["uid"], own(), "{told}");
    assert_eq!(daemon.log().matches("\"barred\"").count(), 1);
}

#[test]
fn an_entry_gives_its_users_a_role_of_their_own_whatever_is_active() {
    let sts = Sts::start(sessions_of(3600));
    let given = entry(own() + 1, "roles = []") + &entry(own(), "role = \"audit\"");
    let (_home, _daemon, address) = start(&sts, &given);
    assert_eq!(listed(address), "audit-role");
    let document = Client::new(address).get(&format!("{ROLE_LIST}audit-role"));
    assert_eq!(document.json()["Code"], "Success");
}

#[test]
fn a_reload_changes_who_may_have_what_and_use_who_is_served() {
    let sts = Sts::start(sessions_of(3600));
    let (home, mut daemon, address) = start(&sts, "");
    assert_eq!(listed(address), "dev-role", "without entries everybody may have everything");
    let home = home.with_settings(&settings(&sts, &entry(own(), "roles = [\"ops\"]")));
    daemon.signal("-HUP");
    let told = daemon.event("reload");
    assert_eq!(told["changed"], "access", "{told}");
    assert_eq!(put(address), 403, "dev is active, and not for this user");
    verb(&home, &["use", "ops"]).well();
    assert_eq!(listed(address), "ops-role");
}

#[test]
fn the_group_of_a_user_counts_and_a_network_never_matches_a_local_user() {
    let sts = Sts::start(sessions_of(3600));
    let group = format!("[[access]]\ngid = {}\nrole = \"ops\"\n", gid());
    let network = "[[access]]\nfrom = \"0.0.0.0/0\"\nrole = \"audit\"\n";
    let (home, mut daemon, address) = start(&sts, &format!("{network}{group}"));
    assert_eq!(listed(address), "ops-role", "the caller is local, so the network is not its");
    let _home = home.with_settings(&settings(&sts, network));
    daemon.signal("-HUP");
    daemon.event("reload");
    assert_eq!(put(address), 403);
}

#[test]
fn a_device_bound_socket_is_found_and_a_listening_one_is_no_caller() {
    let sts = Sts::start(sessions_of(3600));
    let (_home, _daemon, address) = start(&sts, &entry(own(), "roles = [\"dev\"]"));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    if socket.bind_device(Some(b"lo")).is_err() {
        eprintln!("SKIPPED: this kernel lets only root bind to a device");
        return;
    }
    socket.connect(&address.into()).unwrap();
    let request = format!(
        "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\n\
         X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n"
    );
    let mut stream: std::net::TcpStream = socket.into();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
}

#[test]
fn consumers_of_the_container_endpoint_are_callers_too() {
    let sts = Sts::start(sessions_of(3600));
    let (home, _daemon, _) = start(&sts, &entry(own(), "roles = [\"ops\"]"));
    let run = |role: &str| {
        let running = Running::start(&home, &[role], &[]);
        let answer = running.ask();
        running.end();
        answer
    };
    assert_eq!(run("ops").status, 200);
    let refused = run("dev");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["code"], "AccessDenied");
    assert!(refused.text().contains("give this caller no such role"), "{}", refused.text());
    let status = ask(&socket(&home), "GET", "/v1/status", "").json();
    assert_eq!(status["active"], "dev");
}
