//! The metadata options and clients elsewhere, from the settings file to the wire.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

mod common;
#[cfg(target_os = "linux")]
#[path = "elsewhere/net.rs"]
mod net;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::PATIENCE;
use common::client::{self, Client, ROLE_LIST};
use common::program::{Daemon, Ended, Home};
use common::stand::{self, Sts, sessions_of};

/// A home whose settings file says this.
fn home(sts: &Sts, settings: &str) -> Home {
    let (config, credentials) = stand::profile(sts);
    let home = Home::new().with_config(&config).with_credentials(&credentials);
    set(&home, settings);
    home
}

fn set(home: &Home, settings: &str) {
    let path = home.path().join("config.toml");
    fs::write(path, format!("roles = [\"profile:dev\"]\n{settings}")).unwrap();
}

fn started(home: &Home) -> Daemon {
    let path = home.path().join("config.toml");
    Daemon::start(home.command(&[
        "--log-format",
        "json",
        "run",
        "--config",
        path.to_str().unwrap(),
    ]))
}

/// The daemon with these settings on a port of loopback, and where it listens.
fn served(sts: &Sts, settings: &str) -> (Home, Daemon, SocketAddr) {
    let home = home(sts, &format!("listen = [\"127.0.0.1:0\"]\n{settings}"));
    let mut daemon = started(&home);
    let address = daemon.address();
    (home, daemon, address)
}

fn get(address: SocketAddr, host: &str, fields: &str) -> client::Answer {
    client::send(address, &format!("GET {ROLE_LIST} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"))
}

const PUT: &str = "PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\n\
                   X-aws-ec2-metadata-token-ttl-seconds: 60\r\n";

// T17, T19
#[test]
fn where_tokens_are_optional_imdsv1_is_served_too() {
    let sts = Sts::start(sessions_of(3600));
    let (_home, _daemon, address) = served(&sts, "[imds]\nhttp_tokens = \"optional\"\n");
    let client = Client::new(address);
    assert_eq!(client.get(ROLE_LIST).text(), "deploy");
    let v1 = get(address, "localhost", "");
    assert_eq!((v1.status, v1.text()), (200, "deploy"));
    assert_eq!(v1.field("x-aws-ec2-metadata-token-ttl-seconds"), None);
    assert_eq!(get(address, "localhost", "X-Forwarded-For: 10.0.0.1\r\n").status, 200);
    assert_eq!(get(address, "localhost", "X-aws-ec2-metadata-token: bad\r\n").status, 401);
}

#[test]
fn where_tokens_are_optional_conformance_with_v1_holds() {
    let sts = Sts::start(sessions_of(3600));
    let (home, mut daemon, address) = served(&sts, "[imds]\nhttp_tokens = \"optional\"\n");
    daemon.event("rotated");
    let url = format!("http://{address}");
    let ended = Ended::of(home.command(&["conformance", "--v1", &url]));
    assert_eq!(ended.code(), Some(0), "{}", ended.stdout);
}

