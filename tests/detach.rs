//! `--daemon`, as a shell sees it: what is told, with which code, and what is
//! left behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::channel;

use assumed::emulator::{Code, Fault};
use common::PATIENCE;
use common::client::{Client, ROLE_LIST};
use common::program::{Daemon, Ended, Home, wait_for};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 8] =
    ["run", "--profile", "dev", "--listen", "127.0.0.1:0", "--daemon", "--pid-file", "run.pid"];

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

/// Starts it from the home directory, which relative paths then mean.
fn shell(home: &Home, more: &[&str]) -> Ended {
    Ended::of(command(home, more))
}

fn command(home: &Home, more: &[&str]) -> Command {
    let mut command = home.command(&RUN);
    command.args(more).current_dir(home.path());
    command
}

fn pid_file(home: &Home) -> PathBuf {
    home.path().join("run.pid")
}

/// A daemon that no test waits for: it is no child of ours.
struct Detached<'a> {
    home: &'a Home,
    pid: String,
    address: SocketAddr,
}

impl<'a> Detached<'a> {
    fn start(home: &'a Home, more: &[&str]) -> Self {
        let ended = shell(home, more);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let pid = fs::read_to_string(pid_file(home)).unwrap().trim().to_owned();
        let words = &ended.stderr;
        assert!(words.contains(&format!("(pid {pid})")), "{words}");
        let address = words.split("http://").nth(1).unwrap().split(' ').next().unwrap();
        Self { home, pid, address: address.parse().unwrap() }
    }

    fn signal(&self, name: &str) {
        kill(name, &self.pid);
    }

    /// Ends it, and waits for the lock that it holds to the last.
    fn end(self, signal: &str) {
        self.signal(signal);
        assert_free(self.home);
        assert!(!pid_file(self.home).exists());
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        // Ends what a failed test leaves behind; the pid cannot be another's while it holds the file.
        if fs::read_to_string(pid_file(self.home)).is_ok_and(|text| text.trim() == self.pid) {
            let _ = Command::new("kill").args(["-KILL", &self.pid]).status();
        }
    }
}

/// Waits until nobody holds the lock of this home's state directory.
fn assert_free(home: &Home) {
    let Ok(lock) = File::open(home.state().join("lock")) else { return };
    let (sender, free) = channel();
    std::thread::spawn(move || sender.send(lock.lock()));
    free.recv_timeout(PATIENCE).expect("the daemon ends in time").unwrap();
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.state().join("assumed.log")).unwrap_or_default()
}

fn assert_nothing_is_left(home: &Home) {
    assert_free(home);
    assert!(!pid_file(home).exists(), "a pid file is left");
}

#[test]
fn the_shell_goes_on_when_credentials_are_served() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = Detached::start(&home, &[]);
    let client = Client::new(daemon.address);
    assert_eq!(client.get(ROLE_LIST).text(), "deploy");
    let document = client.credentials();
    assert_eq!(document.json()["Code"], "Success", "without any wait");
    assert_eq!(sts.emulator.total(), 1);
    let lock = fs::read_to_string(home.state().join("lock")).unwrap();
    assert_eq!(lock.trim(), daemon.pid, "the lock names the daemon, not the shell's process");
    daemon.end("-TERM");
    let log = log(&home);
    assert!(log.contains("listening") && log.contains("stopped"), "{log}");
    let secret = document.json()["SecretAccessKey"].as_str().unwrap().to_owned();
    assert!(!log.contains(&secret));
}

#[cfg(target_os = "linux")]
#[test]
fn it_leaves_session_terminal_and_directory_behind() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = Detached::start(&home, &[]);
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid)).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // Fields 6 and 7 of proc_pid_stat(5).
    let (session, terminal) = (fields[3], fields[4]);
    let own = fs::read_to_string("/proc/self/stat").unwrap();
    let own = own.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap().to_owned();
    assert_ne!(session, own);
    assert_ne!(session, daemon.pid, "not the leader, so that no terminal can become its own");
    assert_eq!(terminal, "0");
    let mask = fs::read_to_string(format!("/proc/{}/status", daemon.pid)).unwrap();
    assert!(mask.contains("Umask:\t0077"), "{mask}");
    daemon.end("-INT");
}

#[test]
fn a_refusal_ends_with_77_and_the_code_of_sts() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.roles.others = None);
    let home = home(&sts);
    let ended = shell(&home, &[]);
    assert_eq!(ended.code(), Some(77), "{}", ended.stderr);
    for word in ["AccessDenied", "hint: ", "assumed.log"] {
        assert!(ended.stderr.contains(word), "no {word} in {}", ended.stderr);
    }
    assert_nothing_is_left(&home);
    assert!(log(&home).contains("AccessDenied"));
    let told = shell(&home, &["--json"]).stderr;
    let told: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(told["exit"], 77);
    assert!(told["message"].as_str().unwrap().contains("AccessDenied"), "{told}");
    assert!(told["hint"].as_str().unwrap().contains("assumed.log"), "{told}");
}

#[test]
fn nothing_in_time_ends_with_69_and_the_reason() {
    let sts = Sts::start(sessions_of(3600));
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::ServiceUnavailable)));
    let home = home(&sts).with_settings("ready_timeout = \"1s\"\n");
    let ended = shell(&home, &[]);
    assert_eq!(ended.code(), Some(69), "{}", ended.stderr);
    for word in ["no credentials within 1 s", "ServiceUnavailable"] {
        assert!(ended.stderr.contains(word), "no {word} in {}", ended.stderr);
    }
    assert_nothing_is_left(&home);
}

