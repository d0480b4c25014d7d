//! Consumers of the container endpoint as a user makes them: `exec`, `token`,
//! `env --container`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::client::{self, Client};
use common::command::{Running, credentials, until};
use common::control::{Done, ask, verb};
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};
use serde_json::Value;

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

fn serving(home: &Home) -> (Daemon, SocketAddr) {
    let mut daemon = Daemon::start(home.command(&RUN));
    let address = daemon.address();
    daemon.event("rotated");
    (daemon, address)
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("assumed/control.sock")
}

fn consumers(home: &Home) -> Vec<String> {
    let list = ask(&socket(home), "GET", "/v1/tokens", "").json();
    let names = list["tokens"].as_array().unwrap().iter();
    names.map(|token| token["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_command_gets_what_an_sdk_needs_and_never_a_key() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, address) = serving(&home);
    let mine = [
        ("AWS_ACCESS_KEY_ID", "AKIAMINE"),
        ("AWS_PROFILE", "me"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/x"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("NO_PROXY", "example.com"),
    ];
    let running = Running::start(&home, &["dev"], &mine);
    let served = Client::new(address).credentials().json();
    let answer = running.ask();
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.json()["AccessKeyId"], served["AccessKeyId"]);

    assert_eq!(running.get("AWS_REGION"), Some("eu-central-1"));
    assert_eq!(running.get("AWS_EC2_METADATA_DISABLED"), Some("true"));
    assert_eq!(running.get("NO_PROXY"), Some("example.com,127.0.0.1"));
    for gone in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        assert_eq!(running.get(gone), None, "{gone}");
    }
    let file = running.token_file();
    assert_eq!(
        fs::read_to_string(&file).ok().as_deref(),
        running.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    );
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);

    // It is the process that was registered, and nothing of it shows a key.
    let pid = running.child.id();
    for part in ["environ", "cmdline"] {
        let bytes = fs::read(format!("/proc/{pid}/{part}")).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["AccessKeyId", "SecretAccessKey", "Token"] {
            assert!(!text.contains(served[secret].as_str().unwrap()), "{part}");
        }
    }
    assert!(consumers(&home)[0].starts_with(&format!("exec-{pid}-")), "{:?}", consumers(&home));
    assert_eq!(running.end(), "", "nothing to tell");
    daemon.end("-TERM");
}

#[test]
fn the_exit_status_is_the_commands_own() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    assert_eq!(verb(&home, &["exec", "--", "/bin/sh", "-c", "exit 42"]).code, Some(42));
    assert_eq!(verb(&home, &["exec", "--", "/bin/sh", "-c", "kill -9 $$"]).code, None);
    assert!(verb(&home, &["exec", "--", "/nonexistent"]).ill(127).contains("/nonexistent"));
    assert!(!verb(&home, &["exec", "--", "/etc/passwd"]).ill(126).is_empty());
    assert!(
        verb(&home, &["exec", "prod", "--", "/bin/true"]).ill(64).contains("no role prod here")
    );
    let inside = Done::of(home.command(&["exec", "--", "/bin/true"]).env("ASSUMED_INSIDE", "1"));
    assert!(inside.ill(64).contains("a loop"));
    daemon.end("-TERM");
}

#[test]
fn token_and_file_go_with_the_process_however_it_ends() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let (one, mut other) = (Running::start(&home, &[], &[]), Running::start(&home, &[], &[]));
    assert_eq!(consumers(&home).len(), 2);
    let files = [one.token_file(), other.token_file()];
    let uri = one.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap().to_owned();
    let token = one.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap().to_owned();
    one.end();
    until("the first is gone", || consumers(&home).len() == 1);
    assert_eq!(credentials(&uri, &token).status, 401);
    assert_eq!(other.ask().status, 200);
    other.child.kill().unwrap();
    other.child.wait().unwrap();
    until("both are gone", || consumers(&home).is_empty());
    until("their files too", || files.iter().all(|file| !file.parent().unwrap().exists()));
    daemon.end("-TERM");
}

