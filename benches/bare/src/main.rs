//! A hyper server that answers like the daemon and decides nothing.
//!
//! `bare ADDRESS FILE FILE` answers PUT with one fixed token, paths of the
//! container endpoint with the second file and everything else with the first,
//! all with the daemon's header fields; `Date` is hyper's own. No guard, no token
//! check, no time-outs, no cap: the least that hyper can do for these bytes.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LAST_MODIFIED, SERVER,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const LIFE: HeaderValue = HeaderValue::from_static("21600");
const MOMENT: HeaderValue = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
const NAME: HeaderValue = HeaderValue::from_static("EC2ws");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
const TOKEN: &str = "AQAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(imds), Some(container)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: bare ADDRESS FILE FILE".into());
    };
    let documents = Documents {
        imds: std::fs::read(imds)?.into(),
        container: std::fs::read(container)?.into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve(&address, documents))
}

#[derive(Clone)]
struct Documents {
    imds: Bytes,
    container: Bytes,
}

async fn serve(address: &str, documents: Documents) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(connection(stream, documents.clone()));
    }
}

async fn connection(stream: TcpStream, documents: Documents) {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = if *request.method() == Method::PUT {
            token()
        } else if request.uri().path().starts_with("/v1/") {
            consumers(documents.container.clone())
        } else {
            credentials(documents.imds.clone())
        };
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), answer);
    // A connection that breaks is the client's affair.
    let _ = connection.await;
}

fn token() -> Response<Full<Bytes>> {
    let body = Bytes::from_static(TOKEN.as_bytes());
    let mut response = Response::new(Full::new(body));
    let fields = response.headers_mut();
    fields.reserve(6);
    fields.insert(TTL, LIFE);
    fields.insert(CONTENT_LENGTH, HeaderValue::from_static("56"));
    fields.insert(SERVER, NAME);
    fields.insert(CONTENT_TYPE, PLAIN);
    response
}

fn credentials(document: Bytes) -> Response<Full<Bytes>> {
    let length = document.len().into();
    let mut response = Response::new(Full::new(document));
    let fields = response.headers_mut();
    fields.reserve(8);
    fields.insert(TTL, LIFE);
    fields.insert(CONTENT_TYPE, PLAIN);
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    fields.insert(LAST_MODIFIED, MOMENT);
    fields.insert(CONTENT_LENGTH, length);
    fields.insert(SERVER, NAME);
    response
}

fn consumers(document: Bytes) -> Response<Full<Bytes>> {
    let length = document.len().into();
    let mut response = Response::new(Full::new(document));
    let fields = response.headers_mut();
    fields.reserve(5);
    fields.insert(CONTENT_TYPE, JSON);
    fields.insert(CONTENT_LENGTH, length);
    response
}
