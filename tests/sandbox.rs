//! What the daemon forbids itself, on the whole program: that it is forbidden, to
//! commands too, and that all goes on that it does.

#![cfg(all(target_os = "linux", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

#[path = "sandbox/attempts.rs"]
mod attempts;
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assumed::emulator::{Mfa, Script};
use common::client::Client;
use common::command::until;
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

/// A confined daemon, and the process that starts its commands.
fn with_helper(home: &Home) -> Option<(Daemon, u32)> {
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("commands");
    let line = daemon.event("sandbox");
    if !line["landlock"].as_str().is_some_and(|word| word.starts_with("on")) {
        eprintln!("SKIPPED: this kernel has no Landlock: {line}");
        return None;
    }
    daemon.event("rotated");
    let [helper] = children(daemon.pid())[..] else { panic!("one helper, and nothing else") };
    Some((daemon, helper))
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn what_is_on_for_all_holds_a_command_to_our_directories() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, [elsewhere, state, temporary]) = writer(&home, "on");
    home.put(SETTINGS, &settings(&sts, &more));
    if with_helper(&home).is_some() {
        assert!(state.exists() && temporary.exists());
        assert!(!elsewhere.exists(), "no command writes outside");
    }
}

#[test]
fn a_configured_command_writes_freely_and_the_daemon_does_not() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, places) = writer(&home, "auto");
    home.put(SETTINGS, &settings(&sts, &more));
    let Some((daemon, helper)) = with_helper(&home) else { return };
    assert!(places.iter().all(|place| place.exists()));
    let [daemon, helper] = [daemon.pid(), helper].map(threads);
    assert!(daemon.iter().chain(&helper).all(|thread| thread == "2"), "{daemon:?} {helper:?}");
}

#[test]
fn the_helper_has_one_thread_and_no_descriptor_of_the_daemon() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, _) = writer(&home, "auto");
    home.put(SETTINGS, &settings(&sts, &more));
    let Some((daemon, helper)) = with_helper(&home) else { return };
    assert_eq!(threads(helper).len(), 1);
    let open = fs::read_dir(format!("/proc/{helper}/fd")).unwrap();
    let mut open: Vec<_> = open.map(|it| fs::read_link(it.unwrap().path()).unwrap()).collect();
    open.retain(|place| place != Path::new("/dev/null"));
    // To the daemon, and the two ends of what signals are noted in.
    let sockets = open.iter().filter(|it| it.to_string_lossy().starts_with("socket:")).count();
    assert_eq!((open.len(), sockets), (3, 3), "{open:?}");
    assert_eq!(fs::read_to_string(format!("/proc/{helper}/comm")).unwrap(), "assumed-command\n");
    daemon.signal("-HUP");
    for signal in ["-HUP", "-INT", "-TERM", "-USR1", "-USR2", "-QUIT"] {
        let kill = Command::new("kill").args([signal, &helper.to_string()]).status().unwrap();
        assert!(kill.success());
    }
    verb(&home, &["refresh"]).well();
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    until("the helper ends with the daemon", || !is_running(helper));
}

#[test]
fn a_helper_ends_with_a_daemon_that_is_killed_and_so_do_its_commands() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let pid_file = home.temporary("pid");
    let script = format!("echo $$ >{}; exec sleep 600", pid_file.display());
    let more = format!("mfa_serial = \"{SERIAL}\"\nmfa_command = [\"sh\", \"-c\", \"{script}\"]\n");
    home.put(SETTINGS, &settings(&sts, &more));
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("listening");
    wait_for(&pid_file, "\n");
    let command = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    let [helper] = children(daemon.pid())[..] else { panic!("one helper") };
    daemon.signal("-KILL");
    until("the helper ends", || !is_running(helper));
    until("the command ends", || !is_running(command));
}

/// A zombie runs no more, whoever has yet to wait for it.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn a_helper_that_is_killed_is_told_of_and_the_daemon_serves_on() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, _) = writer(&home, "auto");
    home.put(SETTINGS, &settings(&sts, &more));
    let Some((mut daemon, helper)) = with_helper(&home) else { return };
    let killed = Command::new("kill").args(["-KILL", &helper.to_string()]).status().unwrap();
    assert!(killed.success());
    let line = daemon.find("the end of the helper", |line| line["level"] == "ERROR");
    assert_eq!(line["event"], "commands", "{line}");
    until("it is waited for", || children(daemon.pid()).is_empty());
    // The MFA session serves on; a new code cannot be printed.
    verb(&home, &["lock", "--forget"]).well();
    verb(&home, &["unlock"]).well();
    let line = daemon.event("failed");
    let told = line["error"].as_str().unwrap();
    assert!(told.contains("mfa_command cannot be started: "), "{line}");
    assert!(line["hint"].as_str().unwrap().starts_with("restart the daemon"), "{line}");
    assert_eq!(verb(&home, &["status", "--json"]).code, Some(0));
}

#[test]
fn without_a_command_there_is_no_helper() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "");
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("rotated");
    assert_eq!(children(daemon.pid()), [] as [u32; 0]);
}

