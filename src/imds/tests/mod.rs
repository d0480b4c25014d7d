//! The rules asked through [`super::answer()`], in a world of one installation, role and boot.

mod checks;
mod contents;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;

use super::{
    Answer, Facts, Field, HostNames, Metadata, Method, Options, Outcome, Reply, ReplyBody, Request,
    Shown, TokenKey, Tree, Ttl, View, answer,
};
use crate::clock::{self, BootTime, Now};
use crate::credentials::{Credentials, Snapshot};
use crate::secret::Secret;

const START: Now = Now {
    wall: Timestamp::constant(1_800_000_000, 0),
    boot: BootTime::from_boot(Duration::from_secs(1000)),
};
const HOUR: Duration = Duration::from_hours(1);
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/deploy";

fn facts() -> Facts {
    Facts {
        role_name: "deploy".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        partition: "aws".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        seed: [3; 32],
        metadata: Metadata::new(),
        since: START.wall,
        account_id_in_document: false,
    }
}

/// An hour's session, obtained at the start and stated with fractions of a second.
fn snapshot() -> Snapshot {
    let (key, token) = (Secret::new("wJal/rXU+tn"), Secret::new("IQoJ//b3+Jp=="));
    let expiration = clock::later(START.wall, HOUR);
    Snapshot {
        generation: 1,
        credentials: Credentials::new("ASIAEXAMPLE".into(), key, token, expiration).unwrap(),
        obtained: clock::later(START.wall, Duration::from_millis(999)),
        deadline: START.boot.plus(HOUR),
    }
}

/// What a view borrows from, and what changes from test to test.
struct World {
    options: Options,
    names: HostNames,
    key: TokenKey,
    tree: Tree,
    now: Now,
    patient: bool,
}

impl World {
    fn new() -> Self {
        Self::with_tree(Tree::new(&facts(), Some(&snapshot()), &Outcome::Hopeful))
    }

    fn with_tree(tree: Tree) -> Self {
        Self {
            options: Options::default(),
            names: HostNames::new([], []),
            key: TokenKey::new(&[1; 32], "boot"),
            tree,
            now: START,
            patient: false,
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now = Now { wall: clock::later(self.now.wall, span), boot: self.now.boot.plus(span) };
    }

    fn token(&self) -> [u8; 56] {
        self.key.issue(Ttl::parse(b"21600").unwrap(), self.now.boot, 0)
    }

    fn answer(&self, request: &Request<'_>) -> Answer {
        answer(
            request,
            &View {
                options: &self.options,
                names: &self.names,
                local: IpAddr::V4(Ipv4Addr::LOCALHOST),
                key: &self.key,
                shown: &Shown::default(),
                tree: &self.tree,
                now: self.now,
                nonce: 7,
                patient: self.patient,
            },
        )
    }

    fn reply(&self, request: &Request<'_>) -> Reply {
        match self.answer(request) {
            Answer::Reply(reply) => reply,
            Answer::Wait => panic!("must not wait"),
        }
    }

    fn code(&self, request: &Request<'_>) -> u16 {
        self.reply(request).status.code()
    }

    /// What a client with a good token reads there: status and text.
    fn read(&self, path: &str) -> (u16, String) {
        let token = self.token();
        let reply = self.reply(&with_token(&get(path), &token));
        (reply.status.code(), text(&reply))
    }
}

fn get(path: &str) -> Request<'_> {
    Request {
        method: Method::Get,
        path,
        authority: None,
        http_10: false,
        host: Field::One(b"127.0.0.1:1338"),
        token: Field::Absent,
        ttl: Field::Absent,
        forwarded: false,
        browser: false,
        expects: false,
    }
}

fn put(path: &str) -> Request<'_> {
    Request { method: Method::Put, ttl: Field::One(b"21600"), ..get(path) }
}

fn with_token<'a>(request: &Request<'a>, token: &'a [u8]) -> Request<'a> {
    Request { token: Field::One(token), ..*request }
}

fn text(reply: &Reply) -> String {
    match reply.body() {
        ReplyBody::Empty => String::new(),
        ReplyBody::Static(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        ReplyBody::Shared(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        ReplyBody::Token(token) => String::from_utf8(token.to_vec()).unwrap(),
    }
}
