//! The whole program, as a user runs it: from the profile to the last signal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use assumed::emulator::{Code, Fault, Role, Trust};
use common::client::{self, Client, ROLE_LIST};
use common::program::{Daemon, Ended, Home, rest};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

fn started(home: &Home) -> Daemon {
    Daemon::start(home.command(&RUN))
}

#[test]
fn a_profile_is_assumed_and_served_under_its_role_name() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let address = daemon.address();
    let rotated = daemon.event("rotated");
    assert_eq!((rotated["role"].as_str(), rotated["generation"].as_u64()), (Some("dev"), Some(1)));

    let client = Client::new(address);
    assert_eq!(client.get(ROLE_LIST).text(), "deploy");
    let document = client.credentials();
    daemon.keeps_secret(&document.json());
    assert_eq!(document.json()["Code"], "Success");
    assert_eq!(client.get("/latest/meta-data/placement/region").text(), "eu-central-1");
    let info = client.get("/latest/meta-data/iam/info").json();
    let arn = "arn:aws:iam::123456789012:instance-profile/deploy";
    assert_eq!(info["InstanceProfileArn"], arn);

    let asked = sts.emulator.asked();
    assert_eq!(asked.len(), 1, "one call, no probing");
    let ended = daemon.end("-TERM");
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn sigusr1_rotates_and_each_key_is_another() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let first = client.key_id();
    assert_eq!(client.key_id(), first, "the same until the swap");
    daemon.signal("-USR1");
    assert_eq!(daemon.event("rotated")["generation"], 2);
    assert_ne!(client.key_id(), first);
    daemon.end("-INT");
}

#[test]
fn short_sessions_are_rotated_at_half_life() {
    let sts = Sts::start(sessions_of(4));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    for generation in 1..=3 {
        assert_eq!(daemon.event("rotated")["generation"], generation);
        daemon.keeps_secret(&client.credentials().json());
    }
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

// T11
#[test]
fn a_metadata_token_outlives_a_restart() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let mut client = Client::new(daemon.address());
    daemon.end("-TERM");
    let mut daemon = started(&home);
    client.address = daemon.address();
    daemon.event("rotated");
    assert_eq!(client.credentials().status, 200);
    daemon.end("-KILL");
    let mut daemon = started(&home);
    client.address = daemon.address();
    assert_eq!(client.get(ROLE_LIST).status, 200, "after kill -9, too");
}

#[test]
fn a_start_without_sts_heals_when_somebody_asks() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::ServiceUnavailable)));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("failed");
    let nothing = client.credentials();
    assert_eq!((nothing.status, nothing.body.len()), (500, 0));
    assert_eq!(client.get(ROLE_LIST).text(), "deploy", "the listing stays");
    sts.emulator.script(|script| script.standing = None);
    client.credentials();
    daemon.event("rotated");
    assert_eq!(client.credentials().status, 200);
}

// C9
#[test]
fn a_refusal_is_told_as_ec2_tells_it_and_heals() {
    let sts = Sts::start(sessions_of(3600));
    let refused = Role { trust: Trust::Nobody, ..Role::default() };
    sts.emulator.script(|script| script.roles.others = Some(refused));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    let line = daemon.event("failed");
    assert_eq!(line["code"], "AccessDenied");
    let document = client.credentials();
    assert_eq!(document.status, 200);
    assert_eq!(document.json()["Code"], "AssumeRoleUnauthorizedAccess");
    sts.emulator.script(|script| script.roles.others = Some(Role::default()));
    daemon.signal("-USR1");
    daemon.event("rotated");
    assert_eq!(client.credentials().json()["Code"], "Success");
}

#[test]
fn an_outage_at_half_life_changes_nothing_for_clients() {
    let sts = Sts::start(sessions_of(6));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    let key_id = client.key_id();
    sts.emulator.script(|script| script.standing = Some(Fault::Reset));
    daemon.event("failed");
    assert_eq!(client.key_id(), key_id, "valid is served to its end");
    sts.emulator.script(|script| script.standing = None);
    daemon.event("rotated");
    assert_ne!(client.key_id(), key_id);
}

#[test]
fn an_outage_across_expiry_ends_in_500_and_heals() {
    let sts = Sts::start(sessions_of(3));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::InternalFailure)));
    daemon.event("failed");
    let last = std::iter::repeat_with(|| client.credentials())
        .find(|answer| answer.status != 200)
        .unwrap();
    assert_eq!((last.status, last.body.len()), (500, 0));
    sts.emulator.script(|script| {
        script.standing = None;
        script.session = Some(Duration::from_hours(1));
    });
    client.credentials();
    daemon.event("rotated");
    assert_eq!(client.credentials().status, 200);
}

// An attempt cannot begin within two seconds of the last one, so waiting is in vain.
#[test]
fn in_an_outage_most_requests_are_answered_at_once() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::ServiceUnavailable)));
    let home = home(&sts);
    let mut daemon = started(&home);
    let client = Client::new(daemon.address());
    daemon.event("failed");
    let before = sts.emulator.total();
    let answers: Vec<u16> = (0..50).map(|_| client.credentials().status).collect();
    assert!(answers.iter().all(|status| *status == 500), "{answers:?}");
    assert!(sts.emulator.total() - before <= 2, "requests do not reach STS");
}

