//! One connection: heads in, responses out, until either side ends it.
//!
//! Knows how requests follow one another, and not what they ask for: that is
//! for the endpoint. Holds no lock across an await.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::aside::aside;
use super::endpoint::Endpoint;
use super::head::Head;
use super::patience::{PATIENCE, Patience, Wait};
use super::payload::Payload;
use super::silence::Silence;
use super::visitor::{Ends, Form};
use super::wire::Wire;

/// At the end, whoever has just connected has this long to ask: SDKs wait no longer either.
const NEWCOMER: Duration = Duration::from_secs(1);
/// How much hyper reads of a head before it gives up by itself.
const HEAD_BYTES: usize = 32 * 1024;
/// How much of a body is heard out before the connection ends instead.
const BODY_BYTES: usize = 64 * 1024;

/// What ends a connection that would go on.
enum Limit {
    Silence,
    Closing,
}

/// Who may end a connection after the request in hand.
pub(super) struct End {
    /// Its listener does not serve any more.
    pub(super) closing: CancellationToken,
    /// All connections end.
    pub(super) closer: watch::Receiver<()>,
}

/// What the requests of one connection share.
struct Visit {
    endpoint: Endpoint,
    ends: Ends,
    silence: Silence,
    /// A head has come.
    asked: AtomicBool,
}

/// Serves one connection until it ends or keeps silent for too long, or to the end of
/// the request in hand once somebody wants it to end.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    endpoint: Endpoint,
    ends: Ends,
    mut end: End,
) -> Result<(), hyper::Error> {
    let silence = Silence::new(endpoint.clock());
    let asked = AtomicBool::new(false);
    let wire = Wire::new(stream, &endpoint);
    let visit = &Visit { endpoint, ends, silence, asked };
    let service = service_fn(|request| respond(request, visit));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES)
        .half_close(true)
        // One buffer and one send for a reply cost less than two slices do.
        .writev(false)
        .title_case_headers(true)
        .serve_connection(wire, service);
    let mut connection = std::pin::pin!(connection);
    let limits = aside(async {
        tokio::select! {
            () = visit.silence.ends() => Limit::Silence,
            () = end.closing.cancelled() => Limit::Closing,
            Ok(()) = end.closer.changed() => Limit::Closing,
        }
    });
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        limit = limits => if matches!(limit, Limit::Silence) { return Ok(()) },
    }
    // hyper hangs up on whoever has connected and not asked yet; its request is on the way.
    if !visit.asked.load(Ordering::Relaxed)
        && let Ok(ended) = tokio::time::timeout(NEWCOMER, connection.as_mut()).await
    {
        return ended;
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// The response at once or, for the few who wait, by a future on the heap: hyper keeps
/// room for this on each connection and moves every request's there, so it is small.
type Responding<'a> =
    Either<Ready<Responded>, Pin<Box<dyn Future<Output = Responded> + Send + 'a>>>;
type Responded = Result<Response<Payload>, Infallible>;

fn respond(request: Request<Incoming>, visit: &Visit) -> Responding<'_> {
    visit.asked.store(true, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    if !body.is_end_stream() {
        return Either::Right(Box::pin(respond_after(body, parts, visit)));
    }
    let head = Head::read(&parts);
    let form = visit.note(&head, true);
    match visit.endpoint.respond(&head, &visit.ends, form, Patience::WHOLE) {
        Ok(response) => Either::Left(ready(Ok(response))),
        Err(wait) => Either::Right(Box::pin(async move {
            Ok(respond_patiently(&Head::read(&parts), form, wait, visit).await)
        })),
    }
}

/// Hears the body out, of which nothing counts (F8): who is still sending might miss the
/// reply, and what is left of a body is no next request.
///
/// After chunks the connection ends in any case (F19): hyper hides a Content-Length
/// beside them, and what such a pair meant is not ours to guess.
async fn respond_after(mut body: Incoming, parts: Parts, visit: &Visit) -> Responded {
    let head = Head::read(&parts);
    // Who waits for our consent sends nothing.
    let whole = !head.request.expects
        && tokio::time::timeout(PATIENCE, hear_out(&mut body)).await.unwrap_or(false);
    let form = visit.note(&head, whole && !head.chunked);
    Ok(match visit.endpoint.respond(&head, &visit.ends, form, Patience::WHOLE) {
        Ok(response) => response,
        Err(wait) => respond_patiently(&head, form, wait, visit).await,
    })
}

/// True where it came to its end within bounds.
async fn hear_out(body: &mut Incoming) -> bool {
    let mut room = BODY_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, Bytes::len);
        match room.checked_sub(length) {
            Some(left) => room = left,
            None => return false,
        }
    }
    true
}

/// Waits as often as there is something to wait for and patience left.
async fn respond_patiently(
    head: &Head<'_>,
    mut form: Form,
    mut wait: Wait,
    visit: &Visit,
) -> Response<Payload> {
    loop {
        wait.over.await;
        form.now = visit.endpoint.clock().now();
        match visit.endpoint.respond(head, &visit.ends, form, wait.left) {
            Ok(response) => return response,
            Err(next) => wait = next,
        }
    }
}

impl Visit {
    /// Notes that a request has come, and how; `ended` says that nothing of it is to come.
    fn note(&self, head: &Head<'_>, ended: bool) -> Form {
        let now = self.endpoint.clock().now();
        self.silence.is_broken(now.boot);
        self.endpoint.clients().note(head.agent, now.wall);
        let stays = ended && head.breach().is_none() && self.endpoint.stays_open(head);
        Form { now, closes: !stays }
    }
}
