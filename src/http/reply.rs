//! A reply of the rules as a hyper response, its fields in stack N's order (F5).
//!
//! Dates are rendered once a second, everything else is a constant, a number
//! or bytes that were rendered at publication.

use std::cell::RefCell;
use std::mem;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::Timestamp;

use super::payload::Payload;
use crate::imds::ReplyField::{
    self, AcceptRanges, Allow, Connection, ContentLength, ContentType, Date, LastModified, Server,
    Ttl,
};
use crate::imds::{Reply, ReplyBody, Status};

const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// What a response needs beside the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// For `Date`.
    pub(super) now: Timestamp,
    /// When what was asked for last changed.
    pub(super) changed: Timestamp,
    /// Whether the connection ends with this reply.
    pub(super) closes: bool,
}

impl Stamp {
    /// For `Last-Modified`, which is never in the future (G6).
    fn modified(self) -> Timestamp {
        self.changed.min(self.now)
    }
}

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
        if stamp.closes { closes } else { stays }.cast(&reply, stamp)
    });
    let status = StatusCode::from_u16(reply.status.code());
    let reason = reply.status.reason();
    let mut response = Response::new(Payload::new(body(reply.into_body())));
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = fields;
    if let Some(reason) = reason {
        response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    }
    response
}

thread_local! {
    static MOULDS: RefCell<[[Mould; 2]; 3]> = RefCell::default();
}

/// The fields of one reply, from which those of the next are cast: within a
/// second, replies of one kind differ by nothing or by a number.
#[derive(Default)]
struct Mould {
    shape: Vec<ReplyField>,
    dates: [i64; 2],
    fields: HeaderMap,
}

impl Mould {
    fn cast(&mut self, reply: &Reply, stamp: Stamp) -> HeaderMap {
        let dates = [stamp.now, stamp.modified()].map(Timestamp::as_second);
        let shape = || reply.fields().filter(|field| stamp.closes || *field != Connection);
        if self.dates != dates || !shape().eq(self.shape.iter().copied()) {
            self.fit(shape().collect(), dates, stamp);
        }
        self.fields.clone()
    }

    /// Renders the numbers that are others now; or all of it, if more than that is.
    fn fit(&mut self, shape: Vec<ReplyField>, dates: [i64; 2], stamp: Stamp) {
        let kinds = self.shape.iter().map(mem::discriminant);
        if self.dates == dates && shape.iter().map(mem::discriminant).eq(kinds) {
            let both = self.shape.iter().zip(&shape);
            for (value, (last, field)) in self.fields.values_mut().zip(both) {
                if last != field {
                    *value = rendered(*field, stamp).1;
                }
            }
        } else {
            self.fields = shape.iter().map(|field| rendered(*field, stamp)).collect();
        }
        (self.shape, self.dates) = (shape, dates);
    }
}

fn rendered(field: ReplyField, stamp: Stamp) -> (HeaderName, HeaderValue) {
    match field {
        Ttl(seconds) => (TTL, seconds.into()),
        Allow(methods) => (header::ALLOW, HeaderValue::from_static(methods)),
        ContentType(kind) => (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        AcceptRanges => (header::ACCEPT_RANGES, HeaderValue::from_static("none")),
        LastModified => (header::LAST_MODIFIED, http_date(stamp.modified())),
        ContentLength(length) => (header::CONTENT_LENGTH, length.into()),
        Date => (header::DATE, date(stamp.now)),
        // Clouds are told apart by this name (F2).
        Server => (header::SERVER, HeaderValue::from_static("EC2ws")),
        Connection => (header::CONNECTION, HeaderValue::from_static("close")),
    }
}

fn body(body: ReplyBody) -> Bytes {
    match body {
        ReplyBody::Empty => Bytes::new(),
        ReplyBody::Static(bytes) => Bytes::from_static(bytes),
        ReplyBody::Shared(bytes) => bytes,
        ReplyBody::Token(text) => Bytes::copy_from_slice(&text),
    }
}

/// `Date`.
pub(super) fn date(now: Timestamp) -> HeaderValue {
    DATE.with(|date| date.of(now))
}

thread_local! {
    static DATE: HttpDate = const { HttpDate::never() };
}

/// The last moment that was rendered, and its text.
struct HttpDate(RefCell<Option<(i64, HeaderValue)>>);

impl HttpDate {
    const fn never() -> Self {
        Self(RefCell::new(None))
    }

    fn of(&self, moment: Timestamp) -> HeaderValue {
        let second = moment.as_second();
        let mut last = self.0.borrow_mut();
        match &*last {
            Some((rendered, value)) if *rendered == second => value.clone(),
            _ => last.insert((second, http_date(moment))).1.clone(),
        }
    }
}

fn http_date(moment: Timestamp) -> HeaderValue {
    // RFC 9110 has no years before 1970; a clock that is so wrong shows the epoch.
    let shown = SystemTime::from(moment.max(Timestamp::UNIX_EPOCH));
    HeaderValue::try_from(httpdate::fmt_http_date(shown)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_cast_with_its_own_numbers_and_dates() {
        let stamp = |second| {
            let now = Timestamp::from_second(second).unwrap();
            Stamp { now, changed: Timestamp::UNIX_EPOCH, closes: false }
        };
        let mut mould = Mould::default();
        for (status, second) in [(404, 7), (500, 7), (404, 8), (404, 8)] {
            let status = if status == 404 { Status::NotFound } else { Status::InternalServerError };
            let reply = Reply::refusal(status);
            let length = reply.body().len().to_string();
            let cast = mould.cast(&reply, stamp(second));
            let names: Vec<_> = cast.keys().map(HeaderName::as_str).collect();
            assert_eq!(names, ["content-length", "date", "server", "content-type"]);
            assert_eq!(cast["content-length"], length.as_str());
            assert_eq!(cast["date"], format!("Thu, 01 Jan 1970 00:00:0{second} GMT").as_str());
        }
    }

    #[test]
    fn a_date_is_rendered_anew_when_its_second_is_over() {
        let date = HttpDate::never();
        let at = |second| date.of(Timestamp::from_second(second).unwrap());
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(1), "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(at(1), "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(at(-5), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
