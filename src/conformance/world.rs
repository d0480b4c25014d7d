//! The server under test, as the cases come to know it.
//!
//! Holds what is asked once and used by many: a metadata token, the role's
//! name, which paths are served. Each is fetched on a connection of its own
//! and at most once, so that a server that has none of it is not asked again.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::case::Need;
use super::redact::Secrets;
use super::report::{Verdict, failed};
use super::target::Target;
use super::wire::{Limits, Trouble, Wire};
use crate::clock::{BootTime, Clock};

/// What is there on every instance.
const INSTANCE: &str = "/latest/meta-data/instance-id";
/// Where EC2 lists the one role: what is there even on a server for credentials alone.
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// What the server said to the PUT of a token.
enum Token {
    Unasked,
    Granted(Vec<u8>),
    Refused,
}

/// A server, what it has told so far, and how long it may still be asked.
pub(super) struct World<'a> {
    pub(super) target: &'a Target,
    pub(super) limits: Limits,
    pub(super) clock: &'a dyn Clock,
    pub(super) secrets: Secrets,
    deadline: BootTime,
    token: Token,
    fetched: BTreeMap<String, Answer>,
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
            token: Token::Unasked,
            fetched: BTreeMap::new(),
            silent: 0,
        }
    }

    /// Why no further case is tried, if none is.
    pub(super) fn exhausted(&self) -> Option<&'static str> {
        if self.clock.now().boot >= self.deadline {
            return Some("the time for the whole run is over");
        }
        (self.silent >= PATIENCE).then_some("the server has stopped answering")
    }

    /// Counts the cases in which nothing was heard.
    pub(super) fn note(&mut self, heard: bool) {
        self.silent = if heard { 0 } else { self.silent + 1 };
        // Silence may be how it treats broken requests: a plain one tells.
        if self.silent >= PATIENCE && self.ask("GET", "/", "").is_ok() {
            self.silent = 0;
        }
    }

    pub(super) fn connect(&self) -> Result<Wire<'a>, Trouble> {
        Wire::connect(self.target, self.limits, self.clock)
    }

    /// The value of a blank that every case may use, or how the case ends without it.
    pub(super) fn value(&mut self, name: &str) -> Result<Vec<u8>, Verdict> {
        match name {
            "host" => Ok(self.target.authority.clone().into_bytes()),
            "ip" => Ok(self.target.ip().into_bytes()),
            "port" => Ok(self.target.address.port().to_string().into_bytes()),
            "token" => match self.token()? {
                Some(token) => Ok(token),
                None => Err(skipped("the server grants no token")),
            },
            "role" => {
                let roles = self.known(ROLES)?;
                role(&roles).ok_or_else(|| skipped("the server lists no role"))
            }
            "there" => {
                let is_there = self.known(INSTANCE)?.code == 200;
                Ok(if is_there { INSTANCE } else { ROLES }.as_bytes().to_vec())
            }
            other => Err(skipped(&format!("nothing is known as {other}"))),
        }
    }

    /// What a GET of the path gives, with a token where one can be had.
    pub(super) fn fetch(&mut self, path: &str) -> Result<Answer, Verdict> {
        let token = self.token()?.map(|token| {
            format!("X-aws-ec2-metadata-token: {}\r\n", String::from_utf8_lossy(&token))
        });
        let asked = self.ask("GET", path, &token.unwrap_or_default());
        asked.map_err(|trouble| failed(&format!("an answer to GET {path}"), &trouble))
    }

    /// Ends the case where this server cannot be judged by it.
    pub(super) fn meet(&mut self, need: &Need) -> Result<(), Verdict> {
        let (is_met, otherwise) = match need {
            Need::Served(path) => {
                (self.known(path)?.code == 200, format!("the server has no {path}"))
            }
            Need::Listed { name, directory } => (
                self.lists(name, directory)? == Some(true),
                format!("the server does not list {name} in {directory}"),
            ),
            Need::Unlisted { name, directory } => (
                self.lists(name, directory)? == Some(false),
                format!("the server lists {name} in {directory}, or nothing there"),
            ),
        };
        if is_met { Ok(()) } else { Err(skipped(&otherwise)) }
    }

    fn lists(&mut self, name: &str, directory: &str) -> Result<Option<bool>, Verdict> {
        let listing = self.known(directory)?;
        let plain = name.trim_end_matches('/').as_bytes();
        let same = |line: &[u8]| line.strip_suffix(b"/").unwrap_or(line) == plain;
        let is_listed = || listing.body.split(|byte| *byte == b'\n').any(same);
        Ok((listing.code == 200).then(is_listed))
    }

    /// As `fetch`, but asked once; silence is not remembered.
    fn known(&mut self, path: &str) -> Result<Answer, Verdict> {
        if let Some(known) = self.fetched.get(path) {
            return Ok(known.clone());
        }
        let answer = self.fetch(path)?;
        self.fetched.insert(path.to_owned(), answer.clone());
        Ok(answer)
    }

    /// One token for all cases, if the server grants any.
    fn token(&mut self) -> Result<Option<Vec<u8>>, Verdict> {
        match &self.token {
            Token::Granted(token) => return Ok(Some(token.clone())),
            Token::Refused => return Ok(None),
            Token::Unasked => {}
        }
        let ttl = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
        let asked = self.ask("PUT", "/latest/api/token", ttl);
        let answer =
            asked.map_err(|trouble| failed("an answer to the PUT of a token", &trouble))?;
        // A line end would break every request that carries the token.
        let token = answer.body.trim_ascii().to_vec();
        let is_plain = token.iter().all(u8::is_ascii_graphic) && !token.is_empty();
        let granted = (answer.code == 200 && is_plain).then_some(token);
        self.token = granted.clone().map_or(Token::Refused, Token::Granted);
        Ok(granted)
    }

    fn ask(&mut self, method: &str, path: &str, fields: &str) -> Result<Answer, Trouble> {
        let mut wire = self.connect()?;
        let host = &self.target.authority;
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").as_bytes());
        let answer = wire.answer(false)?;
        self.secrets.learn(&answer, method == "PUT");
        Ok(answer)
    }
}

fn role(roles: &Answer) -> Option<Vec<u8>> {
    let first = roles.body.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let is_plain = first.iter().all(u8::is_ascii_graphic) && !first.is_empty();
    (is_plain && roles.code == 200).then(|| first.to_vec())
}

fn skipped(reason: &str) -> Verdict {
    Verdict::Skipped(reason.to_owned())
}
