//! A listener of kind "metrics": for Prometheus and for probes, and for nothing else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;

use common::client::{Answer, Client, send};
use common::control::verb;
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};

const LISTEN: &str =
    "listen = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", kind = \"metrics\" }]\n";

fn start(sts: &Sts) -> (Home, Daemon, SocketAddr, SocketAddr) {
    let (config, credentials) = stand::profile(sts);
    let home = Home::new().with_config(&config).with_credentials(&credentials);
    let home = home.with_settings(LISTEN);
    let mut daemon =
        Daemon::start(home.command(&["--log-format", "json", "run", "--profile", "dev"]));
    let mut at = |kind: &str| {
        let told =
            daemon.find("a listener", |line| line["event"] == "listening" && line["kind"] == kind);
        told["address"].as_str().unwrap().parse().unwrap()
    };
    let addresses = (at("imds"), at("metrics"));
    daemon.event("rotated");
    (home, daemon, addresses.0, addresses.1)
}

fn ask(address: SocketAddr, method: &str, path: &str, host: &str) -> Answer {
    send(address, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

#[test]
fn prometheus_reads_the_metrics_and_a_probe_whether_clients_get_credentials() {
    let sts = Sts::start(sessions_of(3600));
    let (home, mut daemon, imds, metrics) = start(&sts);
    let host = metrics.to_string();
    let document = Client::new(imds).credentials().json();
    daemon.keeps_secret(&document);
    let page = ask(metrics, "GET", "/metrics", &host);
    assert_eq!(page.status, 200);
    assert_eq!(page.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for sample in ["assumed_rotations_total{role=\"dev\"} 1", "assumed_locked 0"] {
        assert!(page.text().lines().any(|line| line == sample), "{sample}\n{}", page.text());
    }
    for secret in ["AccessKeyId", "SecretAccessKey", "Token"] {
        assert!(!page.text().contains(document[secret].as_str().unwrap()), "{secret}");
    }
    let probe = |path: &str| ask(metrics, "GET", path, &host);
    assert_eq!((probe("/health").status, probe("/health/dev").status), (200, 200));
    assert_eq!(probe("/health").json()["state"], "fresh");
    assert_eq!((probe("/health/ops").status, probe("/").status), (404, 404));
    let found = verb(&home, &["doctor", "--offline"]).well();
    assert!(found.contains(&format!("http://{metrics} has metrics")), "{found}");
    verb(&home, &["lock"]).well();
    assert_eq!(probe("/health").status, 503);
    assert_eq!(probe("/health").json()["state"], "locked");
}

#[test]
fn it_is_read_only_and_tells_nothing_to_a_foreign_name() {
    let sts = Sts::start(sessions_of(3600));
    let (_home, _daemon, _, metrics) = start(&sts);
    let host = metrics.to_string();
    let put = ask(metrics, "POST", "/metrics", &host);
    assert_eq!((put.status, put.field("allow")), (405, Some("GET, HEAD")));
    let head = ask(metrics, "HEAD", "/metrics", &host);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_ne!(head.field("content-length"), Some("0"));
    for path in ["/v1/status", "/latest/meta-data/", "/v1/credentials", "/v1/stop"] {
        assert_eq!(ask(metrics, "GET", path, &host).status, 404, "{path}");
    }
    let foreign = ask(metrics, "GET", "/metrics", "rebound.example");
    assert_eq!((foreign.status, foreign.text()), (403, ""));
}
