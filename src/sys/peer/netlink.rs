//! Questions to the kernel over netlink(7), and the messages that come back.
//!
//! Taking a reply apart is a pure function over bytes. Only the kernel may answer.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SocketAddrNetlink, SocketAddrNetlink as Address};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recvfrom, sendto, socket_with};

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// Size of `nlmsghdr`.
const HEADER: usize = 16;
/// More than a reply about one socket or one route takes.
const REPLY: usize = 4096;

/// One message of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// `nlmsg_type`.
    pub(super) kind: u16,
    /// `nlmsg_seq`: that of the question.
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// The errno of an error message, as a positive number.
    pub(super) fn errno(&self) -> Option<i32> {
        let errno = i32::from_ne_bytes(*self.body.first_chunk()?);
        (self.kind == ERROR).then(|| errno.checked_neg()).flatten()
    }
}

/// A question with its header.
pub(super) fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or_default();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// The messages of a reply up to the first one that is not whole.
pub(super) fn messages(mut reply: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(reply, 0)?).ok()?;
        let whole = reply.get(..length)?;
        let message = Message {
            kind: u16_at(whole, 4)?,
            sequence: u32_at(whole, 8)?,
            body: whole.get(HEADER..)?,
        };
        reply = reply.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_ne_bytes(*two))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

/// Sends questions to the kernel and returns as many replies, one after the other.
///
/// # Errors
/// If the kernel cannot be asked, or did not answer every question in full.
pub(super) fn ask(protocol: Option<Protocol>, questions: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let socket = open(protocol)?;
    sendto(&socket, &questions.concat(), SendFlags::empty(), &Address::new(0, 0))?;
    let mut replies = Vec::new();
    for _ in questions {
        // The kernel has answered by the time that sending returns.
        receive(&socket, &mut replies)?;
    }
    Ok(replies)
}

fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?)
}

fn receive(socket: &OwnedFd, replies: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; REPLY];
    let (_, length, sender) = recvfrom(socket, &mut buffer, RecvFlags::TRUNC)?;
    let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
    let reply = buffer.get(..length).filter(|_| sender.is_some_and(|from| from.pid() == 0));
    replies.extend(reply.ok_or(io::ErrorKind::InvalidData)?);
    replies.resize(replies.len().next_multiple_of(4), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_read_back_as_it_was_written() {
        let mut bytes = message(20, 1, &[1, 2, 3]);
        bytes.push(0);
        bytes.extend(message(ERROR, 2, &(-2_i32).to_ne_bytes()));
        let found: Vec<_> = messages(&bytes).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Message { kind: 20, sequence: 1, body: &[1, 2, 3] });
        assert_eq!((found[0].errno(), found[1].errno()), (None, Some(2)));
    }

    #[test]
    fn a_message_that_is_cut_or_lies_about_its_length_ends_the_reply() {
        let bytes = message(20, 1, &[7; 72]);
        assert_eq!(messages(&bytes[..bytes.len() - 1]).count(), 0);
        for length in [0_u32, 15, u32::MAX] {
            let mut bytes = bytes.clone();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&bytes).count(), 0, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_taken_apart(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes) {
                prop_assert!(message.body.len() < bytes.len());
            }
        }
    }
}
