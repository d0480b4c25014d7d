//! What the daemon and its command helper say to each other: which program to start, and
//! how it ended.
//!
//! Bytes in, values out. Who starts programs, and how, is [`StartCommand`]'s affair.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// The longest request, in bytes; the kernel takes no longer arguments and variables together.
pub const LONGEST_REQUEST: usize = 2 * 1024 * 1024;
/// The length of a number, and of every reply.
const NUMBER: usize = 4;
/// The length of a reply: what it is about, and a number.
pub const REPLY: usize = 1 + NUMBER;
/// What the daemon writes when it has read all output: what the command left running may go on.
pub const DONE: u8 = b'D';

/// A program to start.
#[derive(Debug, Clone, Default)]
pub struct CommandRequest {
    /// The program and its arguments.
    pub words: Vec<Secret>,
    /// Variables that it gets besides those of the helper.
    pub set: Vec<(String, Secret)>,
    /// Variables of the helper that it does not get.
    pub unset: Vec<String>,
}

/// What became of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandReply {
    /// It runs.
    Started,
    /// It does not run, for this reason (an errno).
    NotStarted(i32),
    /// It ended, with this status of wait(2).
    Ended(i32),
}

/// The ends of a program's pipes, and of the connection on which it is requested.
#[derive(Debug)]
pub struct CommandChannel {
    /// Takes one request, then gives replies; closed before [`DONE`], it ends the program.
    pub session: UnixStream,
    /// Absent if the program is to read nothing.
    pub stdin: Option<OwnedFd>,
    /// What it prints.
    pub stdout: OwnedFd,
    /// What it complains about.
    pub stderr: OwnedFd,
}

/// Starts programs outside of this process.
pub trait StartCommand: fmt::Debug + Send + Sync {
    /// A channel for one program, which reads an input if `has_input`.
    ///
    /// # Errors
    /// If nobody starts programs any more, or the system has no descriptor left.
    fn open(&self, has_input: bool) -> io::Result<CommandChannel>;
}

impl CommandRequest {
    /// As bytes, their number first.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let parts = || {
            let words = self.words.iter().map(Secret::expose);
            let set = self.set.iter().flat_map(|(name, value)| [name.as_str(), value.expose()]);
            [self.words.len(), self.set.len(), self.unset.len()].into_iter().map(Part::Count).chain(
                words.chain(set).chain(self.unset.iter().map(String::as_str)).map(Part::Text),
            )
        };
        let length: usize = parts().map(|part| part.length()).sum();
        // At once, so that growing leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(NUMBER + length));
        Part::Count(length).write(&mut bytes);
        parts().for_each(|part| part.write(&mut bytes));
        bytes
    }

    /// The length of the request that begins with these bytes; `None` before it is known.
    ///
    /// # Errors
    /// If it is longer than [`LONGEST_REQUEST`].
    pub fn length(bytes: &[u8]) -> Result<Option<usize>, Invalid> {
        let Some(length) = bytes.first_chunk::<NUMBER>().map(|bytes| number(*bytes)) else {
            return Ok(None);
        };
        if length > LONGEST_REQUEST { Err(Invalid) } else { Ok(Some(NUMBER + length)) }
    }

    /// What [`Self::encode`] made.
    ///
    /// # Errors
    /// If it made nothing like that.
    pub fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut rest = bytes.get(NUMBER..).ok_or(Invalid)?;
        let mut count = || read_number(&mut rest);
        let (words, set, unset) = (count()?, count()?, count()?);
        let mut text = || read_text(&mut rest);
        let words = (0..words).map(|_| text().map(Secret::new)).collect::<Result<_, _>>()?;
        let set = (0..set)
            .map(|_| Ok((text()?.to_owned(), Secret::new(text()?))))
            .collect::<Result<_, _>>()?;
        let unset = (0..unset).map(|_| text().map(str::to_owned)).collect::<Result<_, _>>()?;
        if rest.is_empty() { Ok(Self { words, set, unset }) } else { Err(Invalid) }
    }
}

