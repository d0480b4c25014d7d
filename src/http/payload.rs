//! A body that is there at once, and whose length is always told.
//!
//! hyper moves the Content-Length of a body that it takes for absent to the
//! end of the head; this one is never absent, so the order of F5 holds for
//! empty bodies too.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{HeaderMap, Response, StatusCode};

/// Bytes that are yet to be written; `None` when they are.
#[derive(Debug)]
pub(super) struct Payload(Option<Bytes>);

/// A response whose body is there at once; a code that is none is our own mistake.
pub(super) fn response(code: u16, fields: HeaderMap, body: Bytes) -> Response<Payload> {
    let mut response = Response::new(Payload(Some(body)));
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = fields;
    response
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