#[test]
fn a_command_outlives_the_daemons_death_and_its_token_does_not_outlive_it() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let (lives, mut dies) = (Running::start(&home, &[], &[]), Running::start(&home, &[], &[]));
    daemon.end("-KILL");
    let left = dies.token_file();
    dies.child.kill().unwrap();
    dies.child.wait().unwrap();
    assert!(left.exists(), "nobody is there to take it back");

    let (daemon, _) = serving(&home);
    until("the dead one is gone", || consumers(&home).len() == 1 && !left.exists());
    assert_eq!(lives.ask().status, 200, "the same URI, the same token");
    let kept = lives.token_file();
    lives.end();
    until("and then the other", || consumers(&home).is_empty() && !kept.exists());
    daemon.end("-TERM");
}

#[test]
fn a_program_that_is_replaced_twice_has_one_token() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let program = env!("CARGO_BIN_EXE_assumed");
    let running = Running::start(&home, &["--", program, "exec"], &[]);
    assert_eq!(consumers(&home).len(), 1);
    assert_eq!(running.ask().status, 200);
    running.end();
    daemon.end("-TERM");
}

#[test]
fn a_default_profile_with_keys_is_hidden_and_that_is_said() {
    let sts = Sts::start(sessions_of(3600));
    let (config, credentials) = stand::profile(&sts);
    let keys = stand::keys("default");
    let home = Home::new().with_config(&config).with_credentials(&format!("{credentials}{keys}"));
    let (daemon, _) = serving(&home);
    let running = Running::start(&home, &[], &[]);
    let copy = PathBuf::from(running.get("AWS_SHARED_CREDENTIALS_FILE").unwrap());
    let text = fs::read_to_string(&copy).unwrap();
    assert!(text.contains("[default]") && text.contains("[me]"), "{text}");
    assert_eq!(text.matches("aws_secret_access_key").count(), 1, "that of the other profile");
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
    assert_eq!(running.get("AWS_CONFIG_FILE"), None, "nothing to hide there");
    assert!(running.end().contains("the command sees a copy without them"));
    until("the copy goes too", || !copy.exists());
    daemon.end("-TERM");
}

#[test]
fn without_a_daemon_one_is_there_for_as_long_as_the_command_runs() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let running = Running::start(&home, &["dev"], &[]);
    let answer = running.ask();
    assert_eq!(answer.status, 200, "{}", answer.head);
    verb(&home, &["status"]).ill(69);
    let uri = running.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap().to_owned();
    let address: SocketAddr = uri["http://".len()..].split('/').next().unwrap().parse().unwrap();
    running.end();
    until("the daemon is gone", || std::net::TcpStream::connect(address).is_err());

    let given = home.path().join("assumed/consumers");
    until("nothing is left of it", || !given.exists());
    let complaint = verb(&home, &["exec", "gone", "--", "/bin/true"]).ill(78);
    assert!(complaint.contains("there is no such profile"), "{complaint}");
    let complaint = verb(&home, &["exec", "--", "/bin/true"]).ill(78);
    assert!(complaint.ends_with("hint: name a profile: assumed exec NAME -- ...\n"), "{complaint}");
}

#[test]
fn without_a_daemon_a_table_of_the_settings_is_a_role_too() {
    let sts = Sts::start(sessions_of(3600));
    let table = |name: &str| {
        format!(
            "[role.{name}]\nrole_arn = \"arn:aws:iam::123456789012:role/{name}\"\n\
             source_profile = \"me\"\nregion = \"eu-central-1\"\nprotected = true\n"
        )
    };
    // Listeners and callers are no matter of a daemon for one process.
    let settings = format!(
        "listen = [{{ address = \"127.0.0.1:0\", role = \"ops\" }}]\n\
         [sts]\nendpoint_url = \"{}\"\n{}{}[[access]]\nroles = []\n",
        sts.emulator.endpoint_url(),
        table("ops"),
        table("team"),
    );
    let home = Home::new().with_credentials(&stand::keys("me")).with_settings(&settings);
    let running = Running::start(&home, &["team"], &[]);
    let answer = running.ask();
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.json()["RoleArn"], "arn:aws:iam::123456789012:role/team");
    running.end();
}