/// Bytes that are no request or no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

enum Part<'a> {
    Count(usize),
    Text(&'a str),
}

impl Part<'_> {
    const fn length(&self) -> usize {
        match self {
            Self::Count(_) => NUMBER,
            Self::Text(text) => NUMBER + text.len(),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let (number, text) = match self {
            Self::Count(count) => (*count, ""),
            Self::Text(text) => (text.len(), *text),
        };
        // What is longer than this is refused by its length.
        bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
}

fn number(bytes: [u8; NUMBER]) -> usize {
    usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}

fn read_number(rest: &mut &[u8]) -> Result<usize, Invalid> {
    let (first, others) = rest.split_first_chunk::<NUMBER>().ok_or(Invalid)?;
    *rest = others;
    Ok(number(*first))
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Invalid> {
    let length = read_number(rest)?;
    let (text, others) = rest.split_at_checked(length).ok_or(Invalid)?;
    *rest = others;
    std::str::from_utf8(text).map_err(|_| Invalid)
}

impl CommandReply {
    /// As bytes.
    #[must_use]
    pub fn encode(self) -> [u8; REPLY] {
        let (kind, number) = match self {
            Self::Started => (b'S', 0),
            Self::NotStarted(errno) => (b'N', errno),
            Self::Ended(status) => (b'E', status),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [kind, a, b, c, d]
    }

    /// What [`Self::encode`] made.
    ///
    /// # Errors
    /// If it made nothing like that.
    pub const fn decode(bytes: [u8; REPLY]) -> Result<Self, Invalid> {
        let [kind, a, b, c, d] = bytes;
        let number = i32::from_le_bytes([a, b, c, d]);
        match kind {
            b'S' => Ok(Self::Started),
            b'N' => Ok(Self::NotStarted(number)),
            b'E' => Ok(Self::Ended(number)),
            _ => Err(Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(request: &CommandRequest) -> (Vec<&str>, Vec<(&str, &str)>, &[String]) {
        let words = request.words.iter().map(Secret::expose).collect();
        let set = request.set.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        (words, set, &request.unset)
    }

    proptest! {
        #[test]
        fn a_request_comes_back_as_it_was(
            words in prop::collection::vec(".*", 0..5),
            set in prop::collection::vec((".*", ".*"), 0..5),
            unset in prop::collection::vec(".*", 0..5),
        ) {
            let request = CommandRequest {
                words: words.into_iter().map(Secret::new).collect(),
                set: set.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
                unset,
            };
            let bytes = request.encode();
            prop_assert_eq!(CommandRequest::length(&bytes), Ok(Some(bytes.len())));
            let back = CommandRequest::decode(&bytes).unwrap();
            prop_assert_eq!(shown(&back), shown(&request));
            for shorter in 0..bytes.len() {
                prop_assert!(CommandRequest::decode(&bytes[..shorter]).is_err());
            }
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = CommandRequest::length(&bytes);
            let _ = CommandRequest::decode(&bytes);
        }
    }

    #[test]
    fn a_request_that_is_too_long_is_refused_by_its_length() {
        assert_eq!(CommandRequest::length(&[0, 0]), Ok(None));
        assert_eq!(CommandRequest::length(&[0, 0, 0x20, 0]), Ok(Some(LONGEST_REQUEST + NUMBER)));
        assert_eq!(CommandRequest::length(&[1, 0, 0x20, 0]), Err(Invalid));
    }

    #[test]
    fn a_reply_comes_back_as_it_was() {
        for reply in [CommandReply::Started, CommandReply::NotStarted(2), CommandReply::Ended(-9)] {
            assert_eq!(CommandReply::decode(reply.encode()), Ok(reply));
        }
        assert_eq!(CommandReply::decode([0; REPLY]), Err(Invalid));
    }
}
