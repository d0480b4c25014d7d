//! The verbs that steer a daemon, as a user types them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use assumed::emulator::{Role, Trust};
use common::client::Client;
use common::control::{Done, verb};
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

fn serving(home: &Home) -> (Daemon, std::net::SocketAddr) {
    let mut daemon = Daemon::start(home.command(&RUN));
    let address = daemon.address();
    daemon.event("rotated");
    (daemon, address)
}

/// Nobody may become anybody any more.
fn distrust(sts: &Sts) {
    let refused = Role { trust: Trust::Nobody, ..Role::default() };
    sts.emulator.script(|script| script.roles.others = Some(refused));
}

#[test]
fn where_no_daemon_runs_each_verb_says_how_to_start_one() {
    let home = Home::new();
    for arguments in [
        &["status"][..],
        &["status", "--watch"],
        &["roles"],
        &["use", "dev"],
        &["health"],
        &["refresh"],
        &["reload"],
        &["stop"],
        &["lock"],
        &["unlock"],
        &["env"],
        &["credential-process"],
    ] {
        let complaint = verb(&home, arguments).ill(69);
        assert!(complaint.starts_with("assumed: no daemon runs\nhint: start one: assumed run"));
    }
    let complaint = verb(&home, &["status", "--json"]).ill(69);
    let complaint: serde_json::Value = serde_json::from_str(&complaint).unwrap();
    assert_eq!((&complaint["exit"], &complaint["message"]), (&69.into(), &"no daemon runs".into()));
}

#[test]
fn a_daemon_that_is_steered_elsewhere_is_told_from_none() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let elsewhere = home.path().join("elsewhere.sock");
    let elsewhere = elsewhere.to_str().unwrap();
    let mut daemon = Daemon::start(home.command(&[&RUN[..], &["--control", elsewhere]].concat()));
    daemon.event("rotated");
    fs::remove_file(home.state().join("control.sock")).unwrap();
    let complaint = verb(&home, &["status"]).ill(69);
    let expected = format!("a daemon runs (pid {}, in ", daemon.pid());
    assert!(complaint.contains(&expected), "{complaint}");
    let by_variable =
        Done::of(home.command(&["status", "--short"]).env("ASSUMED_CONTROL", elsewhere));
    assert!(by_variable.well().starts_with("dev "));
    verb(&home, &["--control", elsewhere, "stop"]).well();
    daemon.wait();
}

#[test]
fn the_status_fits_a_terminal_and_is_the_same_in_json() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let table = verb(&home, &["status"]).well();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(!table.contains('\x1b'), "no colour where nobody looks");
    for words in [
        format!("listening     imds on {address}\n"),
        "role          dev\n".to_owned(),
        "identity      arn:aws:iam::123456789012:role/team/deploy\n".to_owned(),
        "source        profile me (keys)\n".to_owned(),
        "state         fresh: credentials are valid\n".to_owned(),
        "generation    1\n".to_owned(),
    ] {
        assert!(table.contains(&words), "{words}\n{table}");
    }
    assert!(verb(&home, &["status", "--short"]).well().starts_with("dev 59m"));
    let json = verb(&home, &["--json", "status"]).json();
    assert_eq!(json["pid"], daemon.pid());
    assert_eq!(json["roles"][0]["state"], "fresh");
    assert!(verb(&home, &["health"]).well().contains("dev is fresh, expires 20"));
    daemon.end("-TERM");
}

#[test]
fn a_refresh_waits_for_its_outcome_and_a_refusal_is_told_in_full() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let client = Client::new(address);
    let first = client.key_id();
    assert!(verb(&home, &["refresh"]).well().starts_with("dev: generation 2, expires "));
    let second = client.key_id();
    assert_ne!(second, first);
    assert_eq!(verb(&home, &["refresh", "dev", "--json"]).json()["generation"], 3);
    let complaint = verb(&home, &["refresh", "prod"]).ill(64);
    assert_eq!(complaint, "assumed: no role prod here\nhint: this daemon serves dev\n");

    let third = client.key_id();
    distrust(&sts);
    let complaint = verb(&home, &["refresh"]).ill(77);
    assert!(complaint.contains("AccessDenied") && complaint.contains("\nhint: "), "{complaint}");
    assert_eq!(client.key_id(), third, "what is valid stays");
    verb(&home, &["health"]).well();
    let table = verb(&home, &["status"]).well();
    assert!(table.contains("state         stale: ") && table.contains("\nneeds you "), "{table}");
    daemon.end("-TERM");
}

