//! One connection: heads in, responses out, until either side ends it.
//!
//! Knows how requests follow one another, and not what they ask for: that is
//! for the endpoint. Holds no lock across an await.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
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

use super::activity::ConnectionActivity;
use super::aside::aside;
use super::endpoint::Endpoint;
use super::head::Head;
use super::patience::{PATIENCE, Patience, Wait};
use super::payload::Payload;
use super::visitor::{Ends, Form};
use super::wire::Wire;

/// At the end, a client that has just connected has this long to ask: SDKs wait no longer either.
const NEWCOMER: Duration = Duration::from_secs(1);
/// At the end, a client has this long to read its last answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);
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
struct Visit<'a> {
    endpoint: Endpoint,
    ends: Ends,
    activity: &'a ConnectionActivity,
    /// A request was answered since the connection was polled last.
    had_its_turn: AtomicBool,
}

/// Serves one connection until it ends or keeps silent for too long, or to the end of
/// the request in hand once somebody wants it to end.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    endpoint: Endpoint,
    ends: Ends,
    activity: &ConnectionActivity,
    mut end: End,
) -> Result<(), hyper::Error> {
    let wire = Wire::new(stream, &endpoint);
    let visit = &Visit { endpoint, ends, activity, had_its_turn: AtomicBool::new(false) };
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
            () = activity.idle_timeout() => Limit::Silence,
            () = end.closing.cancelled() => Limit::Closing,
            Ok(()) = end.closer.changed() => Limit::Closing,
        }
    });
    let turns = poll_fn(|context| {
        visit.had_its_turn.store(false, Ordering::Relaxed);
        connection.as_mut().poll(context)
    });
    tokio::select! {
        biased;
        ended = turns => return ended,
        limit = limits => if matches!(limit, Limit::Silence) { return Ok(()) },
    }
    // hyper hangs up on a client that has connected and not asked yet; its request is on the way.
    if !activity.has_asked() {
        if let Ok(ended) = tokio::time::timeout(NEWCOMER, connection.as_mut()).await {
            return ended;
        }
        // hyper would wait for the end of a head that has begun.
        if !activity.has_asked() {
            return Ok(());
        }
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => ended,
        () = last_answer_unread(activity) => Ok(()),
    }
}

/// Returns when a client had the time to read what was in hand.
async fn last_answer_unread(activity: &ConnectionActivity) {
    loop {
        tokio::time::sleep(LAST_ANSWER).await;
        if !activity.is_in_hand() {
            return;
        }
    }
}

/// The response at once or, for the few who wait, by a future on the heap: hyper keeps
/// room for this on each connection and moves every request's there, so it is small.
type Responding<'a> =
    Either<Ready<Responded>, Pin<Box<dyn Future<Output = Responded> + Send + 'a>>>;
type Responded = Result<Response<Payload>, Infallible>;

fn respond<'a>(request: Request<Incoming>, visit: &'a Visit<'_>) -> Responding<'a> {
    let (parts, body) = request.into_parts();
    if !body.is_end_stream() {
        return Either::Right(Box::pin(respond_after(body, parts, visit)));
    }
    let head = Head::read(&parts);
    let form = visit.note(&head, true);
    match visit.endpoint.respond(&head, &visit.ends, form, Patience::WHOLE) {
        Ok(response) if visit.takes_turn() => Either::Left(ready(Ok(response))),
        Ok(response) => Either::Right(Box::pin(async {
            tokio::task::yield_now().await;
            visit.takes_turn();
            Ok(response)
        })),
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
async fn respond_after(mut body: Incoming, parts: Parts, visit: &Visit<'_>) -> Responded {
    let _held = visit.activity.hold();
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
    visit: &Visit<'_>,
) -> Response<Payload> {
    let _held = visit.activity.hold();
    loop {
        wait.over.await;
        form.now = visit.endpoint.clock().now();
        match visit.endpoint.respond(head, &visit.ends, form, wait.left) {
            Ok(response) => return response,
            Err(next) => wait = next,
        }
    }
}

impl Visit<'_> {
    /// True for one request at a time: a client that sends many without waiting for answers takes
    /// turns with the other connections.
    fn takes_turn(&self) -> bool {
        let is_first = !self.had_its_turn.load(Ordering::Relaxed);
        self.had_its_turn.store(true, Ordering::Relaxed);
        is_first
    }

    /// Notes that a request has come, and how; `ended` says that nothing of it is to come.
    fn note(&self, head: &Head<'_>, ended: bool) -> Form {
        let now = self.endpoint.clock().now();
        self.activity.note_request(now.boot);
        self.endpoint.clients().note(head.agent, now.wall);
        let stays = ended && head.breach().is_none() && self.endpoint.stays_open(head);
        Form { now, closes: !stays }
    }
}
