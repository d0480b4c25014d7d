//! Header fields, cast from those of the last reply of their kind.
//!
//! Within a second, replies of one kind differ by nothing or by a number, so
//! that a date is rendered once a second and a name is hashed once.

use std::mem;
use std::time::SystemTime;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::imds::ReplyField::{
    self, AcceptRanges, Allow, Connection, ContentLength, ContentType, Date, LastModified, NoSniff,
    Server, Ttl,
};

const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// What the fields need beside their shape.
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

/// The fields of one reply, from which those of the next are cast.
#[derive(Default)]
pub(super) struct Mould {
    shape: Vec<ReplyField>,
    dates: [i64; 2],
    fields: HeaderMap,
}

impl Mould {
    /// The fields of a reply of this shape, in order.
    pub(super) fn cast<S>(&mut self, shape: impl Fn() -> S, stamp: Stamp) -> HeaderMap
    where
        S: Iterator<Item = ReplyField>,
    {
        let dates = [stamp.now, stamp.modified()].map(Timestamp::as_second);
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
        NoSniff => (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        AcceptRanges => (header::ACCEPT_RANGES, HeaderValue::from_static("none")),
        LastModified => (header::LAST_MODIFIED, http_date(stamp.modified())),
        ContentLength(length) => (header::CONTENT_LENGTH, length.into()),
        Date => (header::DATE, http_date(stamp.now)),
        // Clouds are told apart by this name (F2).
        Server => (header::SERVER, HeaderValue::from_static("EC2ws")),
        Connection => (header::CONNECTION, HeaderValue::from_static("close")),
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
    use crate::imds::{Reply, Status};

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
            let cast =
                mould.cast(|| reply.fields().filter(|field| *field != Connection), stamp(second));
            let names: Vec<_> = cast.keys().map(HeaderName::as_str).collect();
            assert_eq!(names, ["content-length", "date", "server", "content-type"]);
            assert_eq!(cast["content-length"], length.as_str());
            assert_eq!(cast["date"], format!("Thu, 01 Jan 1970 00:00:0{second} GMT").as_str());
        }
    }

    #[test]
    fn a_clock_that_is_before_its_epoch_shows_the_epoch() {
        let at = |second| http_date(Timestamp::from_second(second).unwrap());
        assert_eq!(at(1), "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(at(-5), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
