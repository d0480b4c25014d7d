//! What the daemon forbids itself, on the whole program: that it is forbidden, to
//! commands too, and that all goes on that it does.

#![cfg(all(target_os = "linux", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use assumed::emulator::{Mfa, Script};
use common::client::Client;
use common::control::verb;
use common::program::{self, Daemon, Home, SETTINGS, wait_for};
use common::stand::{Sts, keys, sessions_of};
use serde_json::Value;

const RUN: [&str; 3] = ["--log-format", "json", "run"];
const ROLE: &str = "arn:aws:iam::123456789012:role/team/deploy";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/jane";

/// Settings for one role without a command, and more lines at their end.
fn settings(sts: &Sts, more: &str) -> String {
    let endpoint = sts.emulator.endpoint_url();
    format!(
        "listen = [\"127.0.0.1:0\"]\n[sts]\nendpoint_url = \"{endpoint}\"\n[role.dev]\n\
         role_arn = \"{ROLE}\"\nsource_profile = \"me\"\nregion = \"eu-central-1\"\n{more}"
    )
}

fn home(sts: &Sts, more: &str) -> Home {
    Home::new().with_credentials(&keys("me")).with_settings(&settings(sts, more))
}

/// A role whose code comes from a command that tries to write into three places.
fn writer(home: &Home, landlock: &str) -> (String, [PathBuf; 3]) {
    let places = [home.path().join("written"), home.state().join("written"), home.temporary("w")];
    let tries = places.iter().map(|place| format!("echo x >{} 2>/dev/null;", place.display()));
    let command = format!("{} echo 314159", tries.collect::<String>());
    let more = format!(
        "mfa_serial = \"{SERIAL}\"\nmfa_command = [\"sh\", \"-c\", \"{command}\"]\n\
         [sandbox]\nlandlock = \"{landlock}\"\n"
    );
    (more, places)
}

fn codes() -> Script {
    Script { mfa: Mfa { serial: Some(SERIAL.to_owned()), codes: None }, ..sessions_of(3600) }
}

/// How a process stands with seccomp: 0 for nothing, 2 for a filter.
fn seccomp(status: &Path) -> String {
    let text = fs::read_to_string(status).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Seccomp:")).unwrap();
    line.trim().to_owned()
}

fn own_seccomp() -> String {
    seccomp(Path::new("/proc/self/status"))
}

fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map(|task| seccomp(&task.unwrap().path().join("status"))).collect()
}

/// A daemon in its sandbox; none, with the reason told, where the kernel has no Landlock.
fn confined(home: &Home) -> Option<Daemon> {
    let mut daemon = Daemon::start(home.command(&RUN));
    let line = daemon.find("a word on the sandbox or an end", |line| {
        line["event"] == "sandbox" || line.to_string().contains("cannot be had")
    });
    let on = line["landlock"].as_str().is_some_and(|word| word.starts_with("on"));
    if !on {
        eprintln!("SKIPPED: this kernel has no Landlock: {line}");
    }
    on.then_some(daemon)
}

/// Has the daemon read its files again, and returns the one complaint of that.
#[track_caller]
fn refused(daemon: &mut Daemon, home: &Home, settings: &str) -> Value {
    home.put(SETTINGS, settings);
    daemon.signal("-HUP");
    let line = daemon.event("reload");
    assert_eq!(line["message"], "the settings are wrong; nothing was changed", "{line}");
    line
}

#[test]
fn every_thread_has_a_filter_unless_the_settings_say_no() {
    let sts = Sts::start(sessions_of(3600));
    for (more, expected) in [("", "2".to_owned()), ("[sandbox]\nseccomp = false\n", own_seccomp())]
    {
        let home = home(&sts, more);
        let mut daemon = Daemon::start(home.command(&RUN));
        daemon.event("rotated");
        let threads = threads(daemon.pid());
        assert!(threads.iter().all(|thread| *thread == expected), "{threads:?}");
        assert_eq!(daemon.end("-TERM").code(), Some(0));
    }
}

