//! What came back instead of credentials, told apart.
//!
//! By error code first, for STS throttles with status 400 (A12); then by status;
//! then by what the connection died of. Texts are fragments that a user can act
//! on, and never hold more of a reply than its message, cut short.

use std::error::Error;
use std::io;

use aws_sdk_sts::error::SdkError;
use aws_smithy_async::future::timeout::TimedOutError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::{SignedDuration, Timestamp};

use super::codes::{Verdict, verdict};
use super::request::Timeouts;
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// What is known about a call besides its error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// The limits that it had.
    pub(super) timeouts: Timeouts,
    /// Our wall clock, now.
    pub(super) wall: Timestamp,
    /// The time that its signature states.
    pub(super) signed: Option<Timestamp>,
    /// The `Date` of the reply.
    pub(super) date: Option<Timestamp>,
}

/// Below this, two clocks agree well enough for a signature (A14 says 5 to 15 min).
const TOLERATED: SignedDuration = SignedDuration::from_mins(4);

/// The failure that an SDK error stands for.
pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, about: &Circumstances) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            match service.err().code() {
                Some(code) => coded(code, service.err().message(), status, about),
                None => uncoded(status),
            }
        }
        SdkError::ResponseError(response) => match transport(error, about.timeouts) {
            Some(failure) => failure,
            None => uncoded(response.raw().status().as_u16()),
        },
        SdkError::TimeoutError(_) => timed_out("no answer", about.timeouts.attempt),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            timed_out("no connection", about.timeouts.connect)
        }
        _ => transport(error, about.timeouts).unwrap_or_else(|| {
            Failure::new(Kind::Unreachable, format!("cannot talk to it: {}", last(error)))
        }),
    }
}

fn coded(code: &str, message: Option<&str>, status: u16, about: &Circumstances) -> Failure {
    let (kind, hint) = match verdict(code) {
        Verdict::Is(kind, hint) => (kind, hint),
        Verdict::Signature => return unaccepted_signature(code, about),
        Verdict::Unknown if status >= 500 => {
            (Kind::Unreachable, "nothing to do: it is tried again")
        }
        Verdict::Unknown => (Kind::Refused, "look the code up in the documentation of AWS STS"),
    };
    let said = message.map(tidy).filter(|text| !text.is_empty());
    let verb = match kind {
        Kind::Throttled => "STS asks for fewer calls",
        Kind::Unreachable => "STS is in trouble",
        Kind::NoBase => "STS does not accept the base credentials",
        _ => "STS refused",
    };
    let sentence = said.map_or_else(|| verb.to_owned(), |said| format!("{verb}: {said}"));
    Failure::new(kind, sentence).code(tidy(code)).hint(hint)
}

/// Quotes nothing: some of these messages repeat the request, signature included.
fn unaccepted_signature(code: &str, about: &Circumstances) -> Failure {
    let off = |ours: Timestamp| {
        let by = clock::difference(ours, about.date?);
        (by.abs() > TOLERATED).then_some(by)
    };
    match off(about.wall).or_else(|| about.signed.and_then(off)) {
        Some(by) => wrong_clock(by).code(code),
        None => Failure::new(Kind::Refused, "STS does not accept the signature")
            .code(code)
            .hint("the secret access key does not belong to the access key id, or something on the way changes requests"),
    }
}

fn wrong_clock(by: SignedDuration) -> Failure {
    let direction = if by.is_negative() { "behind" } else { "ahead of" };
    let size = by.unsigned_abs();
    Failure::new(
        Kind::WrongClock(by),
        format!("our clock is {}s {direction} that of STS", size.as_secs()),
    )
    .hint("set this machine's clock, best by NTP; the next call is signed by the clock of STS")
}

fn uncoded(status: u16) -> Failure {
    match status {
        500.. => Failure::new(Kind::Unreachable, format!("STS answered HTTP {status}"))
            .hint("nothing to do: it is tried again"),
        407 => Failure::new(Kind::Unreachable, "the proxy wants a user name and a password")
            .hint("put them into the proxy's URL"),
        200..300 => Failure::new(Kind::Nonsense, "STS answered with something that is no STS reply")
            .hint("is endpoint_url the address of an STS, or is there a captive portal in the way?"),
        _ => Failure::new(Kind::Nonsense, format!("HTTP {status} came back, without an STS error code"))
            .hint("is endpoint_url the address of an STS, or is there a proxy or a captive portal in the way?"),
    }
}

fn timed_out(what: &str, limit: std::time::Duration) -> Failure {
    Failure::new(Kind::Unreachable, format!("{what} within {limit:?}"))
        .hint("is there a firewall in the way, or a proxy to be set?")
}

/// What a connection died of, if the chain of causes tells.
pub(super) fn transport(error: &(dyn Error + 'static), timeouts: Timeouts) -> Option<Failure> {
    if has::<ResolveDnsError>(error) {
        return Some(unresolved(error));
    }
    if has::<TimedOutError>(error) {
        return Some(timed_out("no connection", timeouts.connect));
    }
    let words = causes(error).map(ToString::to_string).find(|text| is_tls(text));
    if let Some(words) = words {
        return Some(untrusted(&words));
    }
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>())?;
    Some(broken(io))
}

fn broken(error: &io::Error) -> Failure {
    let unreachable = |text: &str| Failure::new(Kind::Unreachable, text);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => unreachable("connection refused")
            .hint("is the endpoint, or the proxy, up and its port right?"),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => {
            unreachable("no network").hint("nothing to do once the network is back")
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => {
            unreachable("the connection broke before the answer was complete")
        }
        _ => unreachable(&format!("cannot talk to it: {}", last(error))),
    }
}

/// The resolver's own code is lost on the way; its words are those of every libc.
fn unresolved(error: &(dyn Error + 'static)) -> Failure {
    let words = last(error);
    if words.contains("emporary failure") || words.contains("ry again") {
        return Failure::new(Kind::Unreachable, "no network, or no name server answers")
            .hint("nothing to do once the network is back");
    }
    Failure::new(Kind::Unreachable, "the name of the endpoint is not found")
        .hint("is the region, or endpoint_url, spelt right?")
}

fn is_tls(text: &str) -> bool {
    text.contains("invalid peer certificate")
        || text.contains("received fatal alert")
        || text.contains("TLS handshake")
}

fn untrusted(words: &str) -> Failure {
    Failure::new(
        Kind::Unreachable,
        format!("the TLS certificate is not trusted: {}", tidy(words)),
    )
    .hint("set ca_bundle, or AWS_CA_BUNDLE, to the certificate authority of your network or proxy")
}

fn has<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<E>().is_some())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>() {
            // `source` of an io::Error skips what it wraps.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The innermost cause, in its own words.
pub(super) fn last(error: &(dyn Error + 'static)) -> String {
    tidy(&causes(error).last().unwrap_or(error).to_string())
}

/// One line of readable length; words too long to be words are left out.
pub(super) fn tidy(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.len() {
        0..=200 => word,
        _ => "[long]",
    });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

impl Failure {
    /// The same failure with `secret` cut out of what a hostile server might have echoed.
    pub(super) fn without(mut self, secret: Option<&Secret>) -> Self {
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            self.message = self.message.replace(secret.expose(), "[redacted]");
        }
        self
    }
}
