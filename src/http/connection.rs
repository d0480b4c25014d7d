//! One connection: heads in, replies out, until either side ends it.
//!
//! Holds no lock across an await. A request that finds nothing valid wakes
//! rotation and waits for its outcome, 400 ms at most: SDKs give up between
//! 500 ms and a second (F15, clients need an answer within 450 ms).

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::foreign::ForeignNames;
use super::head;
use super::hops::Hops;
use super::payload::Payload;
use super::reply::{self, Stamp};
use super::wire::Wire;
use crate::clock::{BootTime, Clock};
use crate::imds::{self, Answer, HostNames, Options, Reply, Status, TokenKey, View};
use crate::status::Clients;
use crate::store::Store;

/// A head that does not end, or a connection that idles, is dropped after this (F19).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How much hyper reads of a head before it gives up by itself.
const HEAD_BYTES: usize = 32 * 1024;
/// How long a request waits for credentials that are on their way.
const PATIENCE: Duration = Duration::from_millis(400);

/// What a reload may change between two requests.
#[derive(Debug)]
pub struct Terms {
    /// EC2's metadata options.
    pub options: Options,
    /// The names by which clients may call us.
    pub names: HostNames,
}

/// What all connections of the IMDS listeners share.
pub struct Site {
    /// Each request is judged by those of its moment.
    pub terms: watch::Sender<Terms>,
    /// The foreign names that were told of.
    pub foreign: ForeignNames,
    /// Signs and checks metadata tokens.
    pub key: TokenKey,
    /// What is served.
    pub store: Arc<Store>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Tells rotation that nothing valid was found; returns how soon it tries.
    pub demand: Box<dyn Fn(BootTime) -> Duration + Send + Sync>,
    /// Which programs ask.
    pub clients: Arc<Clients>,
    /// Makes each metadata token another; starts anywhere.
    pub nonce: AtomicU64,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("terms", &*self.terms.borrow()).finish_non_exhaustive()
    }
}

/// Where a connection comes from, as far as replies depend on it.
#[derive(Debug)]
pub(super) struct Ends {
    /// The accepted socket's own address: always one of our names (F17).
    pub(super) local: IpAddr,
    /// For a peer on another host or in another namespace (T12).
    pub(super) hops: Option<Hops>,
}

/// What the requests of one connection share.
struct Visit {
    site: Arc<Site>,
    ends: Ends,
    length_seen: Arc<AtomicBool>,
}

/// Serves one connection to its end, or to the end of the request in hand after `closing`.
pub(super) async fn serve(
    stream: TcpStream,
    site: Arc<Site>,
    ends: Ends,
    closing: CancellationToken,
) -> Result<(), hyper::Error> {
    let length_seen = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(stream, Arc::clone(&length_seen));
    let visit = Arc::new(Visit { site, ends, length_seen });
    let service = service_fn(move |request| respond(request, Arc::clone(&visit)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .half_close(true)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(wire), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn respond(
    mut request: Request<Incoming>,
    visit: Arc<Visit>,
) -> Result<Response<Payload>, Infallible> {
    let site = &*visit.site;
    let fits = head::fits(&request);
    let mut closes =
        !fits || !head::stays_open(request.headers()) || !visit.is_whole(&mut request).await;
    let reduced = head::reduce(&request);
    let (mut answer, mut stamp) = site.answer(&reduced, visit.ends.local, true);
    let agent = request.headers().get(header::USER_AGENT);
    site.clients.note(agent.map_or(&[], HeaderValue::as_bytes), stamp.now);
    if !fits {
        answer = Answer::Reply(Reply::refusal(Status::HeadTooLarge));
    }
    if matches!(answer, Answer::Wait) {
        site.next_outcome().await;
        (answer, stamp) = site.answer(&reduced, visit.ends.local, false);
    }
    let mut reply = answer.into_reply();
    if reply.status == Status::Forbidden {
        site.tell_foreign(&reduced, visit.ends.local);
    }
    if let Some(hops) = visit.ends.hops.as_ref().filter(|_| reply.is_grant()) {
        closes = true;
        reply = site.kept_near(reply, hops);
    }
    Ok(reply::render(&reply, Stamp { closes, ..stamp }))
}

impl Visit {
    /// True where nothing of this request is left that could be taken for the next one (F8, F19).
    ///
    /// hyper hides a Content-Length beside chunks, and what such a pair meant is not ours to
    /// guess; a body of chunks is waited for only so far as to see that it is empty.
    async fn is_whole(&self, request: &mut Request<Incoming>) -> bool {
        if !head::is_chunked(request.headers()) {
            return true;
        }
        if self.length_seen.load(Ordering::Relaxed) || head::expects(request.headers()) {
            return false;
        }
        let first = tokio::time::timeout(PATIENCE, request.body_mut().frame()).await;
        matches!(first, Ok(None))
    }
}

impl Site {
    /// The answer from memory, and the dates that go with it.
    fn answer(&self, request: &imds::Request<'_>, local: IpAddr, patient: bool) -> (Answer, Stamp) {
        let now = self.clock.now();
        let (terms, state) = (self.terms.borrow(), self.store.read());
        let options = if state.locked { terms.options.off() } else { terms.options };
        let view = View {
            options: &options,
            names: &terms.names,
            local,
            key: &self.key,
            tree: &state.tree,
            now,
            nonce: self.nonce.fetch_add(1, Ordering::Relaxed),
            patient,
        };
        let stamp = Stamp { now: now.wall, modified: state.tree.modified(), closes: true };
        (imds::answer(request, &view), stamp)
    }

    /// Says once by which name somebody called us that is not ours.
    fn tell_foreign(&self, request: &imds::Request<'_>, local: IpAddr) {
        if let Some(name) = imds::foreign_name(request, &self.terms.borrow().names, local) {
            self.foreign.tell(name);
        }
    }

    /// A grant whose packets travel no farther than allowed, or no grant (T12).
    fn kept_near(&self, grant: Reply, hops: &Hops) -> Reply {
        match hops.limit(self.terms.borrow().options.hop_limit) {
            Ok(()) => grant,
            Err(error) => {
                warn!(%error, "cannot set the hop limit; no metadata token was granted");
                Reply::refusal(Status::InternalServerError)
            }
        }
    }

    /// Wakes rotation and waits for what comes of it, until patience ends.
    async fn next_outcome(&self) {
        let mut outcomes = self.store.subscribe();
        let under_way = (self.demand)(self.clock.now().boot);
        if under_way < PATIENCE {
            // Good or bad, the next answer tells it.
            let _ = tokio::time::timeout(PATIENCE, outcomes.changed()).await;
        }
    }
}