#[test]
fn the_roles_are_listed_and_the_active_one_is_used() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let table = verb(&home, &["roles"]).well();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("  NAME "), "{table}");
    assert!(lines[1].starts_with("* dev                       fresh    20"), "{table}");
    assert!(lines[1].contains("Z (in 59m ") && lines[2].starts_with("    arn:"), "{table}");
    assert!(table.contains("arn:aws:iam::123456789012:role/") && !table.contains('\x1b'));
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{table}");
    let json = verb(&home, &["roles", "--json"]).json();
    assert_eq!((&json["active"], &json["roles"][0]["name"]), (&"dev".into(), &"dev".into()));
    assert_eq!(verb(&home, &["use", "dev"]).well(), "dev is active\n");
    assert_eq!(verb(&home, &["use", "dev", "--json"]).json(), serde_json::json!({"active": "dev"}));
    let near = verb(&home, &["use", "dve"]).ill(64);
    assert_eq!(near, "assumed: no role dve here\nhint: did you mean dev?\n");
    let far = verb(&home, &["use", "prod"]).ill(64);
    assert_eq!(far, "assumed: no role prod here\nhint: this daemon serves dev\n");
    daemon.end("-TERM");
}

#[test]
fn health_has_an_exit_code_for_each_illness() {
    let sts = Sts::start(sessions_of(3600));
    distrust(&sts);
    let home = home(&sts);
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("failed");
    verb(&home, &["health"]).ill(77);
    verb(&home, &["health", "nobody"]).ill(64);
    verb(&home, &["credential-process"]).ill(77);
    assert_eq!(verb(&home, &["status", "--short"]).well(), "dev refused\n");
    verb(&home, &["lock"]).well();
    assert!(verb(&home, &["health"]).ill(69).contains("assumed unlock"));
    assert_eq!(verb(&home, &["status", "--short"]).well(), "dev locked\n");
    sts.emulator.script(|script| script.roles.others = Some(Role::default()));
    verb(&home, &["unlock"]).well();
    daemon.event("rotated");
    verb(&home, &["health"]).well();
    daemon.end("-TERM");
}

#[test]
fn a_reload_tells_what_changed_or_what_is_wrong() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let config = home.path().join("config.toml");
    fs::write(&config, "[imds]\nhttp_tokens = \"required\"\n").unwrap();
    let named = [&RUN[..], &["--config", config.to_str().unwrap()]].concat();
    let mut daemon = Daemon::start(home.command(&named));
    daemon.event("rotated");
    assert_eq!(verb(&home, &["reload"]).well(), "nothing changed\n");
    fs::write(&config, "[imds]\nhttp_tokens = \"optional\"\n").unwrap();
    assert_eq!(verb(&home, &["reload"]).well(), "imds\n");
    fs::write(&config, "[imds]\nhttp_tokens = \"perhaps\"\n").unwrap();
    let complaint = verb(&home, &["reload"]).ill(78);
    assert!(complaint.contains("config.toml:2:15: imds.http_tokens: not one of the choices"));
    daemon.end("-TERM");
}

#[test]
fn stop_returns_when_the_daemon_has_ended() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (mut daemon, _) = serving(&home);
    let pid = daemon.pid();
    assert_eq!(verb(&home, &["stop"]).well(), format!("stopped (pid {pid})\n"));
    verb(&home, &["status"]).ill(69);
    let ended = daemon.wait();
    assert_eq!(ended.code(), Some(0));
    assert!(ended.stderr.contains("every request in hand was answered"));
}

#[test]
fn env_is_what_a_shell_evaluates() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "eval \"$(\"$0\" env --shell sh)\"; env", env!("CARGO_BIN_EXE_assumed")])
        .env_clear()
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("AWS_PROFILE", "other")
        .env("AWS_ACCESS_KEY_ID", "AKIAOTHER");
    let environment = Done::of(&mut shell).well();
    let set = |line: &str| environment.lines().any(|found| found == line);
    assert!(set(&format!("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://{address}/")), "{environment}");
    assert!(set("AWS_REGION=eu-central-1"));
    assert!(!environment.contains("AKIAOTHER") && !environment.contains("AWS_PROFILE"));

    let fish = verb(&home, &["env", "--shell", "fish"]).well();
    assert!(fish.starts_with("set -gx AWS_REGION 'eu-central-1'\n"), "{fish}");
    let json = verb(&home, &["env", "dev", "--json"]).json();
    assert_eq!(json["AWS_REGION"], "eu-central-1");
    verb(&home, &["env", "prod"]).ill(64);

    let keys = verb(&home, &["env", "--keys", "--json"]).json();
    let served = Client::new(address).credentials().json();
    assert_eq!(keys["AWS_SESSION_TOKEN"], served["Token"]);
    daemon.end("-TERM");
}