#[test]
fn exit_on_refusal_ends_with_77() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.roles.others = None);
    let home = home(&sts);
    let mut command = home.command(&RUN);
    command.arg("--exit-on-refusal");
    let ended = Ended::of(command);
    assert_eq!(ended.code(), Some(77), "{}", ended.stderr);
    assert!(ended.stderr.contains("AccessDenied"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Ended::of(Home::new().command(&["demo", "--listen", &address]));
    assert_eq!(ended.code(), Some(69));
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: another program has port"), "{}", ended.stderr);
}

#[test]
fn a_second_instance_is_told_whose_state_it_is() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    daemon.address();
    let second = Ended::of(home.command(&RUN));
    assert_eq!(second.code(), Some(69));
    assert!(second.stderr.contains(&format!("(pid {})", daemon.pid())), "{}", second.stderr);
}

#[test]
fn the_demo_shows_what_to_paste_and_ends_with_0() {
    let home = Home::new();
    let command = home.command(&[
        "--log-format",
        "json",
        "demo",
        "--session",
        "1h",
        "--listen",
        "127.0.0.1:0",
    ]);
    let mut daemon = Daemon::start(command);
    let address = daemon.address();
    let client = Client::new(address);
    daemon.event("rotated");
    daemon.keeps_secret(&client.credentials().json());
    let ended = daemon.end("-INT");
    assert_eq!(ended.code(), Some(0));
    let endpoint = format!("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://{address}/");
    assert!(ended.stdout.contains(&endpoint), "{}", ended.stdout);
    assert!(ended.stdout.contains("/latest/api/token"), "{}", ended.stdout);
}

#[test]
fn several_listeners_serve_the_same_role() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut command = home.command(&RUN);
    command.args(["--listen", "[::1]:0"]);
    let mut daemon = Daemon::start(command);
    let first = Client::new(daemon.address());
    let second = Client { address: daemon.address(), ..first.clone() };
    daemon.event("rotated");
    assert_eq!(first.key_id(), second.key_id());
}

#[test]
fn mistakes_are_told_at_once_with_file_and_line() {
    let home = Home::new().with_config(
        "[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = nobody\nregion = moon\n",
    );
    let ended = Ended::of(home.command(&RUN));
    assert_eq!(ended.code(), Some(78));
    for what in [".aws/config:2:", ".aws/config:3:", ".aws/config:4:", "hint: "] {
        assert!(ended.stderr.contains(what), "no {what} in\n{}", ended.stderr);
    }
}

#[test]
fn long_lived_keys_are_never_served_raw() {
    let sts = Sts::start(sessions_of(3600));
    let home = Home::new().with_credentials(&stand::keys("dev"));
    let ended = Ended::of(home.command(&RUN));
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    assert_eq!(sts.emulator.total(), 0);
}

#[test]
fn usage_mistakes_end_with_64() {
    let home = Home::new();
    assert_eq!(Ended::of(home.command(&["run", "--nonsense"])).code(), Some(64));
    assert_eq!(Ended::of(home.command(&[])).code(), Some(64));
    assert_eq!(Ended::of(home.command(&["--help"])).code(), Some(0));
    assert_eq!(Ended::of(home.command(&["--version"])).code(), Some(0));
}

// F17, F18: judged on the whole program, before any token.
#[test]
fn f4_f8_a_body_that_comes_late_is_waited_for_and_is_no_request() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let address = daemon.address();
    let put = format!(
        "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive\r\n\
         X-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 5\r\n\r\n"
    );
    let statuses = |body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(put.as_bytes()).unwrap();
        rest(Duration::from_millis(50));
        stream.write_all(body.as_bytes()).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        let lines = told.lines().filter_map(|line| line.split_once("HTTP/1.1 ")?.1.get(..3));
        let found = lines.collect::<Vec<_>>().join(" ");
        (found, told.matches("Connection: close").count())
    };
    let next = format!("helloGET /latest/api/token HTTP/1.1\r\nHost: {address}\r\n\r\n");
    assert_eq!(statuses(&next), ("200 405".to_owned(), 1));
    // Who sends no more of it gets his token, and is told that the connection ends.
    assert_eq!(statuses("hel"), ("200".to_owned(), 1));
}

#[test]
fn strangers_and_web_pages_get_nothing() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = started(&home);
    let address = daemon.address();
    let put = |fields: &str| {
        let request = format!(
            "PUT /latest/api/token HTTP/1.1\r\n{fields}\
             X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n"
        );
        client::send(address, &request)
    };
    assert_eq!(put("Host: evil.example\r\n").status, 403);
    assert_eq!(put("").status, 400);
    let own = format!("Host: {address}\r\n");
    assert_eq!(put(&format!("{own}Origin: http://{address}\r\n")).status, 403);
    assert_eq!(put(&format!("{own}X-Forwarded-For: 10.0.0.1\r\n")).status, 403);
    assert_eq!(put(&own).status, 200);
}
