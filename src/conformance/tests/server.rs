//! A server that is right, out of `imds` and a blocking loop, and can be spoiled.
//!
//! Right in everything that the cases ask, so that what a spoil breaks is all
//! that is broken. Not for reading as an example of HTTP: one thread each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, SystemClock, later};
use crate::credentials::{Credentials, Snapshot};
use crate::imds;
use crate::imds::{Field, HttpTokens, Method, ReplyField};
use crate::role::Partition;
use crate::secret::Secret;

/// What the server knows of a request when it is spoiled.
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
}

/// A reply on its way out.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) version: &'static str,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The connection goes on.
    pub(super) keep: bool,
}

impl Reply {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.fields.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => value.clone_into(own),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }

    pub(super) fn drop(&mut self, name: &str) {
        self.fields.retain(|(own, _)| own != name);
    }

    /// A new body with its length.
    pub(super) fn put(&mut self, body: &str) {
        self.body = body.as_bytes().to_vec();
        self.set("Content-Length", &body.len().to_string());
    }

    /// The body with one text in place of another.
    pub(super) fn edit(&mut self, from: &str, to: &str) {
        let body = String::from_utf8_lossy(&self.body).replacen(from, to, 1);
        self.put(&body);
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn bytes(&self, bodiless: bool) -> Vec<u8> {
        let status = format!("{} {} {}", self.version, self.code, self.reason);
        let fields = self.fields.iter().map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<String> = std::iter::once(status).chain(fields).collect();
        let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        if !bodiless {
            bytes.extend(&self.body);
        }
        bytes
    }
}

pub(super) type Spoil = fn(&Seen, &mut Reply);

pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    options: imds::Options,
    names: imds::HostNames,
    key: imds::TokenKey,
    tree: imds::Tree,
    nonce: AtomicU64,
    spoil: Spoil,
    over: AtomicBool,
    secrets: Mutex<Vec<String>>,
}

/// How long a head may take here; the rule says ten seconds.
const SILENCE: Duration = Duration::from_secs(1);
const HEAD: usize = 32 * 1024;

impl Server {
    pub(super) fn start(v1: bool, spoil: Spoil) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tokens = if v1 { HttpTokens::Optional } else { HttpTokens::Required };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let session = "FwoGZXIvYXdzEJr//////////wEaDExAmPlE".repeat(8);
        let shared = Arc::new(Shared {
            options: imds::Options { http_tokens: tokens, ..imds::Options::default() },
            names: imds::HostNames::new([address.ip()], []),
            key: imds::TokenKey::new(&[7; 32], "a-boot"),
            tree: tree(secret, &session),
            nonce: AtomicU64::new(1),
            spoil,
            over: AtomicBool::new(false),
            secrets: Mutex::new(vec![secret.to_owned(), session]),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.over.load(Ordering::Relaxed) {
                    return;
                }
                let own = Arc::clone(&own);
                thread::spawn(move || own.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that must be in no report.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.shared.secrets.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn tree(secret: &str, session: &str) -> imds::Tree {
    let now = SystemClock.now();
    let hour = Duration::from_hours(1);
    let facts = imds::Facts {
        role_name: "a-role".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        partition: Partition::Aws,
        region: "eu-west-1".parse().unwrap(),
        seed: [9; 32],
        metadata: imds::Metadata::new(),
        since: now.wall,
        account_id_in_document: false,
    };
    let credentials = Credentials::new(
        "ASIAIOSFODNN7EXAMPLE".to_owned(),
        Secret::new(secret),
        Secret::new(session),
        later(now.wall, hour),
    );
    let snapshot = Snapshot {
        generation: 1,
        credentials: credentials.unwrap(),
        obtained: now.wall,
        deadline: now.boot.plus(hour),
    };
    imds::Tree::new(&facts, Some(&snapshot), &imds::Outcome::Hopeful)
}

/// A head as the rules want it, and what must be known beside them.
struct Head {
    seen: Seen,
    target: String,
    http_10: bool,
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut fields);
        let whole = request.parse(bytes).ok()?.is_complete();
        let target = request.path.filter(|_| whole)?.to_owned();
        Some(Self {
            seen: Seen { method: request.method?.to_owned(), path: target.clone() },
            target,
            http_10: request.version == Some(0),
            fields: request
                .headers
                .iter()
                .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
                .collect(),
        })
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let same = self.fields.iter().filter(|(own, _)| own == name);
        same.map(|(_, value)| value.trim_ascii()).collect()
    }

    fn field(&self, name: &str) -> Field<'_> {
        match self.values(name).as_slice() {
            [] => Field::Absent,
            [one] => Field::One(one),
            _ => Field::Many,
        }
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| !self.values(name).is_empty())
    }