#[test]
fn credential_process_prints_what_is_served_and_never_runs_in_a_loop() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let served = Client::new(address).credentials().json();
    let printed = verb(&home, &["credential-process"]).json();
    assert_eq!(printed["Version"], 1);
    assert_eq!(printed["AccessKeyId"], served["AccessKeyId"]);
    assert_eq!(printed["SecretAccessKey"], served["SecretAccessKey"]);
    assert_eq!(printed["SessionToken"], served["Token"]);
    assert_eq!(printed["Expiration"], served["Expiration"]);
    let inside = Done::of(home.command(&["credential-process"]).env("ASSUMED_INSIDE", "1"));
    assert!(inside.ill(64).contains("a loop"));
    daemon.end("-TERM");
}

#[test]
fn credential_process_waits_for_the_first_credentials() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("control");
    assert_eq!(verb(&home, &["credential-process"]).json()["Version"], 1);
    daemon.end("-TERM");
}

#[test]
fn a_state_directory_tells_one_daemon_from_another() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (first, _) = serving(&home);
    let other = home.path().join("other");
    let (socket, other) = (home.path().join("other.sock"), other.to_str().unwrap());
    let named = ["--state-dir", other, "--control", socket.to_str().unwrap()];
    let mut second = Daemon::start(home.command(&[&RUN[..], &named].concat()));
    second.event("rotated");
    let pid = |arguments: &[&str]| {
        let mut unnamed = home.command(arguments);
        Done::of(unnamed.env_remove("ASSUMED_CONTROL")).json()["pid"].as_u64()
    };
    assert_eq!(pid(&["status", "--json"]), Some(first.pid().into()));
    assert_eq!(pid(&["status", "--json", "--state-dir", other]), Some(second.pid().into()));
    first.end("-TERM");
    second.end("-TERM");
}

#[test]
fn a_verb_that_is_nearly_right_is_suggested() {
    let home = Home::new();
    let complaint = verb(&home, &["statsu"]).ill(64);
    assert!(complaint.contains("similar subcommand exists: 'status'"), "{complaint}");
}

#[test]
fn a_mistake_on_the_command_line_is_json_where_that_is_wanted() {
    let home = Home::new();
    let told = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&verb(&home, arguments).ill(64)).unwrap()
    };
    let wrong = told(&["--json", "statsu"]);
    assert_eq!(wrong["message"], "unrecognized subcommand 'statsu'");
    assert_eq!(wrong["hint"], "a similar subcommand exists: 'status'");
    assert_eq!(told(&["status", "dev", "--json"])["exit"], 64);
    // Beyond `--` it is the command's.
    assert!(
        verb(&home, &["exec", "--nonsense", "--", "x", "--json"]).ill(64).starts_with("error: ")
    );
}

