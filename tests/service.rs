//! `assumed service` where there is no service manager; tests/beds/service has
//! one. On Linux, a `/run` of the test's own hides that of this machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

mod common;

use std::process::Command;

use common::control::{Done, verb};
use common::program::Home;

/// The verb as root of a machine whose `/run` is empty.
fn unmanaged(home: &Home, arguments: &str) -> Option<Done> {
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script]);
        command.env("HOME", home.path()).env("A", env!("CARGO_BIN_EXE_assumed"));
        command
    };
    if !inside("mount -t tmpfs none /run").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no namespaces without rights here");
        return None;
    }
    Some(Done::of(&mut inside(&format!("mount -t tmpfs none /run; exec $A service {arguments}"))))
}

#[test]
fn without_a_manager_each_verb_says_what_works_without_one() {
    let home = Home::new();
    for arguments in [
        "install --system",
        "install --user --dry-run",
        "uninstall --for root",
        "status",
        "logs --follow",
    ] {
        let Some(done) = unmanaged(&home, arguments) else { return };
        let complaint = done.ill(69);
        assert!(complaint.starts_with("assumed: neither systemd nor launchd runs here\nhint: "));
        assert!(complaint.contains("`assumed run --daemon --profile NAME`"), "{complaint}");
    }
    let Some(done) = unmanaged(&home, "install --json") else { return };
    let complaint: serde_json::Value = serde_json::from_str(&done.ill(69)).unwrap();
    assert_eq!(complaint["exit"], 69);
}

#[test]
fn a_service_is_for_one_at_a_time() {
    let home = Home::new();
    for arguments in [
        &["service"][..],
        &["service", "install", "--user", "--system"],
        &["service", "uninstall", "--system", "--for", "alice"],
        &["service", "logs", "--lines", "many"],
    ] {
        assert_eq!(verb(&home, arguments).code, Some(64), "{arguments:?}");
    }
}
