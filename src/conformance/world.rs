//! The server under test, as the cases come to know it.
//!
//! Holds what is asked once and used by many: a metadata token, the role's
//! name, which paths are served. Each is fetched on a connection of its own
//! and at most once, so that a server that has none of it is not asked again.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::case::Need;
use super::redact::Secrets;
use super::target::Target;
use super::wire::{Limits, Trouble, Wire};
use crate::clock::{BootTime, Clock};

/// Where EC2 lists the one role.
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// A server, what it has told so far, and how long it may still be asked.
pub(super) struct World<'a> {
    pub(super) target: &'a Target,
    pub(super) limits: Limits,
    pub(super) clock: &'a dyn Clock,
    pub(super) secrets: Secrets,
    deadline: BootTime,
    learned: BTreeMap<String, Option<Vec<u8>>>,
    fetched: BTreeMap<String, Option<Answer>>,
    /// Cases in a row in which the server said nothing.
    silent: usize,
}

/// After as many mute cases the rest is not tried.
const PATIENCE: usize = 4;

impl<'a> World<'a> {
    pub(super) fn new(target: &'a Target, limits: Limits, clock: &'a dyn Clock) -> Self {
        Self {
            target,
            limits,
            clock,
            secrets: Secrets::default(),
            deadline: clock.now().boot.plus(limits.run),
            learned: BTreeMap::new(),
            fetched: BTreeMap::new(),
            silent: 0,
        }
    }

    /// Why no further case is tried, if none is.
    pub(super) fn exhausted(&self) -> Option<&'static str> {
        if self.clock.now().boot >= self.deadline {
            return Some("not tried: the time for the whole run is over");
        }
        (self.silent >= PATIENCE).then_some("not tried: the server has stopped answering")
    }

    /// Counts the cases in which nothing was heard.
    pub(super) fn note(&mut self, heard: bool) {
        self.silent = if heard { 0 } else { self.silent + 1 };
        // Silence may be how it treats broken requests: a plain one tells.
        if self.silent >= PATIENCE && self.ask("GET", "/", "").is_some() {
            self.silent = 0;
        }
    }

    pub(super) fn connect(&self) -> Result<Wire<'a>, Trouble> {
        Wire::connect(self.target, self.limits, self.clock)
    }

    /// The value of a blank that every case may use, or why the server gives none.
    pub(super) fn value(&mut self, name: &str) -> Result<Vec<u8>, String> {
        match name {
            "host" => Ok(self.target.authority.clone().into_bytes()),
            "ip" => Ok(self.target.ip().into_bytes()),
            "port" => Ok(self.target.address.port().to_string().into_bytes()),
            "token" => {
                self.once(name, Self::grant).ok_or_else(|| "the server grants no token".to_owned())
            }
            "role" => {
                self.once(name, Self::role).ok_or_else(|| "the server lists no role".to_owned())
            }
            other => Err(format!("nothing is known as {other}")),
        }
    }

    /// What a GET of the path gives, with a token where one can be had.
    pub(super) fn fetch(&mut self, path: &str) -> Option<Answer> {
        if let Some(known) = self.fetched.get(path) {
            return known.clone();
        }
        let token = self.value("token").ok();
        let field = token.map(|token| {
            format!("X-aws-ec2-metadata-token: {}\r\n", String::from_utf8_lossy(&token))
        });
        let answer = self.ask("GET", path, &field.unwrap_or_default());
        self.fetched.insert(path.to_owned(), answer.clone());
        answer
    }

    /// Why the case cannot be judged by this server, if it cannot.
    pub(super) fn lacks(&mut self, need: &Need) -> Result<(), String> {
        match need {
            Need::Served(path) => match self.fetch(path) {
                Some(answer) if answer.code == 200 => Ok(()),
                _ => Err(format!("the server has no {path}")),
            },
            Need::Listed { name, directory } => match self.lists(name, directory) {
                Some(true) => Ok(()),
                _ => Err(format!("the server does not list {name} in {directory}")),
            },
            Need::Unlisted { name, directory } => match self.lists(name, directory) {
                Some(false) => Ok(()),
                Some(true) => Err(format!("the server has {directory}{name}")),
                None => Err(format!("the server has no {directory}")),
            },
        }
    }

    fn lists(&mut self, name: &str, directory: &str) -> Option<bool> {
        let listing = self.fetch(directory).filter(|answer| answer.code == 200)?;
        let plain = name.trim_end_matches('/').as_bytes();
        let same = |line: &[u8]| line.strip_suffix(b"/").unwrap_or(line) == plain;
        Some(listing.body.split(|byte| *byte == b'\n').any(same))
    }

    fn once(&mut self, name: &str, ask: fn(&mut Self) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        if let Some(known) = self.learned.get(name) {
            return known.clone();
        }
        let value = ask(self);
        self.learned.insert(name.to_owned(), value.clone());
        value
    }

    fn grant(&mut self) -> Option<Vec<u8>> {
        let ttl = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
        let answer = self.ask("PUT", "/latest/api/token", ttl)?;
        // A line end would break every request that carries the token.
        let token = answer.body.trim_ascii().to_vec();
        let is_plain = token.iter().all(u8::is_ascii_graphic) && !token.is_empty();
        (answer.code == 200 && is_plain).then_some(token)
    }

    fn role(&mut self) -> Option<Vec<u8>> {
        let answer = self.fetch(ROLES).filter(|answer| answer.code == 200)?;
        let first = answer.body.split(|byte| *byte == b'\n').next()?.trim_ascii();
        let is_plain = first.iter().all(u8::is_ascii_graphic) && !first.is_empty();
        is_plain.then(|| first.to_vec())
    }

    fn ask(&mut self, method: &str, path: &str, fields: &str) -> Option<Answer> {
        let mut wire = self.connect().ok()?;
        let host = &self.target.authority;
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").as_bytes());
        let answer = wire.answer(false).ok()?;
        self.secrets.learn(&answer, method == "PUT");
        Some(answer)
    }
}
