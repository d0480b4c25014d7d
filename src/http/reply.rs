//! A reply of the rules as a hyper response, its fields in EC2's order (F5).
//!
//! Everything in it is a constant, a number, or bytes that were rendered at
//! publication.

use std::cell::RefCell;

use bytes::Bytes;
use hyper::Response;
use hyper::ext::ReasonPhrase;

use super::mould::{Mould, Stamp};
use super::payload::{Payload, response};
use crate::imds::ReplyField::Connection;
use crate::imds::{Reply, ReplyBody, Status};

/// The response to write; for HEAD, hyper leaves the body out and its length in (F9).
pub(super) fn render(reply: Reply, stamp: Stamp) -> Response<Payload> {
    let fields = MOULDS.with_borrow_mut(|moulds| {
        let [values, grants, refusals] = moulds;
        let kind = match reply.status {
            Status::Ok if reply.is_grant() => grants,
            Status::Ok => values,
            _ => refusals,
        };
        let [stays, closes] = kind;
        let shape = || reply.fields().filter(|field| stamp.closes || *field != Connection);
        if stamp.closes { closes } else { stays }.cast(shape, stamp)
    });
    let (code, reason) = (reply.status.code(), reply.status.reason());
    let mut response = response(code, fields, body(reply.into_body()));
    if let Some(reason) = reason {
        response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    }
    response
}

thread_local! {
    static MOULDS: RefCell<[[Mould; 2]; 3]> = RefCell::default();
}

fn body(body: ReplyBody) -> Bytes {
    match body {
        ReplyBody::Empty => Bytes::new(),
        ReplyBody::Static(bytes) => Bytes::from_static(bytes),
        ReplyBody::Shared(bytes) => bytes,
        ReplyBody::Token(text) => Bytes::copy_from_slice(&text),
    }
}