#[test]
fn nothing_is_left_where_both_were_killed_once_somebody_comes_again() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let temporary = home.temporary("");
    let mut running = Running::start(&home, &["dev"], &[]);
    let left = running.token_file();
    let folder = || fs::read_dir(&temporary).unwrap().next().map(|entry| entry.unwrap().path());
    let lock = folder().unwrap().join("lock");
    let pid = fs::read_to_string(&lock).unwrap();
    let killed = std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    assert!(killed.success());
    until("it is dead", || fs::File::open(&lock).unwrap().try_lock_shared().is_ok());
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(left.exists() && folder().is_some());
    let again = Running::start(&home, &["dev"], &[]);
    assert!(!left.exists());
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1, "the living one's");
    again.end();
    until("and then nothing", || folder().is_none());
}

/// They are for the process that the service manager started, which the command is.
#[test]
fn what_the_service_manager_says_is_for_the_command_and_not_for_a_private_daemon() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let path = home.path().join("notify.sock");
    let heard = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    heard.set_nonblocking(true).unwrap();
    let told = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "2000000"),
        ("LISTEN_FDS", "1"),
    ];
    let running = Running::start(&home, &["dev"], &told);
    assert_eq!(running.ask().status, 200);
    assert_eq!(running.get("NOTIFY_SOCKET"), path.to_str());
    // The private daemon is the one whose command line names this process.
    let own = format!("--for-process\0{}\0", running.child.id());
    let daemon = fs::read_dir("/proc").unwrap().flatten().find(|entry| {
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&own))
    });
    let environ = fs::read(daemon.expect("a private daemon").path().join("environ"));
    // Hardened, it shows its environment to root at best.
    let environ = environ.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    for (name, _) in told {
        assert!(environ.as_ref().map_or(true, |text| !text.contains(name)), "{name}");
    }
    running.end();
    assert!(heard.recv(&mut [0; 64]).is_err(), "nobody spoke in the command's name");
}

#[test]
fn a_consumer_made_by_hand_outlives_a_restart_until_it_is_revoked() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let told = verb(&home, &["token", "create", "ci", "--json"]).json();
    let environment = &told["environment"];
    let uri = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].as_str().unwrap().to_owned();
    let token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"].as_str().unwrap().to_owned();
    let file = home.path().join("token");
    let mut create = home.command(&["token", "create", "filed", "--file", "token"]);
    let told = Done::of(create.current_dir(home.path())).well();
    assert!(told.contains(&format!("TOKEN_FILE={}\n", file.display())), "{told}");
    let filed = fs::read_to_string(&file).unwrap();
    assert!(!told.contains(&filed) && filed.len() == 43 && !filed.ends_with('\n'));
    assert!(verb(&home, &["token", "create", "ci"]).ill(64).contains("exists already"));
    assert!(verb(&home, &["token", "create", "exec-1-1"]).ill(64).contains("those of processes"));
    daemon.end("-TERM");

    let (daemon, _) = serving(&home);
    assert_eq!(credentials(&uri, &token).status, 200);
    assert_eq!(credentials(&uri, &filed).status, 200);
    let list = verb(&home, &["token", "list"]).well();
    assert!(
        list.contains("\nci ") && list.contains("\nfiled ") && !list.contains(&token),
        "{list}"
    );
    let told = verb(&home, &["token", "create", "ci", "--replace", "--json"]).json();
    assert_eq!(credentials(&uri, &token).status, 401, "the earlier one has ended");
    let token = told["environment"]["AWS_CONTAINER_AUTHORIZATION_TOKEN"].as_str().unwrap();
    assert_eq!(credentials(&uri, token).status, 200);
    verb(&home, &["token", "create", "new", "--replace"]).well();
    verb(&home, &["token", "revoke", "ci"]).well();
    assert_eq!(credentials(&uri, token).status, 401);
    assert!(verb(&home, &["token", "revoke", "ci"]).ill(64).contains("no consumer ci here"));
    for entry in fs::read_dir(home.state()).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(&filed), "only digests are kept");
    }
    daemon.end("-TERM");
}