    fn keeps(&self) -> bool {
        let text = self.values("connection").join(&b","[..]).to_ascii_lowercase();
        let options: Vec<_> = text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        !self.http_10 && options.contains(&&b"keep-alive"[..]) && !options.contains(&&b"close"[..])
    }

    fn request(&self) -> imds::Request<'_> {
        let (authority, path) = match self.target.split_once("://") {
            Some((_, rest)) => {
                let at = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..at]), &rest[at..])
            }
            None => (None, self.target.as_str()),
        };
        imds::Request {
            method: match self.seen.method.as_str() {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "PUT" => Method::Put,
                "OPTIONS" => Method::Options,
                _ => Method::Other,
            },
            path: path.split('?').next().unwrap_or_default(),
            authority,
            http_10: self.http_10,
            host: self.field("host"),
            token: self.field("x-aws-ec2-metadata-token"),
            ttl: self.field("x-aws-ec2-metadata-token-ttl-seconds"),
            forwarded: self.has(&["x-forwarded-for"]),
            browser: self.has(&["origin", "referer", "sec-fetch-site", "sec-fetch-dest"]),
            expects: self.has(&["expect"]),
        }
    }
}

/// What stands in the way of a next request.
enum Broken {
    Bad,
    Gone,
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(SILENCE));
        let mut unread = Vec::new();
        loop {
            let head = match next(&mut stream, &mut unread) {
                Ok(head) => head,
                Err(Broken::Gone) => return,
                Err(Broken::Bad) => return self.refuse(&mut stream),
            };
            let (mut reply, bodiless) = (self.reply(&head, &stream), head.seen.method == "HEAD");
            match skip_body(&head, &mut stream, &mut unread) {
                Ok(()) => {}
                Err(Broken::Gone) => return,
                Err(Broken::Bad) => return self.refuse(&mut stream),
            }
            (self.spoil)(&head.seen, &mut reply);
            if head.seen.method == "PUT" && reply.code == 200 && !reply.body.is_empty() {
                self.secrets.lock().unwrap().push(reply.text());
            }
            if stream.write_all(&reply.bytes(bodiless)).is_err() || !reply.keep {
                return;
            }
        }
    }

    fn refuse(&self, stream: &mut TcpStream) {
        let status = imds::Status::BadRequest;
        let mut reply = self.rendered(&imds::Reply::refusal(status), false);
        (self.spoil)(&Seen { method: String::new(), path: String::new() }, &mut reply);
        let _ = stream.write_all(&reply.bytes(false));
    }

    fn reply(&self, head: &Head, stream: &TcpStream) -> Reply {
        let view = imds::View {
            options: &self.options,
            names: &self.names,
            local: stream.local_addr().unwrap().ip(),
            key: &self.key,
            shown: &imds::Shown::default(),
            tree: &self.tree,
            now: SystemClock.now(),
            nonce: self.nonce.fetch_add(1, Ordering::Relaxed),
            patient: false,
        };
        match imds::answer(&head.request(), &view) {
            imds::Answer::Reply(reply) => self.rendered(&reply, head.keeps()),
            imds::Answer::Wait => panic!("the set of this server is always valid"),
        }
    }

    fn rendered(&self, reply: &imds::Reply, keep: bool) -> Reply {
        let date = |at| httpdate::fmt_http_date(SystemTime::from(at));
        let fields = reply.fields().filter(|field| !(keep && *field == ReplyField::Connection));
        let fields = fields.map(|field| match field {
            ReplyField::Ttl(left) => {
                ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds".to_owned(), left.to_string())
            }
            ReplyField::Allow(methods) => ("Allow".to_owned(), methods.to_owned()),
            ReplyField::ContentType(kind) => ("Content-Type".to_owned(), kind.to_owned()),
            ReplyField::AcceptRanges => ("Accept-Ranges".to_owned(), "none".to_owned()),
            ReplyField::NoSniff => ("X-Content-Type-Options".to_owned(), "nosniff".to_owned()),
            ReplyField::LastModified => ("Last-Modified".to_owned(), date(self.tree.modified())),
            ReplyField::ContentLength(length) => ("Content-Length".to_owned(), length.to_string()),
            ReplyField::Date => ("Date".to_owned(), date(SystemClock.now().wall)),
            ReplyField::Server => ("Server".to_owned(), "EC2ws".to_owned()),
            ReplyField::Connection => ("Connection".to_owned(), "close".to_owned()),
        });
        Reply {
            code: reply.status.code(),
            reason: reply
                .status
                .reason()
                .map_or_else(|| phrase(reply.status.code()), str::to_owned),
            version: "HTTP/1.1",
            fields: fields.collect(),
            body: match reply.body() {
                imds::ReplyBody::Empty => Vec::new(),
                imds::ReplyBody::Static(bytes) => bytes.to_vec(),
                imds::ReplyBody::Shared(bytes) => bytes.to_vec(),
                imds::ReplyBody::Token(token) => token.to_vec(),
            },
            keep,
        }
    }
}

