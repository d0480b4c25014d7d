//! The rules asked through [`super::answer()`], in a world of one role and three consumers.

mod checks;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;

use super::{Answer, Consumer, Consumers, Document, Order, Place, Reply, Request, View, answer};
use crate::access::permit::Permit;
use crate::clock::{self, BootTime, Now};
use crate::credentials::{Credentials, Grant, Snapshot};
use crate::imds::{self, Field, HostNames, Method};
use crate::secret::Secret;

pub(super) const START: Now = Now {
    wall: Timestamp::constant(1_800_000_000, 0),
    boot: BootTime::from_boot(Duration::from_secs(1000)),
};
const HOUR: Duration = Duration::from_hours(1);
const ROLE: &str = "/v1/credentials/dev";

pub(super) fn later(seconds: u64) -> Now {
    let span = Duration::from_secs(seconds);
    Now { wall: clock::later(START.wall, span), boot: START.boot.plus(span) }
}

/// An hour's session, obtained at the start and stated with fractions of a second.
pub(super) fn snapshot() -> Snapshot {
    Snapshot {
        generation: 1,
        credentials: grant().credentials,
        obtained: START.wall,
        deadline: START.boot.plus(HOUR),
    }
}

pub(super) fn grant() -> Grant {
    let (key, token) = (Secret::new("wJal/rXU+tn"), Secret::new("IQoJ//b3+Jp=="));
    let expiration = clock::later(START.wall, HOUR + Duration::from_millis(1));
    let id = "ASIAEXAMPLE".to_owned();
    Grant {
        credentials: Credentials::new(id, key, token, expiration).unwrap(),
        date: None,
        account: Some("123456789012".parse().unwrap()),
        role_arn: Some("arn:aws:iam::123456789012:role/team/deploy".parse().unwrap()),
    }
}

/// A consumer of `dev` that shows its secret in the header and ends never.
pub(super) fn order(name: &str) -> Order {
    Order {
        name: name.parse().unwrap(),
        role: "dev".into(),
        place: Place::Authorization,
        lifetime: None,
        kept: false,
        narrowing: None,
    }
}

/// What a view borrows from, and what changes from test to test.
struct World {
    names: HostNames,
    consumers: Consumers,
    /// Of a consumer that shows it in the header.
    secret: Secret,
    /// Of a consumer that shows it in the path.
    path: String,
    document: Document,
    permit: Permit<'static>,
    now: Now,
    patient: bool,
}

impl World {
    fn new() -> Self {
        Self::with(Document::of(&snapshot(), &grant()))
    }

    fn with(document: Document) -> Self {
        let mut consumers = Consumers::default();
        let by_path = Order { place: Place::Path, ..order("old") };
        let lost = Order { role: "gone".into(), ..order("lost") };
        consumers.mint(lost, &[3; 32], START).unwrap();
        let path = consumers.mint(by_path, &[2; 32], START).unwrap();
        Self {
            names: HostNames::new([IpAddr::from([169, 254, 170, 2])], []),
            secret: consumers.mint(order("ci"), &[1; 32], START).unwrap(),
            path: format!("/v2/credentials/{}", path.expose()),
            consumers,
            document,
            permit: Permit::Everything,
            now: START,
            patient: false,
        }
    }

    fn answer(&self, request: &Request<'_>) -> Answer {
        let document = |asking: &Consumer| (&*asking.role == "dev").then(|| self.document.clone());
        answer(
            request,
            &View {
                names: &self.names,
                local: IpAddr::V4(Ipv4Addr::LOCALHOST),
                permit: self.permit,
                consumers: &self.consumers,
                document: &document,
                now: self.now,
                patient: self.patient,
            },
        )
    }

    fn reply(&self, request: &Request<'_>) -> Reply {
        match self.answer(request) {
            Answer::Reply(reply) => reply,
            Answer::Wait(_) => panic!("must not wait"),
        }
    }

    /// The status, and the error code of the body where there is one.
    fn told(&self, request: &Request<'_>) -> (u16, String) {
        told(&self.reply(request))
    }

    /// The request of a consumer that is in the right.
    fn get<'a>(&'a self, path: &'a str) -> Request<'a> {
        Request { authorization: Field::One(self.secret.expose().as_bytes()), ..bare(path) }
    }
}

fn told(reply: &Reply) -> (u16, String) {
    let json: Option<serde_json::Value> = serde_json::from_slice(&reply.body()).ok();
    let code = json.and_then(|json| Some(json["code"].as_str()?.to_owned()));
    (reply.status(), code.unwrap_or_default())
}

/// A request without Authorization.
fn bare(path: &str) -> Request<'_> {
    Request {
        head: imds::Request {
            method: Method::Get,
            path,
            authority: None,
            http_10: false,
            host: Field::One(b"127.0.0.1:40000"),
            token: Field::Absent,
            ttl: Field::Absent,
            forwarded: false,
            browser: false,
            expects: false,
        },
        authorization: Field::Absent,
        query: None,
    }
}
