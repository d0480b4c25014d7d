//! What a request costs in memory, counted: in the steady state of a connection
//! that stays open, each kind of request allocates as often as it did.
//!
//! Counts, unlike times, are the same on every machine. Whoever makes one of them
//! rise finds it here, and has either a reason or a mistake.

#![allow(unsafe_code, clippy::unwrap_used)] // An allocator is unsafe to write.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use assumed::access::permit::CallerIdentity;
use assumed::access::policy::Admission;
use assumed::clock::{self, Clock, SystemClock};
use assumed::credentials::{Credentials, Grant, Snapshot};
use assumed::http::{
    ConnectionCloser, ConnectionLimiter, Endpoint, Listener, ServedRole, Site, Source, Terms,
    UnknownHosts,
};
use assumed::imds::{Facts, HostNames, Metadata, Options, TokenKey};
use assumed::log_throttle::LogThrottle;
use assumed::pulse::Pulse;
use assumed::role::{AccountId, Partition};
use assumed::rotation::port::Publish as _;
use assumed::secret::Secret;
use assumed::store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The system's allocator, counted.
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: each call is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `System`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the block came from `System`, and the caller keeps the contract.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: u64 = 200;

fn store(clock: &Arc<dyn Clock>) -> Arc<Store> {
    let facts = Facts {
        role_name: "deploy".parse().unwrap(),
        account: AccountId::unknown(),
        partition: Partition::Aws,
        region: Partition::Aws.default_region(),
        seed: [0; 32],
        metadata: Metadata::new(),
        since: clock.now().wall,
        account_id_in_document: false,
    };
    let store = Store::new(facts, Arc::clone(clock));
    let (now, hour) = (clock.now(), Duration::from_hours(1));
    let secrets = (Secret::new("not/a/secret"), Secret::new("session".repeat(100)));
    let end = clock::later(now.wall, hour);
    let credentials = Credentials::new("ASIA".to_owned(), secrets.0, secrets.1, end).unwrap();
    let snapshot = Snapshot {
        generation: 1,
        credentials: credentials.clone(),
        obtained: now.wall,
        deadline: now.boot.plus(hour),
    };
    store.publish(snapshot, &Grant { credentials, date: None, account: None, role_arn: None });
    Arc::new(store)
}

/// Serves IMDS from a thread of its own, to the end of the process.
fn served() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let names = HostNames::new([address.ip()], []);
    let role = ServedRole {
        name: "dev".into(),
        store: store(&clock),
        demand: Arc::new(|_| Duration::MAX),
        interest: Arc::new(|_| {}),
    };
    let site = Site {
        terms: watch::Sender::new(Terms {
            options: Options::default(),
            names,
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
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limiter = Arc::new(ConnectionLimiter::new(8, |_, _| Source::UnknownUser, || {}));
        runtime.block_on(async {
            let listener = Listener {
                socket: tokio::net::TcpListener::from_std(socket).unwrap(),
                address,
                identify: |_, _, _| CallerIdentity::UnknownLocalUser,
                admission: Admission::new(Vec::new()),
                endpoint: Endpoint::Imds(Arc::new(site)),
                limit: limiter.listener(address, 8),
                connections: TaskTracker::new(),
                closer: ConnectionCloser::default(),
                pulse: Pulse::default(),
            };
            listener.serve(CancellationToken::new()).await;
        });
    });
    address
}

/// Sends one request and reads the reply into room that is there already.
fn ask<'a>(stream: &mut TcpStream, request: &[u8], room: &'a mut [u8]) -> &'a [u8] {
    stream.write_all(request).unwrap();
    let length = stream.read(room).unwrap();
    let reply = room.get(..length).unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 200 OK\r\n"));
    reply
}

/// How often a request of this kind allocates once its connection is used to it.
fn allocations(stream: &mut TcpStream, request: &str) -> u64 {
    let mut room = [0; 4096];
    for _ in 0..ROUNDS {
        ask(stream, request.as_bytes(), &mut room);
    }
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..ROUNDS {
        ask(stream, request.as_bytes(), &mut room);
    }
    // What a new second costs is spread over many requests, and not theirs.
    (COUNT.load(Ordering::Relaxed) - before) / ROUNDS
}

#[test]
fn a_request_on_a_kept_connection_allocates_as_often_as_it_did() {
    let address = served();
    let mut stream = TcpStream::connect(address).unwrap();
    let host = format!("Host: {address}\r\nConnection: keep-alive\r\n");
    let put = format!(
        "PUT /latest/api/token HTTP/1.1\r\n{host}X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n"
    );
    let mut room = [0; 4096];
    let granted = String::from_utf8(ask(&mut stream, put.as_bytes(), &mut room).to_vec()).unwrap();
    let token = granted.split("\r\n\r\n").last().unwrap();
    let get = format!(
        "GET /latest/meta-data/iam/security-credentials/deploy HTTP/1.1\r\n{host}\
         X-aws-ec2-metadata-token: {token}\r\n\r\n"
    );
    assert_eq!(allocations(&mut stream, &get), 3, "GET");
    assert_eq!(allocations(&mut stream, &put), 4, "PUT");
}