// G4
#[test]
fn a_disabled_endpoint_refuses_everything_alike() {
    let sts = Sts::start(sessions_of(3600));
    let (_home, _daemon, address) = served(&sts, "[imds]\nhttp_endpoint = \"disabled\"\n");
    for request in ["GET / ", "GET /latest/none ", "HEAD / ", "OPTIONS / ", "DELETE / "] {
        let request = format!("{request}HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = client::send(address, &request);
        assert_eq!((answer.status, answer.field("content-length")), (403, Some("0")), "{request}");
    }
    let answer = client::send(address, &format!("{PUT}\r\n"));
    assert_eq!((answer.status, answer.body.len()), (403, 0));
}

// F17
#[test]
fn hosts_are_own_names_and_a_foreign_one_is_told_of_once() {
    let sts = Sts::start(sessions_of(3600));
    let settings =
        "[imds]\nhttp_tokens = \"optional\"\nhosts = [\"host.docker.internal\", \"10.9.8.7\"]\n";
    let (_home, mut daemon, address) = served(&sts, settings);
    for own in ["host.docker.internal", "HOST.docker.internal:1338", "10.9.8.7", "localhost"] {
        assert_eq!(get(address, own, "").status, 200, "{own}");
    }
    for foreign in ["evil.example:80", "Evil.Example", "AKIA==secret/", "other.example"] {
        assert_eq!(get(address, foreign, "").status, 403, "{foreign}");
    }
    let told = ["evil.example", "(malformed)", "other.example"];
    for name in told {
        let line = daemon.event("foreign_host");
        assert_eq!(line["host"], name);
        assert!(line["hint"].as_str().unwrap().contains("hosts under [imds]"), "{line}");
    }
    let log = daemon.log();
    assert!(!log.contains("AKIA"), "{log}");
}

#[test]
fn metadata_that_is_set_stands_in_the_tree_and_in_the_documents() {
    let sts = Sts::start(sessions_of(3600));
    let settings = "[imds]\nhttp_tokens = \"optional\"\n[metadata]\ninstance_id = \"i-0123456789abcdef0\"\n\
         availability_zone = \"eu-central-1b\"\ninstance_type = \"m7g.large\"\nlocal_ipv4 = \"10.1.2.3\"\n";
    let (_home, _daemon, address) = served(&sts, settings);
    let client = Client::new(address);
    let meta_data = |path: &str| client.get(&format!("/latest/meta-data/{path}")).text().to_owned();
    assert_eq!(meta_data("instance-id"), "i-0123456789abcdef0");
    assert_eq!(meta_data("placement/availability-zone"), "eu-central-1b");
    assert_eq!(meta_data("placement/availability-zone-id"), "euc1-az2");
    assert_eq!(meta_data("local-hostname"), "ip-10-1-2-3.eu-central-1.compute.internal");
    let document = client.get("/latest/dynamic/instance-identity/document").json();
    assert_eq!(document["instanceId"], "i-0123456789abcdef0");
    assert_eq!(document["availabilityZone"], "eu-central-1b");
    assert_eq!(document["region"], "eu-central-1");
    assert_eq!(document["instanceType"], "m7g.large");
    assert_eq!(document["architecture"], "arm64");
    assert_eq!(document["privateIp"], "10.1.2.3");
}

/// Sends both requests on one connection, the second after the first reply; what came in all.
fn two_requests(address: SocketAddr, first: &[&str], second: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for piece in first {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let mut came = vec![0; 4096];
    let length = stream.read(&mut came).unwrap();
    came.truncate(length);
    // Where the connection has ended, this or the reading fails; both are told by what came.
    let _ = stream.write_all(second.as_bytes());
    let _ = stream.read_to_end(&mut came);
    String::from_utf8(came).unwrap()
}

// F8, F19
#[test]
fn a_put_in_chunks_is_served_and_is_the_last_on_its_connection() {
    let sts = Sts::start(sessions_of(3600));
    let (_home, _daemon, address) = served(&sts, "");
    let replies = |first: &[&str]| {
        let came = two_requests(address, first, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let statuses = came.matches("HTTP/1.1 ").count();
        assert!(came.starts_with("HTTP/1.1 200 OK"), "{came}");
        statuses
    };
    let chunked = format!("{PUT}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n");
    assert_eq!(replies(&[&format!("{chunked}\r\n0\r\n\r\n")]), 1);
    assert_eq!(replies(&[&format!("{chunked}\r\n"), "0\r\n", "\r\n"]), 1, "in pieces");
    assert_eq!(replies(&[&format!("{chunked}\r\n5\r\nhello\r\n0\r\n\r\n")]), 1, "not empty");
    assert_eq!(replies(&[&format!("{chunked}Content-Length: 5\r\n\r\n0\r\n\r\n")]), 1);
    assert_eq!(replies(&[&format!("{PUT}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]), 1);
}

// T12, F17, Z10
#[cfg(target_os = "linux")]
#[test]
fn a_token_travels_no_farther_than_the_hop_limit() {
    net::isolated("a_token_travels_no_farther_than_the_hop_limit", || {
        net::lay();
        let sts = net::on("imds", || Sts::start(sessions_of(3600)));
        let v4: SocketAddr = "169.254.169.254:80".parse().unwrap();
        let v6: SocketAddr = "[fd00:ec2::254]:80".parse().unwrap();

        let (_home, daemon) = serving(&sts, 1);
        for address in [v4, v6] {
            let near = net::on("near", || Client::new(address));
            assert_eq!(net::on("near", || near.get(ROLE_LIST).status), 200);
            net::on("far", || token_is_lost(&near));
            assert_eq!(net::on("far", || near.get(ROLE_LIST).text().to_owned()), "deploy");
            net::on("stranger", || nothing_comes(address));
        }
        nobody_from_elsewhere_is_served_untold();
        drop(daemon);

        let (home, mut daemon) = serving(&sts, 2);
        for address in [v4, v6] {
            let far = net::on("far", || Client::new(address));
            assert_eq!(net::on("far", || far.get(ROLE_LIST).text().to_owned()), "deploy");
            let kept = format!("{PUT}Connection: keep-alive\r\n\r\n");
            let answer = net::on("far", || client::send(address, &kept));
            assert_eq!(answer.field("connection"), Some("close"), "the last one");
            net::on("stranger", || nothing_comes(address));
        }
        daemon.find("word of the stranger", |line| {
            line["message"].as_str().is_some_and(|text| text.contains("turned a connection away"))
        });

        // A reload lets others in, and those of before no more.
        set(&home, &settings(2, "[\"10.201.4.0/24\", \"fd01:4::/64\"]"));
        daemon.signal("-HUP");
        daemon.event("reload");
        for address in [v4, v6] {
            net::on("stranger", || Client::new(address));
            net::on("far", || nothing_comes(address));
        }
    });
}

/// The daemon on the metadata addresses for `near` and `far`, and on all addresses for nobody.
#[cfg(target_os = "linux")]
fn serving(sts: &Sts, hop_limit: u8) -> (Home, Daemon) {
    let allow = "[\"10.201.1.0/24\", \"10.201.3.0/24\", \"fd01:1::/64\", \"fd01:3::/64\"]";
    let home = home(sts, &settings(hop_limit, allow));
    let mut daemon = net::on("imds", || started(&home));
    daemon.event("rotated");
    (home, daemon)
}

#[cfg(target_os = "linux")]
fn settings(hop_limit: u8, allow: &str) -> String {
    format!(
        "listen = [\"0.0.0.0:8080\", {{ address = \"169.254.169.254:80\", allow_from = {allow} }},\n\
         {{ address = \"[fd00:ec2::254]:80\", allow_from = {allow} }}]\n\
         [imds]\nhttp_put_response_hop_limit = {hop_limit}\n"
    )
}

/// On a kept connection a value comes, the token after it never does, however often it is sent.
#[cfg(target_os = "linux")]
fn token_is_lost(client: &Client) {
    let mut stream = TcpStream::connect_timeout(&client.address, PATIENCE).unwrap();
    let token = &client.token;
    let get = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive\r\nX-aws-ec2-metadata-token: {token}\r\n\r\n",
        client.address
    );
    stream.write_all(get.as_bytes()).unwrap();
    let mut came = [0; 4096];
    let length = stream.read(&mut came).unwrap();
    assert!(came[..length].starts_with(b"HTTP/1.1 200"), "GET is not limited");

    let before = net::dropped_by_router();
    let put = format!("{PUT}Connection: keep-alive\r\n\r\n");
    stream.write_all(put.as_bytes()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    // The reply, and the kernel's attempts to send it again.
    while net::dropped_by_router() < before + 5 {
        let read = stream.read(&mut came);
        assert!(read.is_err(), "something came: {read:?}");
    }
}

#[cfg(target_os = "linux")]
fn nothing_comes(address: SocketAddr) {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(format!("{PUT}\r\n").as_bytes());
    let mut came = Vec::new();
    let ended = stream.read_to_end(&mut came);
    assert!(came.is_empty(), "{ended:?}");
}

#[cfg(target_os = "linux")]
fn nobody_from_elsewhere_is_served_untold() {
    let address = "10.201.1.1:8080".parse().unwrap();
    net::on("near", || nothing_comes(address));
    let put = format!("{PUT}Connection: keep-alive\r\n\r\n{PUT}\r\n");
    let here = net::on("imds", || client::send(address, &put));
    assert_eq!((here.status, here.field("connection")), (200, None), "local peers keep theirs");
}
