//! One raw connection: bytes out, one answer in, and every wait bounded.
//!
//! A hostile server decides nothing here: silence, trickling, noise and floods
//! all end in a [`Trouble`]. Knows HTTP/1 only as far as telling where an
//! answer ends; whether it is the right one is for `check` to say.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::answer::Answer;
use super::target::Target;
use crate::clock::{BootTime, Clock};

/// How much of anything a server may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the connection stands, and until the next byte comes.
    pub silence: Duration,
    /// Until an answer is whole.
    pub answer: Duration,
    /// All bytes of one connection.
    pub bytes: usize,
    /// The whole run.
    pub run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(2),
            answer: Duration::from_secs(4),
            bytes: 256 * 1024,
            run: Duration::from_mins(2),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection.
    Unreachable(ErrorKind),
    /// The connection ended before the first byte.
    Closed,
    /// No byte came in time.
    Silent,
    /// Bytes came, but the answer was never whole.
    Slow,
    /// More bytes than any answer has.
    Endless,
    /// What came is not HTTP; the fragment says in which way.
    Noise(&'static str),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(kind) => write!(f, "no connection: {kind}"),
            Self::Closed => f.write_str("closed without an answer"),
            Self::Silent => f.write_str("no byte in time"),
            Self::Slow => f.write_str("bytes, but no whole answer in time"),
            Self::Endless => f.write_str("more bytes than an answer may have"),
            Self::Noise(how) => write!(f, "not HTTP: {how}"),
        }
    }
}

/// A connection with what it has received and not yet used.
pub(super) struct Wire<'a> {
    stream: TcpStream,
    clock: &'a dyn Clock,
    limits: Limits,
    unread: Vec<u8>,
    received: usize,
}

impl<'a> Wire<'a> {
    pub(super) fn connect(
        target: &Target,
        limits: Limits,
        clock: &'a dyn Clock,
    ) -> Result<Self, Trouble> {
        let stream = TcpStream::connect_timeout(&target.address, limits.silence)
            .map_err(|error| Trouble::Unreachable(error.kind()))?;
        // Without this a request in two writes would wait for an ACK.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(limits.silence));
        Ok(Self { stream, clock, limits, unread: Vec::new(), received: 0 })
    }

    /// Sends as much as the server takes: one that stops reading has often answered already.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// True once the server has said anything at all.
    pub(super) fn was_heard(&self) -> bool {
        self.received > 0
    }

    /// Reads one answer; `bodiless` after HEAD, whose length speaks of no body.
    pub(super) fn answer(&mut self, bodiless: bool) -> Result<Answer, Trouble> {
        let begun = self.clock.now().boot;
        let deadline = begun.plus(self.limits.answer);
        let mut interim = 0;
        let mut answer = loop {
            let answer = self.head(deadline)?;
            // 101 is final; anything else below 200 announces another head.
            if answer.code >= 200 || answer.code == 101 {
                break answer;
            }
            interim += 1;
        };
        answer.interim = interim;
        if !(bodiless || matches!(answer.code, 101 | 204 | 304)) {
            answer.body = self.body(&answer, deadline)?;
        }
        answer.took = self.clock.now().boot.since(begun);
        Ok(answer)
    }

    /// Waits for the end of the connection; gives the bytes that came before it.
    pub(super) fn ending(&mut self) -> Result<usize, Trouble> {
        let deadline = self.clock.now().boot.plus(self.limits.answer);
        while self.more(deadline)? {}
        Ok(std::mem::take(&mut self.unread).len())
    }

    fn head(&mut self, deadline: BootTime) -> Result<Answer, Trouble> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Answer::parse_head(&head).map_err(Trouble::Noise);
            }
            if !b"HTTP/".starts_with(self.unread.get(..5).unwrap_or(&self.unread)) {
                return Err(Trouble::Noise("it does not begin with HTTP/"));
            }
            if !self.more(deadline)? {
                let nothing = self.unread.is_empty();
                return Err(if nothing {
                    Trouble::Closed
                } else {
                    Trouble::Noise("the head breaks off")
                });
            }
        }
    }

    fn body(&mut self, answer: &Answer, deadline: BootTime) -> Result<Vec<u8>, Trouble> {
        if answer.is_chunked() {
            return self.chunks(deadline);
        }
        if let Some(length) = answer.length().map_err(Trouble::Noise)? {
            return self.exactly(length, deadline);
        }
        while self.more(deadline)? {}
        Ok(std::mem::take(&mut self.unread))
    }

    fn chunks(&mut self, deadline: BootTime) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        loop {
            let line = self.line(deadline)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16)
                .map_err(|_| Trouble::Noise("a chunk without a size"))?;
            if size == 0 {
                while !self.line(deadline)?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size, deadline)?);
            self.line(deadline)?;
        }
    }

    fn line(&mut self, deadline: BootTime) -> Result<String, Trouble> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.need_more(deadline)?;
        }
    }

    fn exactly(&mut self, length: usize, deadline: BootTime) -> Result<Vec<u8>, Trouble> {
        if length > self.limits.bytes {
            return Err(Trouble::Endless);
        }
        while self.unread.len() < length {
            self.need_more(deadline)?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn need_more(&mut self, deadline: BootTime) -> Result<(), Trouble> {
        if self.more(deadline)? { Ok(()) } else { Err(Trouble::Noise("the body breaks off")) }
    }

    /// Reads once; false at the end of the connection, a reset included.
    fn more(&mut self, deadline: BootTime) -> Result<bool, Trouble> {
        let left = deadline.since(self.clock.now().boot);
        if left.is_zero() {
            return Err(self.late());
        }
        let _ = self.stream.set_read_timeout(Some(left.min(self.limits.silence)));
        let mut piece = [0; 8192];
        match self.stream.read(&mut piece) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.unread.extend(piece.iter().take(count));
                self.received += count;
                if self.received > self.limits.bytes {
                    return Err(Trouble::Endless);
                }
                Ok(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(self.late()),
                ErrorKind::Interrupted => Ok(true),
                _ => Ok(false),
            },
        }
    }

    fn late(&self) -> Trouble {
        if self.unread.is_empty() { Trouble::Silent } else { Trouble::Slow }
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
