//! A portal of IAM Identity Center, and its OIDC service, in one on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use assumed::clock::{Clock, SystemClock};
use serde_json::{Value, json};

/// One request, and what it was answered with.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) bearer: Option<String>,
    pub(crate) body: Value,
    pub(crate) status: u16,
}

/// What it knows, and how it feels.
#[derive(Default)]
pub(crate) struct Mind {
    /// The access tokens that it takes.
    pub(crate) logins: BTreeSet<String>,
    /// The refresh token that it takes, and the access token that comes of it.
    pub(crate) refresh: Option<(String, String)>,
    /// Answers at these paths with these statuses instead.
    pub(crate) trouble: BTreeMap<&'static str, u16>,
    pub(crate) asked: Vec<Asked>,
}

#[derive(Clone)]
pub(crate) struct Portal {
    address: SocketAddr,
    mind: Arc<Mutex<Mind>>,
}

impl Portal {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let portal = Self { address: listener.local_addr().unwrap(), mind: Arc::default() };
        let own = portal.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                own.answer(stream.unwrap());
            }
        });
        portal
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn think(&self, thought: impl FnOnce(&mut Mind)) {
        thought(&mut self.mind.lock().unwrap());
    }

    /// The requests since the last look.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.mind.lock().unwrap().asked)
    }

    fn answer(&self, mut stream: TcpStream) {
        let Some((head, body)) = read(&mut stream) else { return };
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let bearer = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("x-amz-sso_bearer_token").then(|| value.to_owned())
        });
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let mut mind = self.mind.lock().unwrap();
        let path = target.split('?').next().unwrap();
        let (status, reply) = match mind.trouble.get(path) {
            Some(&status) => (status, json!({ "message": "hush hush" })),
            None if path == "/token" => mind.refreshed(&body),
            None => mind.credentials(bearer.as_deref()),
        };
        mind.asked.push(Asked { path: target, bearer, body, status });
        drop(mind);
        let reply = reply.to_string();
        let length = reply.len();
        let head = format!("HTTP/1.1 {status} So\r\nContent-Type: application/json\r\n");
        let rest = format!("Content-Length: {length}\r\nConnection: close\r\n\r\n{reply}");
        let _ = stream.write_all(format!("{head}{rest}").as_bytes());
    }
}

impl Mind {
    fn credentials(&self, bearer: Option<&str>) -> (u16, Value) {
        if !bearer.is_some_and(|bearer| self.logins.contains(bearer)) {
            let words = "Session token not found or invalid";
            return (401, json!({ "__type": "UnauthorizedException", "message": words }));
        }
        let nth = self.asked.len();
        let ends = SystemClock.now().wall.as_millisecond() + 3_600_000;
        let credentials = json!({
            "accessKeyId": format!("ASIAPORTAL{nth}"),
            "secretAccessKey": "hush-secret-key",
            "sessionToken": "hush-session-token",
            "expiration": ends,
        });
        (200, json!({ "roleCredentials": credentials }))
    }

    fn refreshed(&mut self, body: &Value) -> (u16, Value) {
        match &self.refresh {
            Some((refresh, access)) if body["refreshToken"] == refresh.as_str() => {
                self.logins.insert(access.clone());
                let reply = json!({
                    "accessToken": access,
                    "refreshToken": format!("{refresh}-next"),
                    "tokenType": "Bearer",
                    "expiresIn": 3600,
                });
                (200, reply)
            }
            _ => (400, json!({ "error": "invalid_grant", "__type": "InvalidGrantException" })),
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        if bytes.len() >= end + 4 + length {
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}
