//! The bytes of a connection, where hyper speaks for itself in our words.
//!
//! What breaks HTTP it refuses before anybody is asked, with header fields of
//! its own choice. On IMDS such a reply is one of ours too: clouds are told
//! apart by `Server` (F2), and fields have an order (F5). And what it answers to
//! HTTP/1.0 is HTTP/1.1 as all else is (H0a).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::header::HeaderName;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::endpoint::Endpoint;
use super::mould::Stamp;
use super::reply;
use crate::clock::{Clock, Now};
use crate::imds::{Reply, Status};

/// How hyper's own refusals begin; none of ours has `Connection` first.
const OWN: [(&[u8], Status); 2] = [
    (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n", Status::BadRequest),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n",
        Status::HeadTooLarge,
    ),
];

/// How hyper begins what it answers to HTTP/1.0.
const OLD: &[u8] = b"HTTP/1.0 ";
const NEW: &[u8] = b"HTTP/1.1 ";

/// A stream for hyper.
pub(super) struct Wire<S> {
    stream: TokioIo<S>,
    /// For `Date`; only IMDS has words of its own here.
    clock: Option<Arc<dyn Clock>>,
}

impl<S> Wire<S> {
    /// Of a connection to this endpoint.
    pub(super) fn new(stream: S, endpoint: &Endpoint) -> Self {
        let is_imds = matches!(endpoint, Endpoint::Imds(_));
        let clock = is_imds.then(|| Arc::clone(endpoint.clock()));
        Self { stream: TokioIo::new(stream), clock }
    }

    /// What to write instead of this refusal of hyper's, if it is one.
    fn in_our_words(&self, text: &[u8]) -> Option<Vec<u8>> {
        let (_, status) = OWN.into_iter().find(|(start, _)| text.starts_with(start))?;
        Some(refusal(status, self.clock.as_ref()?.now()))
    }

    /// The same in another version, and of the same length.
    fn as_of_today(&self, text: &[u8]) -> Option<Vec<u8>> {
        let rest = text.strip_prefix(OLD)?;
        self.clock.is_some().then(|| [NEW, rest].concat())
    }
}

impl<S: AsyncRead + Unpin> Read for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, room)
    }
}

impl<S: AsyncWrite + Unpin> Write for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        text: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(ours) = self.in_our_words(text) else {
            let ours = self.as_of_today(text);
            return Pin::new(&mut self.stream).poll_write(context, ours.as_deref().unwrap_or(text));
        };
        // Whatever is left over is lost: it is short, and the last on its connection.
        ready!(Pin::new(&mut self.stream).poll_write(context, &ours))?;
        Poll::Ready(Ok(text.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The whole of a refusal that ends its connection.
fn refusal(status: Status, now: Now) -> Vec<u8> {
    let stamp = Stamp { now: now.wall, changed: now.wall, closes: true };
    let response = reply::render(Reply::refusal(status), stamp);
    let mut text = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        text.extend(in_title_case(name));
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

fn in_title_case(name: &HeaderName) -> impl Iterator<Item = u8> {
    let mut begins = true;
    name.as_str().bytes().map(move |letter| {
        let shown = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = letter == b'-';
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn f2_f5_f6_a_refusal_is_written_as_hyper_writes_ours() {
        let text = String::from_utf8(refusal(Status::BadRequest, SystemClock.now())).unwrap();
        let (start, rest) = text.split_once("\r\nDate: ").unwrap();
        let (_, end) = rest.split_once("\r\n").unwrap();
        assert_eq!(start, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0");
        assert_eq!(end, "Server: EC2ws\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n");
    }
}
