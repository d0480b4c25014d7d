//! The checker, checked: small bad texts, each caught for its own reason.

use std::collections::BTreeMap;

use super::scan::Scan;
use super::{FILE, FUNCTION, circles, faults};

fn judge(path: &str, text: &str) -> Vec<String> {
    faults(path, text, &Scan::of(path, text))
}

#[track_caller]
fn bad(path: &str, text: &str, word: &str) {
    let found = judge(path, &format!("//! Bad.\n{text}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(word), "{found:?}");
}

#[track_caller]
fn good(path: &str, text: &str) {
    assert_eq!(judge(path, &format!("//! Good.\n{text}")), [""; 0]);
}

#[test]
fn an_import_that_points_up_is_seen() {
    bad("clock", "use crate::imds::View;", "point down");
    bad("imds/token", "use crate::{clock::Now, http::Listener};", "`http/Listener`");
    bad("rotation/machine", "use super::task;", "point down");
    bad("sts/request", "fn f() { crate::sts::client::Client::new(); }", "point down");
    bad("http/listener", "type X = crate::daemon::Daemon;", "point down");
    bad("role", "mod inner { use super::super::cli; }", "point down");
    bad("store", "fn f() { say!(\"{}\", crate::cli::X) }", "point down");
    good("daemon", "use crate::{http::Listener, sts::client, clock::Now};");
    good("rotation/task", "use super::machine::Event; use super::{port, schedule};");
    good("sts/client", "use super::request::Request; use self::inner::X;");
}

#[test]
fn a_door_that_knows_another_is_seen() {
    bad("http/listener", "use crate::sts::client::Client;", "strangers");
    bad("store", "use crate::http::Listener;", "strangers");
    good("store", "use crate::rotation::port::Publish; use crate::imds::Tree;");
}

#[test]
fn an_outside_crate_away_from_its_door_is_seen() {
    bad("daemon", "use hyper::body;", "http, control");
    bad("emulator/server", "fn f() { ::hyper_util::rt::TokioIo::new(s) }", "http, control");
    bad("http/reply", "use aws_sdk_sts as sts;", "belongs to: sts");
    bad("imds/token", "#[tokio::test] fn f() {}", "tokio");
    bad("config", "use {std::fmt, tracing::warn};", "tracing");
    bad("config", "fn f() { std::env::var(\"HOME\") }", "std::env");
    good(
        "http",
        "use hyper::server::conn::http1; // aws_sdk_sts::Client\nconst A: &str = \"crate::cli\";",
    );
}

#[test]
fn what_is_only_for_tests_is_free() {
    good("clock", "#[cfg(test)]\nmod tests { use tokio::time; use crate::cli; }");
    let scan = Scan::of("imds", "#[cfg(test)]\nmod world;\nuse tokio::time;");
    assert_eq!((scan.test_modules, scan.test_lines), (vec!["imds/world".to_owned()], 2));
    assert_eq!(scan.paths.len(), 1);
}

#[test]
fn size_is_counted() {
    let long = format!("fn long() {{\n{}}}", "f();\n".repeat(FUNCTION - 1));
    bad("clock", &long, "`long` has 61 lines");
    bad("clock", &"const A: u8 = 0;\n".repeat(FILE), "351 lines");
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}", "const A: u8 = 0;\n".repeat(FILE));
    good("clock", &tests);
    assert_eq!(judge("clock", "use std::fmt;").len(), 1, "no `//!`");
    assert_eq!(judge("cellar", "//! On no floor.").len(), 1);
}

#[test]
fn a_circle_on_one_floor_is_seen() {
    let scan = |path: &str, text| (path.to_owned(), Scan::of(path, text));
    let line = [scan("config", "use crate::imds::X;"), scan("imds", "")];
    assert_eq!(circles(&BTreeMap::from(line)).len(), 0);
    let ring = [scan("config", "use crate::imds::X;"), scan("imds", "use crate::config::Y;")];
    assert_eq!(circles(&BTreeMap::from(ring)).len(), 2);
}
