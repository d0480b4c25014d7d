//! An IMDS client that sees every byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// One whole answer, as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends these bytes on a connection of their own and reads to its end.
pub fn send(address: SocketAddr, request: &str) -> Answer {
    try_send(address, request).unwrap()
}

pub fn try_send(address: SocketAddr, request: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| std::io::Error::other("the answer is no HTTP"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?.to_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes.get(end + 4..)?.to_vec() })
}

/// A client that did the handshake.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: String,
}

pub const ROLE_LIST: &str = "/latest/meta-data/iam/security-credentials/";

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let answer = send(
            address,
            &format!(
                "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\n\
                 X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n"
            ),
        );
        assert_eq!(answer.status, 200, "{}", answer.head);
        Self { address, token: answer.text().to_owned() }
    }

    pub fn get(&self, path: &str) -> Answer {
        send(
            self.address,
            &format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nX-aws-ec2-metadata-token: {}\r\n\r\n",
                self.address, self.token
            ),
        )
    }

    /// The credential document of the one role that is listed.
    pub fn credentials(&self) -> Answer {
        let role = self.get(ROLE_LIST);
        self.get(&format!("{ROLE_LIST}{}", role.text()))
    }

    pub fn key_id(&self) -> String {
        let document = self.credentials();
        assert_eq!(document.status, 200, "{}", document.head);
        document.json()["AccessKeyId"].as_str().unwrap().to_owned()
    }
}

/// One connection that stays open from answer to answer.
#[derive(Debug)]
pub struct Line {
    client: Client,
    stream: TcpStream,
}

impl Line {
    pub fn open(client: &Client) -> Self {
        let stream = TcpStream::connect_timeout(&client.address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { client: client.clone(), stream }
    }

    /// `None` where the other side has closed it.
    pub fn get(&mut self, path: &str) -> Option<Answer> {
        let Client { address, token } = &self.client;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive\r\n\
             X-aws-ec2-metadata-token: {token}\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = parse(&bytes) {
                let length = answer.field("content-length")?.parse().ok()?;
                if answer.body.len() >= length {
                    return Some(answer);
                }
            }
            let mut part = [0; 4096];
            let read = self.stream.read(&mut part).ok().filter(|read| *read > 0)?;
            bytes.extend_from_slice(&part[..read]);
        }
    }
}
