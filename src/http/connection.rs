//! One connection: heads in, responses out, until either side ends it.
//!
//! Knows how requests follow one another, and not what they ask for: that is
//! for the endpoint. Holds no lock across an await.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::head;
use super::hops::Hops;
use super::payload::Payload;
use super::role::PATIENCE;
use super::wire::Wire;

/// A head that does not end, or a connection that idles, is dropped after this (F19).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How much hyper reads of a head before it gives up by itself.
const HEAD_BYTES: usize = 32 * 1024;

/// Where a connection comes from, as far as replies depend on it.
#[derive(Debug)]
pub(super) struct Ends {
    /// The accepted socket's own address: always one of our names (F17).
    pub(super) local: IpAddr,
    /// For a peer on another host or in another namespace (T12).
    pub(super) hops: Option<Hops>,
}

/// How a request came, whatever it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Its head keeps to the bounds (F19).
    pub(super) fits: bool,
    /// The connection ends with the response.
    pub(super) closes: bool,
}

/// What the requests of one connection share.
struct Visit {
    endpoint: Endpoint,
    ends: Ends,
    length_seen: Arc<AtomicBool>,
}

/// Serves one connection to its end, or to the end of the request in hand after `closing`.
pub(super) async fn serve(
    stream: TcpStream,
    endpoint: Endpoint,
    ends: Ends,
    closing: CancellationToken,
) -> Result<(), hyper::Error> {
    let length_seen = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(stream, Arc::clone(&length_seen));
    let visit = Arc::new(Visit { endpoint, ends, length_seen });
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
    visit.endpoint.note(request.headers());
    let fits = head::fits(&request);
    let stays =
        fits && visit.endpoint.stays_open(request.headers()) && visit.is_whole(&mut request).await;
    let form = Form { fits, closes: !stays };
    Ok(match &visit.endpoint {
        Endpoint::Imds(site) => site.respond(&request, &visit.ends, form).await,
        Endpoint::Container(site) => site.respond(&request, &visit.ends, form).await,
    })
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