#[test]
fn a_demo_has_a_filter_too() {
    let home = Home::new();
    let mut daemon =
        Daemon::start(home.command(&["--log-format", "json", "demo", "--listen", "127.0.0.1:0"]));
    daemon.event("rotated");
    assert!(threads(daemon.pid()).iter().all(|thread| thread == "2"));
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn a_confined_daemon_does_all_that_it_does() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "[sandbox]\nlandlock = \"on\"\n");
    fs::create_dir(home.path().join("logs")).unwrap();
    let settings = settings(&sts, "[sandbox]\nlandlock = \"on\"\n[log]\nfile = ");
    let (log, old) = (home.path().join("logs/own.log"), home.path().join("logs/old.log"));
    home.put(SETTINGS, &format!("{settings}\"{}\"\n", log.display()));
    let pid_file = home.path().join("run/assumed.pid");
    fs::create_dir(home.path().join("run")).unwrap();
    let mut daemon = Daemon::start({
        let mut command = home.command(&["run", "--pid-file"]);
        command.arg(&pid_file);
        command
    });
    if !told_of_landlock(&mut daemon, &log) {
        return;
    }
    wait_for(&log, "event=\"rotated\"");

    let address = verb(&home, &["status", "--json"]).json()["listeners"][0]["address"].clone();
    let client = Client::new(address.as_str().unwrap().parse().unwrap());
    let key_id = client.key_id();
    verb(&home, &["refresh"]).well();
    assert_ne!(client.key_id(), key_id);
    for verbs in [&["lock"][..], &["unlock"], &["token", "create", "c1"]] {
        verb(&home, verbs).well();
    }
    assert!(pid_file.exists());
    let state: Vec<_> = fs::read_dir(home.state()).unwrap().flatten().collect();
    assert!(home.state().join("token.key").exists() && state.len() > 2, "{state:?}");
    fs::rename(&log, &old).unwrap();
    daemon.signal("-HUP");
    wait_for(&log, "settings read again");
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    assert!(!pid_file.exists(), "it takes its pid file with it");
    assert!(!home.path().join("assumed/control.sock").exists(), "and its socket");
}

fn told_of_landlock(daemon: &mut Daemon, log: &Path) -> bool {
    for _ in 0..1500 {
        let text = fs::read_to_string(log).unwrap_or_default() + &daemon.log();
        if text.contains("landlock=\"on") {
            return true;
        }
        if text.contains("cannot be had") {
            eprintln!("SKIPPED: this kernel has no Landlock: {text}");
            return false;
        }
        program::rest(std::time::Duration::from_millis(20));
    }
    panic!("no word on the sandbox");
}

#[test]
fn what_is_on_for_all_holds_a_command_to_our_directories() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, [elsewhere, state, temporary]) = writer(&home, "on");
    home.put(SETTINGS, &settings(&sts, &more));
    let Some(mut daemon) = confined(&home) else { return };
    daemon.event("rotated");
    assert!(state.exists() && temporary.exists());
    assert!(!elsewhere.exists(), "no command writes outside");
}

#[test]
fn a_configured_command_leaves_writing_free() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, places) = writer(&home, "auto");
    home.put(SETTINGS, &settings(&sts, &more));
    let mut daemon = Daemon::start(home.command(&RUN));
    let line = daemon.event("sandbox");
    assert_eq!(line["landlock"], "off, for a command is configured");
    assert_eq!(line["seccomp"], "on");
    daemon.event("rotated");
    assert!(places.iter().all(|place| place.exists()));
}

#[test]
fn a_reload_that_needs_more_than_the_sandbox_has_is_refused() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "");
    let Some(mut daemon) = confined(&home) else { return };
    daemon.event("rotated");
    let command = settings(&sts, "[events]\ncommand = [\"true\"]\n");
    let line = refused(&mut daemon, &home, &command);
    assert!(line["error"].as_str().unwrap().contains("a new command"), "{line}");
    assert_eq!(line["hint"], "this needs a restart, which looks anew");

    let log = home.path().join("own.log");
    let logged = settings(&sts, &format!("[log]\nfile = \"{}\"\n", log.display()));
    let line = refused(&mut daemon, &home, &logged);
    assert!(line["hint"].as_str().unwrap().contains("needs a restart"), "{line}");

    let line = refused(&mut daemon, &home, &settings(&sts, "[sandbox]\nlandlock = \"off\"\n"));
    assert_eq!(line["error"], "sandbox: cannot change while the daemon runs");

    home.put(SETTINGS, &settings(&sts, "eager = true\n"));
    daemon.signal("-HUP");
    assert_eq!(daemon.event("reload")["level"], "INFO", "all else is applied");
}

#[test]
fn a_command_under_exec_is_not_in_the_sandbox() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "");
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("rotated");
    let file = home.path().join("written");
    let script = format!("grep ^Seccomp: /proc/self/status; echo x >{}", file.display());
    let told = verb(&home, &["exec", "--", "/bin/sh", "-c", &script]).well();
    assert_eq!(told.trim(), format!("Seccomp:\t{}", own_seccomp()));
    assert!(file.exists());
}

#[test]
fn both_switches_off_leave_a_daemon_as_it_was() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "[sandbox]\nlandlock = \"off\"\nseccomp = false\n");
    let mut daemon = Daemon::start(home.command(&[&RUN[..], &["--log-level", "debug"]].concat()));
    let line = daemon.event("sandbox");
    assert_eq!((&line["landlock"], &line["seccomp"]), (&"off".into(), &"off".into()), "{line}");
    assert_eq!(line["level"], "DEBUG");
}
