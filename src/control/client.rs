//! The verbs' end of the socket: one order, one answer, no runtime.
//!
//! Tells why no daemon answers: none listens, or this user may not.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use super::refusal::{Code, Refusal};

/// How long an answer may take: longer than anything the daemon waits for.
const PATIENCE: Duration = Duration::from_secs(130);
/// No answer is larger.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Silence {
    /// No socket is at any of these places, or nobody listens on it.
    #[error("no daemon answers")]
    Nobody(Vec<PathBuf>),
    /// The system keeps this user away from a socket that is there.
    #[error("{}: {cause}", .path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The conversation broke off.
    #[error("the daemon on {} did not answer: {cause}", .path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What happened.
        cause: io::Error,
    },
}

/// Where a daemon listens.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

/// What a daemon said.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    body: Zeroizing<Vec<u8>>,
}

impl Client {
    /// The first of these places at which somebody listens.
    ///
    /// # Errors
    /// [`Silence::Nobody`], or [`Silence::Closed`] where there may be somebody.
    pub fn find(places: Vec<PathBuf>) -> Result<Self, Silence> {
        for path in &places {
            match UnixStream::connect(path) {
                Ok(_) => return Ok(Self { path: path.clone() }),
                Err(error) if is_nobody(&error) => {}
                Err(cause) => return Err(Silence::Closed { path: path.clone(), cause }),
            }
        }
        Err(Silence::Nobody(places))
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub fn get(&self, path: &str) -> Result<Answer, Silence> {
        self.ask("GET", path, &[])
    }

    /// Gives an order.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub fn post(&self, path: &str, members: &impl Serialize) -> Result<Answer, Silence> {
        self.tell("POST", path, members)
    }

    /// Puts something in the place of what was there.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub fn put(&self, path: &str, members: &impl Serialize) -> Result<Answer, Silence> {
        self.tell("PUT", path, members)
    }

    /// Has something removed.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub fn delete(&self, path: &str) -> Result<Answer, Silence> {
        self.ask("DELETE", path, &[])
    }

    fn tell(&self, method: &str, path: &str, members: &impl Serialize) -> Result<Answer, Silence> {
        let body =
            serde_json::to_vec(members).map_err(|error| self.broken(io::Error::other(error)))?;
        self.ask(method, path, &body)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, Silence> {
        self.exchange(method, path, body).map_err(|cause| self.broken(cause))
    }

    fn broken(&self, cause: io::Error) -> Silence {
        Silence::Broken { path: self.path.clone(), cause }
    }

    fn exchange(&self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        stream.take(MOST_BYTES).read_to_end(&mut bytes)?;
        parse(&bytes)
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
    )
}

fn parse(bytes: &[u8]) -> io::Result<Answer> {
    let broken = || io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP");
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else {
        return Err(broken());
    };
    let told = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let told = told.and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok());
    let body = bytes.get(length..).unwrap_or_default();
    if told != Some(body.len()) {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the answer is cut off"));
    }
    let status = head.code.ok_or_else(broken)?;
    Ok(Answer { status, body: Zeroizing::new(body.to_vec()) })
}

impl Answer {
    /// The body of a success.
    ///
    /// # Errors
    /// What the daemon said instead.
    pub fn body(&self) -> Result<&[u8], Refusal> {
        if self.status == 200 {
            return Ok(&self.body);
        }
        Err(serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            Refusal::new(Code::Bug, format!("the daemon answered {}", self.status))
                .hint("is it of the same version?")
        }))
    }

    /// The body of a success, read.
    ///
    /// # Errors
    /// What the daemon said instead, or that it makes no sense.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        // The error could quote what must not be seen.
        serde_json::from_slice(self.body()?).map_err(|_| {
            Refusal::new(Code::Bug, "the daemon's answer makes no sense")
                .hint("is it of the same version?")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(whole).unwrap().body().unwrap(), b"{}");
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
        assert!(parse(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
    }

    #[test]
    fn a_refusal_comes_back_as_it_went() {
        let refusal = Refusal::new(Code::NoSuchName, "no role x here").hint("look again");
        let body = Zeroizing::new(serde_json::to_vec(&refusal).unwrap());
        assert_eq!(Answer { status: 404, body }.body(), Err(refusal));
        let odd = Answer { status: 502, body: Zeroizing::new(b"<html>".to_vec()) };
        assert_eq!(odd.body().unwrap_err().code, Code::Bug);
    }

    #[test]
    fn where_nobody_listens_is_told_apart_from_where_one_may_not() {
        let home = tempfile::tempdir().unwrap();
        let stale = home.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        let places = vec![home.path().join("none/control.sock"), stale];
        assert!(matches!(Client::find(places), Err(Silence::Nobody(places)) if places.len() == 2));
    }
}
