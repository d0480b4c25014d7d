//! One connection: heads in, responses out, until either side ends it.
//!
//! Knows how requests follow one another, and not what they ask for: that is
//! for the endpoint. Holds no lock across an await.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::aside::aside;
use super::endpoint::Endpoint;
use super::head::Head;
use super::payload::Payload;
use super::role::PATIENCE;
use super::silence::Silence;
use super::visitor::{Ends, Form};
use super::wire::Wire;

/// At the end, whoever has just connected has this long to ask: SDKs wait no longer either.
const NEWCOMER: Duration = Duration::from_secs(1);
/// How much hyper reads of a head before it gives up by itself.
const HEAD_BYTES: usize = 32 * 1024;

/// What ends a connection that would go on.
enum Limit {
    Silence,
    Closing,
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
/// the request in hand after `closing`.
pub(super) async fn serve(
    stream: TcpStream,
    endpoint: Endpoint,
    ends: Ends,
    closing: CancellationToken,
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
            () = closing.cancelled() => Limit::Closing,
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

async fn respond(
    request: Request<Incoming>,
    visit: &Visit,
) -> Result<Response<Payload>, Infallible> {
    visit.asked.store(true, Ordering::Relaxed);
    let (parts, mut body) = request.into_parts();
    let head = Head::read(&parts);
    let endpoint = &visit.endpoint;
    let stays = head.fits() && endpoint.stays_open(&head) && !head.chunked;
    if head.chunked && !head.request.expects {
        hear_out(&mut body).await;
    }
    let now = endpoint.clock().now();
    visit.silence.is_broken(now.boot);
    endpoint.clients().note(head.agent, now.wall);
    let form = Form { now, closes: !stays };
    Ok(match endpoint {
        Endpoint::Imds(site) => site.respond(&head, &visit.ends, form).await,
        Endpoint::Container(site) => site.respond(&head, &visit.ends, form).await,
        Endpoint::Pods(site) => site.respond(&head, &visit.ends, form).await,
        Endpoint::Metrics(site) => site.respond(&head, &visit.ends, form),
    })
}

/// Waits for the beginning of a body in chunks, mostly its end: who is still
/// sending might miss the reply.
///
/// Whatever it says, the connection ends (F19): hyper hides a Content-Length
/// beside chunks, and what such a pair meant is not ours to guess.
async fn hear_out(body: &mut Incoming) {
    let _ = tokio::time::timeout(PATIENCE, body.frame()).await;
}
