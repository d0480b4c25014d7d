//! The fuzz target of the HTTP side: a connection to a listener, byte for byte.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::activity::ConnectionActivity;
use super::connection::{End, serve};
use super::visitor::Ends;
use super::{Endpoint, ServedRole, Site, Terms, UnknownHosts};
use crate::access::permit::{Caller, CallerIdentity};
use crate::clock::Clock;
use crate::fuzz_targets::{FixedClock, START, assert_no_secret, block_on, credentials};
use crate::imds::{HostNames, Options, Shown, TokenKey, Ttl};
use crate::log_throttle::LogThrottle;
use crate::rotation::port::Publish as _;
use crate::store::Store;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// What stands for a valid metadata token in an input.
const TOKEN: &[u8] = b"@TOKEN@";

fn site() -> Site {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock);
    let store = Store::new(crate::imds::fuzz::facts(), Arc::clone(&clock));
    let (snapshot, grant) = credentials();
    store.publish(snapshot, &grant);
    let role = ServedRole {
        name: "dev".into(),
        store: Arc::new(store),
        demand: Arc::new(|_| Duration::MAX),
        interest: Arc::new(|_| {}),
    };
    Site {
        terms: watch::Sender::new(Terms {
            options: Options::default(),
            names: HostNames::new([LOCAL], []),
            role,
            access: Vec::new(),
            given: BTreeMap::new(),
        }),
        foreign: UnknownHosts::default(),
        barred: LogThrottle::default(),
        hop_limit_log: LogThrottle::default(),
        key: Arc::new(TokenKey::new(&[7; 32], "boot")),
        clients: Arc::default(),
        clock,
        nonce: AtomicU64::new(0),
    }
}

thread_local! {
    static SITE: Arc<Site> = Arc::new(site());
}

/// A whole connection to an IMDS listener; `@TOKEN@` stands for a valid metadata token.
///
/// Every reply to it is HTTP/1.1, and without a valid token none holds a secret (T15).
pub fn request_head(data: &[u8]) {
    let site = SITE.with(Arc::clone);
    let minute = Ttl::parse(b"60").expect("a minute");
    let token = site.key.issue(minute, START.boot, u64::MAX);
    let at = data.windows(TOKEN.len()).position(|part| part == TOKEN);
    let (before, rest) = data.split_at(at.unwrap_or(data.len()));
    let after = rest.strip_prefix(TOKEN);
    let input = after.map_or_else(|| data.to_vec(), |after| [before, &token, after].concat());
    let listen = SocketAddr::new(LOCAL, 1338);
    let caller = Caller { from: LOCAL, listen, identity: CallerIdentity::UnknownLocalUser };
    let ends = Ends { local: LOCAL, caller, hops: None, shown: Shown::default() };
    let activity = ConnectionActivity::new(&site.clock);
    let mut sent = Vec::new();
    let stream = tokio::io::join(input.as_slice(), &mut sent);
    let (_open, closer) = watch::channel(());
    let end = End { closing: CancellationToken::new(), closer };
    // It is an error that the client went away in the middle of a request.
    let _ = block_on(serve(stream, Endpoint::Imds(site), ends, &activity, end));

    if after.is_none() {
        assert_no_secret(&String::from_utf8_lossy(&sent), data);
    }
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(&sent).expect("a reply of HTTP");
    assert!(sent.is_empty() || parsed.is_complete());
    if let Some(code) = response.code {
        let known = [200, 400, 401, 403, 404, 405, 417, 431, 500];
        assert!(known.contains(&code) && response.version == Some(1), "{code}");
        assert!(response.headers.iter().any(|f| f.name == "Server" && f.value == b"EC2ws"));
    }
}
