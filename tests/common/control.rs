//! The control socket, byte for byte, and the verbs that use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::PATIENCE;
use super::program::Home;

/// One answer of the socket.
#[derive(Debug, Clone)]
pub struct Told {
    pub status: u16,
    pub body: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends one request and reads its answer.
pub fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Told {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: control\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Told { status, body: body.to_owned() }
}

/// The events of the past, and those to come, until the daemon ends.
pub fn events(socket: &Path) -> impl Iterator<Item = String> + use<> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: control\r\n\r\n").unwrap();
    // Of the chunks that they come in, nothing else begins like this.
    BufReader::new(stream).lines().map_while(Result::ok).filter(|line| line.starts_with('{'))
}

/// A verb that was carried out.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Its output, where all went well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Its complaint, where it ended with this code.
    #[track_caller]
    pub fn ill(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "data goes with success");
        self.stderr
    }
}

/// A verb, in this home.
pub fn verb(home: &Home, arguments: &[&str]) -> Done {
    Done::of(&mut home.command(arguments))
}
