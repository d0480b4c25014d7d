//! The fuzz target of the control API: a connection to the socket, byte for byte.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::connection::{Guest, Host, serve};
use super::{Chronicle, Code, Gift, Listed, Minted, Peer, Pending, Reader, Refusal, Steer, Wanted};
use crate::credentials::Credentials;
use crate::fuzz_targets::{SECRET_KEY, START, block_on, credentials};
use crate::secret::Secret;
use crate::status::Status;

/// Counts the orders that it is given.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn refused<T: Send + 'static>(&self) -> Pending<T> {
        self.count();
        Box::pin(async { Err(Refusal::new(Code::Unavailable, "not now")) })
    }
}

impl Steer for Counting {
    fn status(&self) -> Status {
        self.count();
        Status {
            version: "0".to_owned(),
            pid: 1,
            now: START.wall,
            started: START.wall,
            uptime: START.boot.since_boot(),
            locked: false,
            active: "dev".to_owned(),
            control: None,
            listeners: Vec::new(),
            roles: Vec::new(),
            issuers: Vec::new(),
            clients: Vec::new(),
        }
    }

    fn refresh(&self, _: Option<&str>) -> Pending<()> {
        self.refused()
    }

    fn reload(&self) -> Pending<Vec<String>> {
        self.refused()
    }

    fn stop(&self) {
        self.count();
    }

    fn lock(&self, _: bool) -> Result<(), Refusal> {
        self.count();
        Ok(())
    }

    fn suspend(&self) -> Result<bool, Refusal> {
        self.count();
        Ok(true)
    }

    fn unlock(&self) -> Result<(), Refusal> {
        self.count();
        Ok(())
    }

    fn hand_in(&self, _: Option<&str>, _: Gift) -> Pending<()> {
        self.refused()
    }

    fn credentials(&self, _: Option<&str>) -> Pending<Credentials> {
        self.count();
        Box::pin(async { Ok(credentials().1.credentials) })
    }

    fn consumers(&self) -> Vec<Listed> {
        self.count();
        Vec::new()
    }

    fn mint(&self, wanted: Wanted, _: Peer) -> Pending<Minted> {
        self.count();
        let (name, role) = (wanted.name.unwrap_or_default(), wanted.role.unwrap_or_default());
        let (region, uri) = (String::new(), String::new());
        let secret = Secret::new(SECRET_KEY);
        Box::pin(async { Ok(Minted { name, role, region, uri, secret, folder: None }) })
    }

    fn activate(&self, role: &str) -> Pending<String> {
        self.count();
        let role = role.to_owned();
        Box::pin(async { Ok(role) })
    }

    fn events(&self) -> Reader {
        self.count();
        // One that ends, for nobody waits here.
        let chronicle = Chronicle::default();
        chronicle.close();
        chronicle.read()
    }

    fn revoke(&self, _: &str) -> Pending<()> {
        self.refused()
    }
}

/// What the daemon sends to a client that sends this and then nothing more; with the number
/// of orders that were carried out.
fn exchange(data: &[u8], admitted: bool) -> (Vec<u8>, usize) {
    let steer = Arc::new(Counting::default());
    let host = Arc::new(Host { steer: Arc::clone(&steer) as Arc<dyn Steer> });
    let guest = Guest { peer: Peer { uid: 60_001, pid: None, pidfd: None }, admitted };
    let mut sent = Vec::new();
    block_on(serve(tokio::io::join(data, &mut sent), host, guest, Arc::default()));
    (sent, steer.0.load(Ordering::Relaxed))
}

/// A whole connection to the control socket.
///
/// A user who may not give orders causes none to be carried out and gets 403 at most; a
/// connection carries one order; every answer is one of HTTP/1.1, and an error has a code, a
/// message and a hint.
pub fn control_request(data: &[u8]) {
    let (sent, orders) = exchange(data, false);
    assert_eq!(orders, 0, "an order of a user who may give none");
    assert!(
        matches!(status(&sent), None | Some(400 | 403 | 414 | 431 | 505)),
        "{:?}",
        status(&sent)
    );
    let (sent, orders) = exchange(data, true);
    assert!(orders <= 2, "{orders} orders on one connection");
    let Some(status) = status(&sent) else { return };
    let text = String::from_utf8_lossy(&sent);
    if (400..600).contains(&status) && text.contains("application/json") {
        let (_, body) = text.split_once("\r\n\r\n").expect("a head ends");
        if let Some(line) = body.lines().next() {
            let refusal: Refusal = serde_json::from_str(line).expect("an error in JSON");
            assert_eq!(refusal.code.status(), status);
            assert!(line.contains("\"hint\":"), "{line}");
        }
    }
}

/// The status of the reply; `None` if nothing was sent.
fn status(sent: &[u8]) -> Option<u16> {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(sent).expect("a reply of HTTP");
    assert!(sent.is_empty() || parsed.is_complete());
    response.code
}
