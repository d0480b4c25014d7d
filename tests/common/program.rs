//! The program under test, as a user runs it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::PATIENCE;

/// Where the daemon finds its settings in a home.
pub const SETTINGS: &str = ".config/assumed/config.toml";

/// A home directory with nothing of ours in it.
#[derive(Debug)]
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.temporary("")).unwrap();
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A place for temporary files of its own: all of `/tmp` may be written from any sandbox.
    pub fn temporary(&self, name: &str) -> PathBuf {
        self.path().join("tmp").join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path().join(".local/state/assumed")
    }

    pub fn with_config(self, text: &str) -> Self {
        self.write(".aws/config", text)
    }

    pub fn with_credentials(self, text: &str) -> Self {
        self.write(".aws/credentials", text)
    }

    /// The daemon's own settings file.
    pub fn with_settings(self, text: &str) -> Self {
        self.write(SETTINGS, text)
    }

    fn write(self, name: &str, text: &str) -> Self {
        self.put(name, text);
        self
    }

    /// Writes a file as an editor does: aside, then renamed.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let aside = path.with_extension("new");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, path).unwrap();
    }

    /// A daemon for this profile that logs all it can, to be searched.
    pub fn traced(&self, profile: &str) -> Command {
        let mut command = self.command(&["--log-format", "json", "--log-level", "trace"]);
        command.args(["run", "--profile", profile, "--listen", "127.0.0.1:0"]);
        command
    }

    /// The program with this home and an otherwise empty environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assumed"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("TMPDIR", self.temporary(""))
            // Else a daemon of this machine's root could be meant.
            .env("ASSUMED_CONTROL", self.path().join("assumed/control.sock"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A run that came to its end by itself.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs it to its end, within the patience of a test.
    pub fn of(command: Command) -> Self {
        Daemon::start(command).wait()
    }

    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A running daemon that logs JSON.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
    secrets: Vec<String>,
}

impl Daemon {
    /// Starts it; the command should say `--log-format json`.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new(), secrets: Vec::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address it says that it serves.
    pub fn address(&mut self) -> SocketAddr {
        let line = self.event("listening");
        line["address"].as_str().unwrap().parse().unwrap()
    }

    /// The next log line of this event; what comes before it is passed over.
    pub fn event(&mut self, name: &str) -> Value {
        self.find(&format!("event {name}"), |line| line["event"] == name)
    }

    /// The next log line that `wanted` holds for.
    pub fn find(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {what} in the log:\n{}", self.log());
            };
            let value: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.seen.push(value.clone());
            if wanted(&value) {
                return value;
            }
        }
    }

    /// Every line so far.
    pub fn log(&mut self) -> String {
        let rest =
            self.lines.try_iter().map(|l| serde_json::from_str(&l).unwrap_or(Value::String(l)));
        self.seen.extend(rest);
        self.seen.iter().map(shown).collect()
    }

    /// Remembers what must not be found in the log.
    pub fn keeps_secret(&mut self, document: &Value) {
        for part in ["SecretAccessKey", "Token"] {
            self.secrets.extend(document[part].as_str().map(str::to_owned));
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it with this signal, waits, and searches all that it wrote.
    pub fn end(mut self, signal: &str) -> Ended {
        self.signal(signal);
        self.wait()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> Ended {
        let mut rounds = PATIENCE.as_millis() / 20;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            rounds = rounds.checked_sub(1).expect("the program ends in time");
            // Not time that is tested: wait(2) has no limit of its own.
            let _ = self.child.stdin.take();
            rest(Duration::from_millis(20));
        };
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        while let Ok(line) = self.lines.recv() {
            self.seen.push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
        }
        let stderr = self.seen.iter().map(shown).collect::<String>();
        for secret in &self.secrets {
            assert!(!stderr.contains(secret.as_str()), "a secret is in the log");
            assert!(!stdout.contains(secret.as_str()), "a secret is in the output");
        }
        Ended { status, stdout, stderr }
    }
}

fn shown(line: &Value) -> String {
    line.as_str().map_or_else(|| format!("{line}\n"), |text| format!("{text}\n"))
}

/// Waits for a word in a file that another process writes.
pub fn wait_for(path: &Path, word: &str) {
    let text = || fs::read_to_string(path).unwrap_or_default();
    for _ in 0..PATIENCE.as_millis() / 20 {
        if text().contains(word) {
            return;
        }
        rest(Duration::from_millis(20));
    }
    panic!("no {word:?} in {}:\n{}", path.display(), text());
}

/// Not time that is tested.
#[allow(clippy::disallowed_methods)]
pub fn rest(span: Duration) {
    std::thread::sleep(span);
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ends what a failed test leaves behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