/// A shell that waits for a daemon whose first attempt hangs, and that daemon's pid.
fn waiting(sts: &Sts, home: &Home) -> (Daemon, String) {
    sts.emulator.script(|script| script.standing = Some(Fault::Hang));
    let shell = Daemon::start(command(home, &[]));
    sts.reached(1);
    (shell, fs::read_to_string(pid_file(home)).unwrap().trim().to_owned())
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

#[test]
fn a_daemon_that_dies_without_a_word_is_told_of() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (mut shell, pid) = waiting(&sts, &home);
    kill("-KILL", &pid);
    let ended = shell.wait();
    assert_eq!(ended.code(), Some(70), "{}", ended.stderr);
    assert!(ended.stderr.contains("died before it served"), "{}", ended.stderr);
}

#[test]
fn a_daemon_that_is_stopped_before_it_serves_says_so() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (mut shell, pid) = waiting(&sts, &home);
    kill("-TERM", &pid);
    let ended = shell.wait();
    assert_eq!(ended.code(), Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains("before the first credentials"), "{}", ended.stderr);
    assert_nothing_is_left(&home);
}

#[test]
fn a_shell_that_gives_up_waiting_leaves_no_daemon_behind() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (shell, _) = waiting(&sts, &home);
    shell.end("-INT");
    // The attempt that hangs ends by itself, and so does the daemon when the next one brings credentials.
    sts.emulator.script(|script| script.standing = None);
    assert_nothing_is_left(&home);
}

#[test]
fn wrong_settings_end_with_78_before_anything_is_detached() {
    let home = Home::new().with_config("[profile dev]\nregion = moon\n");
    let ended = shell(&home, &[]);
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains(".aws/config:"), "{}", ended.stderr);
    assert!(!home.state().exists());
    assert_nothing_is_left(&home);
}

#[test]
fn a_second_instance_is_told_the_daemons_pid() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = Detached::start(&home, &[]);
    let second = shell(&home, &[]);
    assert_eq!(second.code(), Some(69));
    assert!(second.stderr.contains(&format!("(pid {})", daemon.pid)), "{}", second.stderr);
    assert!(pid_file(&home).exists(), "the first one's pid file stays");
    assert_eq!(Client::new(daemon.address).credentials().status, 200);
    daemon.end("-TERM");
}

#[test]
fn a_taken_port_is_told_in_the_terminal() {
    let sts = Sts::start(sessions_of(3600));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = home(&sts);
    let ended = shell(&home, &["--listen", &address]);
    assert_eq!(ended.code(), Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
    assert_nothing_is_left(&home);
}

#[test]
fn places_that_cannot_be_written_end_with_78() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    for flag in ["--pid-file", "--log-file"] {
        let mut command = home.command(&["run", "--profile", "dev", "--daemon"]);
        command.args(["--listen", "127.0.0.1:0", flag, "gone/file"]).current_dir(home.path());
        let ended = Ended::of(command);
        assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
        assert!(ended.stderr.contains("gone/file"), "{}", ended.stderr);
        assert!(ended.stderr.contains(flag), "the hint names {flag}: {}", ended.stderr);
        assert_nothing_is_left(&home);
    }
}

#[test]
fn a_service_manager_keeps_what_it_started() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut command = command(&home, &[]);
    command.env("NOTIFY_SOCKET", "/run/systemd/notify");
    let ended = Ended::of(command);
    assert_eq!(ended.code(), Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: leave --daemon out"), "{}", ended.stderr);
    assert_eq!(sts.emulator.total(), 0);
}

#[test]
fn relative_paths_mean_the_directory_of_the_start() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    home.put("settings.toml", "[imds]\nhttp_tokens = \"optional\"\n");
    let more = ["--config", "settings.toml", "--state-dir", "state", "--log-file", "own.log"];
    let daemon = Detached::start(&home, &more);
    let at = |name: &str| home.path().join(name);
    assert!(at("state/token.key").exists() && at("own.log").exists());
    daemon.signal("-HUP");
    wait_for(&at("own.log"), "nothing changed");
    fs::remove_file(at("settings.toml")).unwrap();
    daemon.signal("-HUP");
    wait_for(&at("own.log"), "there is no such file");
    daemon.signal("-TERM");
    wait_for(&at("own.log"), "stopped");
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = Detached::start(&home, &[]);
    let (now, old) = (home.state().join("assumed.log"), home.state().join("assumed.log.1"));
    fs::rename(&now, &old).unwrap();
    daemon.signal("-HUP");
    wait_for(&now, "settings read again");
    daemon.end("-TERM");
    assert!(fs::read_to_string(&now).unwrap().contains("stopped"));
    assert!(!fs::read_to_string(&old).unwrap().contains("stopped"));
}

#[test]
fn a_reload_keeps_the_credentials_of_a_daemon_whose_name_holds_its_pid() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = Detached::start(&home, &["--session-name", "pid-{pid}"]);
    daemon.signal("-HUP");
    wait_for(&home.state().join("assumed.log"), "nothing changed");
    let asked = sts.emulator.asked();
    assert_eq!(asked.len(), 1);
    assert!(format!("{asked:?}").contains(&format!("pid-{}", daemon.pid)), "{asked:?}");
    daemon.end("-TERM");
}