fn phrase(code: u16) -> String {
    let phrase = match code {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        417 => "Expectation Failed",
        _ => "Internal Server Error",
    };
    phrase.to_owned()
}

fn more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<(), Broken> {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(count) if count > 0 => {
            unread.extend(&piece[..count]);
            Ok(())
        }
        _ => Err(Broken::Gone),
    }
}

fn next(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<Head, Broken> {
    loop {
        let skipped = unread.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        unread.drain(..skipped);
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            return Head::read(&head).filter(|_| head.len() < HEAD).ok_or(Broken::Bad);
        }
        if unread.len() > HEAD {
            return Err(Broken::Bad);
        }
        more(stream, unread)?;
    }
}

fn skip_body(head: &Head, stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<(), Broken> {
    let expects = head.has(&["expect"]);
    match (head.values("content-length").as_slice(), head.values("transfer-encoding").as_slice()) {
        ([], []) => Ok(()),
        ([length], []) => {
            let length = str::from_utf8(length).ok().filter(|text| !text.starts_with('+'));
            let length: usize = length.and_then(|text| text.parse().ok()).ok_or(Broken::Bad)?;
            while unread.len() < length && !expects {
                more(stream, unread)?;
            }
            unread.drain(..length.min(unread.len()));
            Ok(())
        }
        ([], [b"chunked"]) => loop {
            let size =
                usize::from_str_radix(&line(stream, unread)?, 16).map_err(|_| Broken::Bad)?;
            while unread.len() < size + 2 {
                more(stream, unread)?;
            }
            unread.drain(..size + 2);
            if size == 0 {
                return Ok(());
            }
        },
        _ => Err(Broken::Bad),
    }
}

fn line(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<String, Broken> {
    loop {
        if let Some(end) = unread.windows(2).position(|window| window == b"\r\n") {
            let line: Vec<u8> = unread.drain(..end + 2).collect();
            return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        more(stream, unread)?;
    }
}
