//! HTTP/1.1 as far as clients of STS speak it.
//!
//! Reads one request at a time off a socket: bounded head, bounded body with a
//! length or in chunks, `Expect: 100-continue` granted. Written by hand because
//! the faults to be shown lie below HTTP: silence, a reset, half a reply. Knows
//! nothing of STS.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const FIELDS: usize = 64;
const HEAD_LIMIT: usize = 32 * 1024;
/// A SAML assertion has up to 100,000 characters, and each may come escaped as three.
const BODY_LIMIT: usize = 320 * 1024;

/// One request as it was received; signatures are computed over exactly this.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// Names in lower case, values as they came, in the order they came.
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

impl Request {
    /// The first field of this name, which must be in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }
}

fn field<'a>(fields: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = fields.iter().find(|(n, _)| n == name)?;
    std::str::from_utf8(value).ok().map(str::trim)
}

/// Why no request could be read; only the first kind leaves nobody to tell.
#[derive(Debug)]
pub(super) enum Broken {
    Gone,
    Malformed(&'static str),
    TooLarge,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// One reply; the length is added when it is written.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// A short text, for what is no answer of STS.
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            fields: vec![("Content-Type", "text/plain".to_owned())],
            body: format!("{text}\n").into_bytes(),
        }
    }

    fn head(&self, keep_alive: bool) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        head.push_str(if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// How much of a reply is sent, and how its connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// Half of the body, then an orderly end.
    Cut,
    /// Half of the body, then a reset.
    Reset,
}

/// One connection, with what was read of it ahead of need.
pub(super) struct Wire<S = TcpStream> {
    socket: S,
    ahead: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, ahead: BytesMut::new() }
    }

    /// The next request, or `None` where the peer is done.
    pub(super) async fn request(&mut self) -> Result<Option<Request>, Broken> {
        let (mut request, length) = loop {
            if let Some(found) = parse(&self.ahead)? {
                break found;
            }
            match self.fill().await {
                Err(Broken::Gone) if self.ahead.is_empty() => return Ok(None),
                other => other?,
            }
        };
        self.ahead.advance(length);
        if request.field("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
            self.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = match framing(&request)? {
            Framing::Length(length) => self.exactly(length).await?,
            Framing::Chunked => self.chunks().await?,
        };
        Ok(Some(request))
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        match self.socket.read_buf(&mut self.ahead).await? {
            0 => Err(Broken::Gone),
            _ => Ok(()),
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        while self.ahead.len() < length {
            self.fill().await?;
        }
        Ok(self.ahead.split_to(length).to_vec())
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        loop {
            let size = self.chunk_size().await?;
            if size == 0 {
                return self.trailers().await.map(|()| body);
            }
            if size > BODY_LIMIT.saturating_sub(body.len()) {
                return Err(Broken::TooLarge);
            }
            body.extend(self.exactly(size).await?);
            if self.exactly(2).await? != b"\r\n" {
                return Err(Broken::Malformed("a chunk is longer than it says"));
            }
        }
    }

    async fn chunk_size(&mut self) -> Result<usize, Broken> {
        loop {
            match httparse::parse_chunk_size(&self.ahead) {
                Ok(Status::Complete((line, size))) => {
                    self.ahead.advance(line);
                    return usize::try_from(size).map_err(|_| Broken::TooLarge);
                }
                Ok(Status::Partial) if self.ahead.len() > HEAD_LIMIT => {
                    return Err(Broken::TooLarge);
                }
                Ok(Status::Partial) => self.fill().await?,
                Err(_) => return Err(Broken::Malformed("a chunk has no size")),
            }
        }
    }

    async fn trailers(&mut self) -> Result<(), Broken> {
        loop {
            let mut fields = [EMPTY_HEADER; FIELDS];
            match httparse::parse_headers(&self.ahead, &mut fields) {
                Ok(Status::Complete((length, _))) => {
                    self.ahead.advance(length);
                    return Ok(());
                }
                Ok(Status::Partial) if self.ahead.len() > HEAD_LIMIT => {
                    return Err(Broken::TooLarge);
                }
                Ok(Status::Partial) => self.fill().await?,
                Err(_) => return Err(Broken::Malformed("the trailer is no header")),
            }
        }
    }
}

impl Wire {
    /// Sends a reply, or the part of it that `delivery` lets through.
    pub(super) async fn send(
        &mut self,
        reply: &Reply,
        delivery: Delivery,
        keep_alive: bool,
    ) -> io::Result<()> {
        let sent = match delivery {
            Delivery::Whole => reply.body.as_slice(),
            Delivery::Cut | Delivery::Reset => half(&reply.body),
        };
        self.socket.write_all(reply.head(keep_alive).as_bytes()).await?;
        self.socket.write_all(sent).await?;
        if delivery == Delivery::Reset {
            // A zero linger turns the close into a reset.
            socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))?;
        }
        self.socket.flush().await
    }
}

fn half(body: &[u8]) -> &[u8] {
    body.split_at(body.len() / 2).0
}

/// The head at the front of `bytes` and its length, once all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Broken> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    match head.parse(bytes) {
        Ok(Status::Complete(length)) if length <= HEAD_LIMIT => Ok(Some((owned(&head), length))),
        Ok(Status::Partial) if bytes.len() < HEAD_LIMIT => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(Broken::TooLarge),
        Err(_) => Err(Broken::Malformed("this is not HTTP/1.1")),
    }
}

fn owned(head: &httparse::Request<'_, '_>) -> Request {
    let target = head.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let fields: Vec<_> =
        head.headers.iter().map(|f| (f.name.to_ascii_lowercase(), f.value.to_vec())).collect();
    let connection = field(&fields, "connection").unwrap_or_default().to_ascii_lowercase();
    Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive: head.version == Some(1) && !connection.contains("close"),
        fields,
        body: Vec::new(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

fn framing(request: &Request) -> Result<Framing, Broken> {
    let lengths = request.fields.iter().filter(|(name, _)| name == "content-length").count();
    match (request.field("transfer-encoding"), request.field("content-length")) {
        (Some(_), Some(_)) => Err(Broken::Malformed("a body has a length or chunks, not both")),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (Some(_), None) => Err(Broken::Malformed("chunked is the only transfer coding here")),
        (None, _) if lengths > 1 => Err(Broken::Malformed("a body has one length")),
        (None, None) => Ok(Framing::Length(0)),
        // `parse` takes a sign, too.
        (None, Some(text)) if !text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Broken::Malformed("the length of the body is no number"))
        }
        (None, Some(text)) => match text.parse() {
            Ok(length) if length <= BODY_LIMIT => Ok(Framing::Length(length)),
            Ok(_) => Err(Broken::TooLarge),
            Err(_) => Err(Broken::Malformed("the length of the body is no number")),
        },
    }
}