#[test]
fn a_consumer_in_the_path_and_one_for_a_shell() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let shell: Value = verb(&home, &["env", "--container", "--json"]).json();
    let uri = shell["AWS_CONTAINER_CREDENTIALS_FULL_URI"].as_str().unwrap();
    let token = shell["AWS_CONTAINER_AUTHORIZATION_TOKEN"].as_str().unwrap();
    assert_eq!(credentials(uri, token).status, 200);

    let line = verb(&home, &["token", "create", "old", "--path", "--lifetime", "1h"]).well();
    let path = line.trim().strip_prefix("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=").unwrap();
    let host = uri["http://".len()..].split('/').next().unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert_eq!(client::send(host.parse().unwrap(), &request).status, 200);
    daemon.end("-TERM");
}

#[test]
fn a_locked_daemon_gives_nobody_anything() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let running = Running::start(&home, &[], &[]);
    verb(&home, &["lock"]).well();
    assert_eq!(running.ask().status, 403);
    verb(&home, &["exec", "--", "/bin/true"]).ill(69);
    verb(&home, &["unlock"]).well();
    until("it serves again", || running.ask().status == 200);
    running.end();
    daemon.end("-TERM");
}

#[test]
fn only_the_caller_itself_can_be_registered() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let told = ask(&socket(&home), "POST", "/v1/tokens", "{\"process\":true}").json();
    let own = format!("exec-{}-", std::process::id());
    assert!(told["name"].as_str().unwrap().starts_with(&own), "{told}");
    let folder = told["folder"].as_str().unwrap();
    assert!(Path::new(folder).join("token").exists());
    let told = ask(
        &socket(&home),
        "DELETE",
        &format!("/v1/tokens/{}", told["name"].as_str().unwrap()),
        "",
    );
    assert_eq!(told.status, 200);
    assert!(!Path::new(folder).exists());
    daemon.end("-TERM");
}

#[test]
fn a_port_that_somebody_else_took_meanwhile_costs_its_tokens() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let (daemon, _) = serving(&home);
    let told = verb(&home, &["token", "create", "ci", "--json"]).json();
    verb(&home, &["token", "create", "old", "--path"]).well();
    let uri = told["environment"]["AWS_CONTAINER_CREDENTIALS_FULL_URI"].as_str().unwrap();
    let token = told["environment"]["AWS_CONTAINER_AUTHORIZATION_TOKEN"].as_str().unwrap();
    let host = uri["http://".len()..].split('/').next().unwrap();
    daemon.end("-TERM");
    // Whoever listens here is sent the token of `ci`.
    let other = std::net::TcpListener::bind(host).unwrap();

    let mut daemon = Daemon::start(home.command(&RUN));
    let warning = daemon.event("port");
    assert_eq!(warning["level"], "WARN", "{warning}");
    assert_eq!(
        (&warning["port"], &warning["revoked"]),
        (&other.local_addr().unwrap().port().into(), &1.into())
    );
    let instead = warning["instead"].as_str().unwrap().to_owned();
    daemon.event("rotated");
    assert_eq!(credentials(&uri.replace(host, &instead), token).status, 401, "he has seen it");
    assert_eq!(consumers(&home), ["old"], "those in the path ask elsewhere");
    let anew = verb(&home, &["token", "create", "ci", "--json"]).json();
    let uri = anew["environment"]["AWS_CONTAINER_CREDENTIALS_FULL_URI"].as_str().unwrap();
    assert!(uri.contains(&instead), "{uri}");
    daemon.end("-TERM");
    let (daemon, _) = serving(&home);
    let token = anew["environment"]["AWS_CONTAINER_AUTHORIZATION_TOKEN"].as_str().unwrap();
    assert_eq!(credentials(uri, token).status, 200, "the new port is the one that stays");
    daemon.end("-TERM");
}
