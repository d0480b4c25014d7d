//! A command that `exec` runs, seen from within, and asked for as an SDK would.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::client::{self, Answer};
use super::program::Home;

/// Asks as an SDK would that was told this URI and token.
pub fn credentials(uri: &str, token: &str) -> Answer {
    let rest = uri.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    );
    client::send(host.parse().unwrap(), &request)
}

/// A command that tells its environment and then waits.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    environment: Vec<(String, String)>,
}

impl Running {
    pub fn start(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let script = "env; echo; exec cat";
        let all = [&["exec"], arguments, &["--", "/bin/sh", "-c", script]].concat();
        let mut command = home.command(&all);
        command.stdin(Stdio::piped()).envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let environment = lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())))
            .collect();
        Self { child, environment }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.environment.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn ask(&self) -> Answer {
        let uri = self.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap();
        credentials(uri, self.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap())
    }

    pub fn token_file(&self) -> PathBuf {
        self.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").unwrap().into()
    }

    pub fn end(mut self) -> String {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        told
    }
}

/// Waits for what the daemon does by itself when a process has ended.
#[allow(clippy::disallowed_methods)]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if is() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{what}");
}