#[test]
fn a_command_has_no_sandbox_where_the_settings_say_so() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let status = home.temporary("status");
    let script = format!("cat /proc/self/status >{}; echo 314159", status.display());
    let more = format!(
        "mfa_serial = \"{SERIAL}\"\nmfa_command = [\"sh\", \"-c\", \"{script}\"]\n\
         [sandbox]\ncommands = false\n"
    );
    home.put(SETTINGS, &settings(&sts, &more));
    let mut daemon = Daemon::start(home.command(&RUN));
    assert_eq!(daemon.event("commands")["sandbox"], "landlock off, seccomp off");
    daemon.event("rotated");
    assert_eq!(seccomp(&status), own_seccomp());
    assert!(threads(daemon.pid()).iter().all(|thread| thread == "2"));
}

#[test]
fn a_command_inherits_no_descriptor_and_no_key_unless_it_is_a_credential_process() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let [of_code, of_process] = ["code", "process"].map(|name| home.temporary(name));
    let look = |file: &Path| format!("env >{0}; ls -l /proc/self/fd >>{0}; ", file.display());
    let printed = format!(
        "printf '{{\\\"Version\\\": 1, \\\"AccessKeyId\\\": \\\"{}\\\", \\\"SecretAccessKey\\\": \\\"{}\\\"}}'",
        assumed::emulator::DEMO_ACCESS_KEY_ID,
        assumed::emulator::DEMO_SECRET_ACCESS_KEY
    );
    home.put("print", &format!("{}{}", look(&of_process), printed.replace('\\', "")));
    let program = home.path().join("print");
    home.put(".aws/credentials", &format!("[me]\ncredential_process = sh {}\n", program.display()));
    let more = format!(
        "mfa_serial = \"{SERIAL}\"\nmfa_command = [\"sh\", \"-c\", \"{}echo 314159\"]\n",
        look(&of_code)
    );
    home.put(SETTINGS, &settings(&sts, &more));
    let keys = [
        "AWS_ACCESS_KEY_ID",
        "AWS_ACCESS_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ];
    let mut command = home.command(&RUN);
    command.envs(keys.map(|name| (name, "hush"))).env("SHELL_SAYS", "hello");
    let mut daemon = Daemon::start(command);
    daemon.event("rotated");
    let [of_code, of_process] = [of_code, of_process].map(|file| fs::read_to_string(file).unwrap());
    for seen in [&of_code, &of_process] {
        assert!(seen.contains("SHELL_SAYS=hello") && seen.contains("ASSUMED_INSIDE=1"), "{seen}");
        // Besides its own look at the directory.
        let open = seen.lines().filter(|line| line.contains(" -> ") && !line.contains("/fd"));
        assert_eq!(open.count(), 3, "{seen}");
    }
    assert!(!of_code.contains("hush"), "{of_code}");
    let told = keys.iter().filter(|name| of_process.contains(&format!("{name}=hush"))).count();
    assert_eq!(told, keys.len() - 1, "as the AWS CLI does, but the way back to us: {of_process}");
}

#[test]
fn a_reload_that_needs_more_than_the_sandbox_has_is_refused() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "");
    let Some(mut daemon) = confined(&home) else { return };
    daemon.event("rotated");
    let command = settings(&sts, "[events]\ncommand = [\"true\"]\n");
    let line = refused(&mut daemon, &home, &command);
    assert!(line["error"].as_str().unwrap().contains("started without a command"), "{line}");
    assert_eq!(line["hint"], "this needs a restart");

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
fn a_reload_may_bring_another_command_where_there_is_one_already() {
    let sts = Sts::start(codes());
    let home = home(&sts, "");
    let (more, _) = writer(&home, "auto");
    home.put(SETTINGS, &settings(&sts, &more));
    let Some((mut daemon, _)) = with_helper(&home) else { return };
    let other = home.path().join("other");
    let script = format!("echo x >{}; echo 271828", other.display());
    let line = format!("mfa_serial = \"{SERIAL}\"\nmfa_command = [\"sh\", \"-c\", \"{script}\"]\n");
    home.put(SETTINGS, &settings(&sts, &line));
    daemon.signal("-HUP");
    assert_eq!(daemon.event("reload")["level"], "INFO");
    daemon.event("rotated");
    verb(&home, &["lock", "--forget"]).well();
    verb(&home, &["unlock"]).well();
    // Answered after the attempt that unlocking began.
    verb(&home, &["refresh"]).well();
    assert!(other.exists());
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

/// Set for the process in which [`inside_the_daemons_sandbox`] does its work.
const INSIDE: &str = "SANDBOX_TEST_PLACE";

#[test]
fn code_in_the_daemon_gets_nothing_that_the_daemon_does_not_need() {
    let inside = tempfile::tempdir().unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inside_the_daemons_sandbox", "--ignored", "--nocapture"])
        .env(INSIDE, inside.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("SKIPPED") || told.contains("attempts in vain"), "{told}");
}

/// Runs in a process of its own, which is confined from then on.
#[test]
#[ignore = "confines the whole process: another test starts it"]
fn inside_the_daemons_sandbox() {
    let Some(place) = std::env::var_os(INSIDE).map(PathBuf::from) else { return };
    attempts::all(&place);
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
