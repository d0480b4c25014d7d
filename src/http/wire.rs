//! The bytes of a connection, with an ear for one word.
//!
//! hyper takes a Content-Length away where chunks are announced beside it, so
//! that nobody behind it can tell the two requests apart (F19). This looks for
//! the name at the beginning of lines, in whatever arrives. Where a body says
//! the word, a connection ends that could have stayed, which harms nobody.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const NAME: &[u8] = b"content-length";

/// A stream that tells whether a Content-Length ever came along.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    ear: Ear,
    length_seen: Arc<AtomicBool>,
}

impl Wire {
    /// Sets `length_seen` when one comes, before hyper can see the head.
    pub(super) fn new(stream: TcpStream, length_seen: Arc<AtomicBool>) -> Self {
        Self { stream, ear: Ear::default(), length_seen }
    }
}

/// How much of the name was heard at the beginning of the present line; `None` in its midst.
#[derive(Debug, Default)]
struct Ear(Option<usize>);

impl Ear {
    /// True where these bytes complete the name.
    fn hears(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let Some(heard) = self.0 else {
                let Some(end) = memchr::memchr(b'\n', bytes) else { return false };
                bytes = bytes.get(end + 1..).unwrap_or_default();
                self.0 = Some(0);
                continue;
            };
            let Some((first, rest)) = bytes.split_first() else { return false };
            if NAME.get(heard).is_some_and(|wanted| first.eq_ignore_ascii_case(wanted)) {
                bytes = rest;
                self.0 = Some(heard + 1);
                if heard + 1 == NAME.len() {
                    self.0 = None;
                    return true;
                }
            } else {
                self.0 = None;
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let arrived = buffer.filled().get(before..).unwrap_or_default();
        if self.ear.hears(arrived) {
            self.length_seen.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(pieces: &[&[u8]]) -> bool {
        let mut ear = Ear::default();
        pieces.iter().any(|piece| ear.hears(piece))
    }

    #[test]
    fn f19_the_name_is_heard_at_the_beginning_of_a_line() {
        assert!(heard(&[b"PUT / HTTP/1.1\r\nHost: x\r\nCONTENT-length: 5\r\n\r\n"]));
        assert!(heard(&[b"PUT / HTTP/1.1\nContent-Length: 5\n\n"]));
        assert!(heard(&[b"GET / HTTP/1.1\r\n\r\nPUT / HTTP/1.1\r\nContent-Length:5\r\n\r\n"]));
        for other in [
            "GET /?content-length: 5 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nX-Content-Length: 5\r\nContent-Lengt: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nX: Content-Length\r\nContent-Type: a\r\n\r\n",
        ] {
            assert!(!heard(&[other.as_bytes()]), "{other}");
        }
    }

    proptest! {
        #[test]
        fn f19_no_cut_hides_it(cuts in prop::collection::vec(1_usize..12, 0..40), before in "[a-zA-Z\r\n:-]{0,40}") {
            let text = format!("{before}\nContent-Length: 7\r\n\r\n");
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            pieces.push(rest);
            prop_assert!(heard(&pieces));
        }
    }
}