#[test]
fn every_help_fits_a_terminal_and_has_an_example() {
    let home = Home::new();
    let help = verb(&home, &["--help"]).well();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty()).then(|| name.to_owned())
    });
    let verbs: Vec<String> = verbs.collect();
    assert!(verbs.len() > 20, "{help}");
    for name in verbs {
        let help = verb(&home, &[&name, "--help"]).well();
        assert_eq!(help.matches("Example: ").count(), 1, "{name}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}

#[test]
fn proxies_are_spared_the_tokens_of_a_shell() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let env = |more: &[&str], spared: &str| {
        let mut command = home.command(&[&["env", "--json"], more].concat());
        Done::of(command.env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", spared)).json()
    };
    assert_eq!(env(&[], "a.b")["NO_PROXY"], "a.b,127.0.0.1");
    assert_eq!(env(&["--container"], "")["no_proxy"], "127.0.0.1");
    assert_eq!(env(&[], "a.b, 127.0.0.1")["NO_PROXY"], "a.b, 127.0.0.1");
    assert!(env(&["--keys"], "a.b").get("NO_PROXY").is_none());
    daemon.end("-TERM");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = Home::new();
    let mut command = home.command(&["completions", "zsh"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn completions_know_the_verbs() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let text = verb(&home, &["completions", shell]).well();
        assert!(text.contains("credential-process") && text.contains("unlock"), "{shell}");
    }
}

/// The lines about one thing: grade and text.
fn told<'a>(report: &'a str, about: &str) -> Vec<(&'a str, &'a str)> {
    let fields = |line: &'a str| {
        let (grade, rest) = line.split_at_checked(6)?;
        let rest = rest.strip_prefix(about)?;
        Some((grade.trim(), rest.trim()))
    };
    report.lines().filter_map(fields).filter(|(grade, _)| !grade.is_empty()).collect()
}

#[test]
fn the_doctor_finds_nothing_wrong_where_all_is_well() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(home.path().join(".aws/credentials"), private).unwrap();
    let (daemon, address) = serving(&home);
    let examine = |more: &[&str]| {
        let mut command = home.command(&[&["doctor"], more].concat());
        // The doctor looks at what `run` would read here.
        command.env("AWS_PROFILE", "dev").env("AWS_EC2_METADATA_DISABLED", "true");
        Done::of(&mut command)
    };
    let report = examine(&[]).well();
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    assert_eq!(told(&report, "metadata")[0].0, "ok", "{report}");
    assert!(told(&report, "metadata")[0].1.contains(&format!("http://{address} lists deploy")));
    for about in ["daemon", "role", "files", "state", "sts", "clock"] {
        assert_eq!(told(&report, about)[0].0, "ok", "{about}: {report}");
    }
    let settings = told(&report, "settings");
    assert_eq!(settings[0], ("ok", "valid; role dev"));
    let rivals: Vec<&str> = settings[1..].iter().map(|(grade, _)| *grade).collect();
    assert_eq!(rivals, ["warn", "warn"], "the profile, and what is disabled: {report}");
    let asked = sts.emulator.asked().len();
    let offline = examine(&["--offline", "--json"]).json();
    assert!(offline["findings"].as_array().unwrap().iter().all(|one| one["grade"] != "fail"));
    assert_eq!(sts.emulator.asked().len(), asked);
    daemon.end("-TERM");
}

#[test]
fn the_doctor_believes_a_daemon_that_was_told_its_profile_by_a_flag() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let report = verb(&home, &["doctor"]).well();
    assert_eq!(told(&report, "settings")[0], ("ok", "valid; role dev"), "{report}");
    assert_eq!(told(&report, "sts")[0].0, "ok", "{report}");
    let status = verb(&home, &["status", "--json"]).json();
    assert!(status["clients"][0]["user_agent"].as_str().unwrap().starts_with("assumed-doctor/"));
    // What is wrong in the files by now is no illness of what runs.
    home.put(".aws/config", "[profile dev]\nrole_arn = nonsense\nsource_profile = me\n");
    let report = verb(&home, &["doctor", "--offline"]).well();
    assert_eq!(told(&report, "settings")[0].0, "warn", "{report}");
    daemon.end("-TERM");
    let report = verb(&home, &["doctor", "--offline", "--profile", "dev"]);
    assert_eq!(report.code, Some(78), "{report:?}");
}

#[test]
fn the_doctor_names_each_illness_and_ends_with_its_code() {
    let home = Home::new();
    let report = Done::of(home.command(&["doctor", "--offline"]).env("AWS_PROFILE", "gone"));
    assert_eq!(report.code, Some(78), "{report:?}");
    assert_eq!(told(&report.stdout, "settings")[0].0, "fail");

    let sts = Sts::start(sessions_of(3600));
    distrust(&sts);
    let home = self::home(&sts);
    let open = fs::Permissions::from_mode(0o666);
    fs::set_permissions(home.path().join(".aws/credentials"), open).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = home.path().join("config.toml");
    fs::write(&config, format!("roles = [\"profile:dev\"]\nlisten = [\"{address}\"]\n")).unwrap();
    let report = verb(&home, &["--config", config.to_str().unwrap(), "doctor"]);
    assert_eq!(report.code, Some(78), "that of the first failure: {report:?}");
    let report = report.stdout;
    assert_eq!(told(&report, "daemon"), [("warn", "no daemon runs")]);
    let listener = told(&report, "listener");
    assert_eq!(listener, [("fail", format!("another program has {address}").as_str())]);
    assert!(told(&report, "sts")[0].1.contains("dev, by http://127.0.0.1:"), "{report}");
    assert_eq!(told(&report, "sts")[0].0, "fail");
    let files: Vec<&str> = told(&report, "files").iter().map(|(grade, _)| *grade).collect();
    assert_eq!(files, ["fail", "warn"], "{report}");
}
