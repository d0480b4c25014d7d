//! One connection: one order in, one answer out.
//!
//! Time is bounded for each stage: a client that does not speak, or that does
//! not listen, is gone soon, and nothing waits for it meanwhile. Only who asks
//! for events may stay.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing::debug;
use zeroize::Zeroizing;

use super::chronicle::Reader;
use super::consumer::Peer;
use super::order::{MOST_BYTES, Order, most_bytes};
use super::places::{Progress, Stage};
use super::port::Steer;
use super::refusal::{Code, Refusal};
use crate::credentials::Credentials;

/// For the head, and again for the body.
const SPEAKING: Duration = Duration::from_secs(5);
/// For the whole connection: an attempt that waits for another, and some.
const IN_ALL: Duration = Duration::from_mins(2);
/// For the whole connection of a user who is not admitted.
const REFUSED: Duration = Duration::from_secs(2);

/// More than a consumer's answer takes.
const ROOM: usize = 8 * 1024;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) peer: Peer,
    pub(super) admitted: bool,
}

/// What all connections share.
pub(super) struct Host {
    pub(super) steer: Arc<dyn Steer>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

/// Whole, or line by line for as long as there is something to tell.
type Body = Either<Full<Bytes>, Reader>;

/// Serves one connection, and notes in `progress` how far it is.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: Arc<Host>,
    guest: Guest,
    progress: Arc<Progress>,
) {
    let stays = AtomicBool::new(false);
    let service = service_fn(|request| {
        let (host, progress, stays) = (Arc::clone(&host), Arc::clone(&progress), &stays);
        let guest = guest.clone();
        async move {
            let response = respond(request, &host, guest, &progress).await;
            let follows = matches!(response.body(), Either::Right(_));
            progress.set(if follows { Stage::Following } else { Stage::Waiting });
            stays.store(follows, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SPEAKING)
        .max_buf_size(MOST_BYTES)
        .keep_alive(false)
        .auto_date_header(false)
        // A client may end its side when it has asked.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // An error is the end of a conversation, and the client's to tell.
    let time = if guest.admitted { IN_ALL } else { REFUSED };
    if timeout(time, &mut connection).await.is_err() && stays.load(Ordering::Relaxed) {
        let _ = connection.await;
    }
}

async fn respond(
    request: Request<Incoming>,
    host: &Host,
    guest: Guest,
    progress: &Progress,
) -> Response<Body> {
    let answer = if guest.admitted {
        match read(request).await {
            Err(refusal) => Err(refusal),
            Ok(order) => {
                progress.set(Stage::InHand);
                host.carry_out(order, guest.peer).await
            }
        }
    } else {
        Err(Refusal::new(Code::Forbidden, "this user may not steer the daemon")
            .hint("owner and root may; [control] in the settings admits others"))
    };
    answer.unwrap_or_else(|refusal| answered(refusal.code.status(), &refusal))
}

async fn read(request: Request<Incoming>) -> Result<Order, Refusal> {
    let (head, body) = request.into_parts();
    let body = timeout(SPEAKING, Limited::new(body, most_bytes(head.uri.path())).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            return Err(Refusal::new(Code::BadRequest, "the body is broken or too large"));
        }
        Err(_) => return Err(Refusal::new(Code::BadRequest, "the body did not come in time")),
    };
    Order::read(head.method.as_str(), head.uri.path(), head.uri.query(), &body)
}

type Answer = Result<Response<Body>, Refusal>;

impl Host {
    async fn carry_out(&self, order: Order, peer: Peer) -> Answer {
        let steer = &*self.steer;
        if let Some(order) = order.name() {
            debug!(event = "control", order, uid = peer.uid, pid = peer.pid, "an order");
        }
        match order {
            Order::Status => Ok(answered(200, &steer.status())),
            Order::Roles => {
                let status = steer.status();
                Ok(answered(200, &json!({"active": status.active, "roles": status.roles})))
            }
            Order::Activate(role) => {
                let active = steer.activate(&role).await?;
                Ok(answered(200, &json!({"active": active})))
            }
            Order::Events => Ok(lines(steer.events())),
            Order::Health(role) => self.health(role.as_deref()),
            Order::Metrics => Ok(text(steer.status().metrics())),
            Order::Refresh(role) => {
                steer.refresh(role.as_deref()).await?;
                self.role(role.as_deref())
            }
            Order::HandIn(role, gift) => {
                steer.hand_in(role.as_deref(), gift).await?;
                self.role(role.as_deref())
            }
            Order::Reload => {
                let changed = steer.reload().await?;
                Ok(answered(200, &json!({"changed": changed})))
            }
            Order::Stop => {
                steer.stop();
                Ok(done())
            }
            Order::Lock { forget } => steer.lock(forget).map(|()| done()),
            Order::Suspend => {
                let locked = steer.suspend()?;
                Ok(answered(200, &json!({"locked": locked})))
            }
            Order::Unlock => steer.unlock().map(|()| done()),
            Order::Credentials(role) => {
                steer.credentials(role.as_deref()).await.map(|held| secret(&held))
            }
            Order::Consumers => Ok(answered(200, &json!({"tokens": steer.consumers()}))),
            Order::Mint(wanted) => {
                let minted = steer.mint(wanted, peer).await?;
                Ok(wiped(&minted))
            }
            Order::Revoke(name) => steer.revoke(&name).await.map(|()| done()),
        }
    }

    fn role(&self, name: Option<&str>) -> Answer {
        let status = self.steer.status();
        status
            .role(name)
            .map(|role| answered(200, role))
            .ok_or_else(|| Refusal::no_role(name, &status))
    }

    /// 200 while clients get credentials, else the reason why not.
    fn health(&self, name: Option<&str>) -> Answer {
        let status = self.steer.status();
        let role = status.role(name).ok_or_else(|| Refusal::no_role(name, &status))?;
        Refusal::of(role).map_or_else(
            || Ok(answered(200, &json!({"role": role.name, "state": role.state}))),
            Err,
        )
    }
}

fn done() -> Response<Body> {
    answered(200, &json!({}))
}

fn answered(status: u16, body: &impl Serialize) -> Response<Body> {
    let mut body = serde_json::to_vec(body).unwrap_or_default();
    body.push(b'\n');
    response(status, "application/json", Bytes::from(body))
}

fn text(body: String) -> Response<Body> {
    response(200, "text/plain; version=0.0.4", Bytes::from(body))
}

/// An answer with a secret in it; wiped when it is sent.
fn wiped(body: &impl Serialize) -> Response<Body> {
    // With room for all of it the text never moves, and leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    // What is said here has no maps with odd keys, and a vector takes all bytes.
    let _ = serde_json::to_writer(&mut *bytes, body);
    bytes.push(b'\n');
    response(200, "application/json", Bytes::from_owner(bytes))
}

/// The one answer that holds keys; wiped when it is sent.
fn secret(held: &Credentials) -> Response<Body> {
    let parts: [&str; 4] = [
        held.access_key_id(),
        held.secret_access_key().expose(),
        held.session_token().expose(),
        &held.expiration().to_string(),
    ];
    let names = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
    let room = parts.iter().map(|part| 6 * part.len() + 32).sum::<usize>();
    let mut body = Zeroizing::new(Vec::with_capacity(room + 32));
    body.extend_from_slice(b"{\"Version\":1");
    for (name, part) in names.iter().zip(parts) {
        body.extend_from_slice(format!(",\"{name}\":").as_bytes());
        // A text is always JSON, and a vector takes all bytes.
        let _ = serde_json::to_writer(&mut *body, part);
    }
    body.extend_from_slice(b"}\n");
    response(200, "application/json", Bytes::from_owner(body))
}

/// An object a line, of events.
fn lines(events: Reader) -> Response<Body> {
    of_kind(200, "application/x-ndjson", Either::Right(events))
}

fn response(status: u16, kind: &'static str, body: Bytes) -> Response<Body> {
    of_kind(status, kind, Either::Left(Full::new(body)))
}

fn of_kind(status: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
