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
use rustls::CertificateError;

use super::codes::{Verdict, verdict};
use super::request::Timeouts;
use super::signing_time::disagreement;
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
        // The SDK's word for a connection that closed instead of an answer.
        SdkError::DispatchFailure(dispatch) if dispatch.as_other().is_some() => cut_short(),
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
    let off = |ours: Option<Timestamp>| disagreement(ours?, about.date?);
    let failure = if let Some(by) = off(Some(about.wall)) {
        let direction = if by.is_negative() { "behind" } else { "ahead of" };
        wrong_clock(by, &format!("our clock is {}s {direction} that of STS", by.abs().as_secs()))
    } else if let Some(by) = off(about.signed) {
        wrong_clock(by, "what STS said of the time before was wrong")
    } else {
        Failure::new(Kind::Refused, "STS does not accept the signature").hint(
            "the secret access key does not belong to the access key id, or something on the way changes requests",
        )
    };
    failure.code(code)
}

fn wrong_clock(by: SignedDuration, message: &str) -> Failure {
    Failure::new(Kind::WrongClock(by), message)
        .hint("set this machine's clock, best by NTP; the next call is signed by the clock of STS")
}

fn uncoded(status: u16) -> Failure {
    match status {
        500.. => Failure::new(Kind::Unreachable, format!("STS answered HTTP {status}"))
            .hint("nothing to do: it is tried again"),
        407 => unauthorized_by_proxy(),
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
    // One of our own: there was no way to take.
    if let Some(ours) = find::<Failure>(error) {
        return Some(ours.clone());
    }
    // The type is private to hyper-util, its words are not.
    let tunnel =
        causes(error).map(ToString::to_string).find(|text| text.starts_with("tunnel error"));
    match tunnel {
        None => direct(error, timeouts),
        Some(words) => Some(tunnelled(error, &words, timeouts)),
    }
}

fn direct(error: &(dyn Error + 'static), timeouts: Timeouts) -> Option<Failure> {
    if find::<ResolveDnsError>(error).is_some() {
        return Some(unresolved(error));
    }
    if find::<TimedOutError>(error).is_some() {
        return Some(timed_out("no connection", timeouts.connect));
    }
    if let Some(error) = find::<rustls::Error>(error) {
        return Some(no_tls(error));
    }
    broken(find::<io::Error>(error)?.kind())
}

fn tunnelled(error: &(dyn Error + 'static), words: &str, timeouts: Timeouts) -> Failure {
    if words.contains("authorization") {
        return unauthorized_by_proxy();
    }
    let mut failure = direct(error, timeouts).unwrap_or_else(|| {
        Failure::new(Kind::Unreachable, "it refuses to connect us to the endpoint")
            .hint("is STS allowed by the proxy, and is the proxy the right one?")
    });
    failure.message = format!("at the proxy: {}", failure.message);
    failure
}

fn unauthorized_by_proxy() -> Failure {
    Failure::new(Kind::Unreachable, "the proxy wants a user name and a password")
        .hint("put them into the URL of the proxy, as http://USER:PASSWORD@HOST:PORT")
}

fn cut_short() -> Failure {
    Failure::new(Kind::Unreachable, "the connection broke before the answer was complete")
}

/// Nothing for kinds that files bring about too: the caller knows what it read.
fn broken(kind: io::ErrorKind) -> Option<Failure> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => Failure::new(Kind::Unreachable, "connection refused")
            .hint("is the endpoint, or the proxy, up and its port right?"),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Failure::new(Kind::Unreachable, "no network")
            .hint("nothing to do once the network is back"),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => cut_short(),
        _ => return None,
    })
}

/// The resolver's own code is lost on the way; its words are those of every libc.
fn unresolved(error: &(dyn Error + 'static)) -> Failure {
    let words = last(error);
    if words.contains("emporary failure") || words.contains("ry again") {
        return Failure::new(Kind::Unreachable, "no network, or no name server answers")
            .hint("nothing to do once the network is back");
    }
    Failure::new(Kind::Unreachable, "the name is not found")
        .hint("is the region, or endpoint_url, or the proxy, spelt right?")
}

fn no_tls(error: &rustls::Error) -> Failure {
    let rustls::Error::InvalidCertificate(flaw) = error else {
        return Failure::new(Kind::Unreachable, format!("TLS fails: {}", tidy(&error.to_string())))
            .hint("does the endpoint, or a proxy in the way, speak TLS 1.2 or 1.3?");
    };
    let hint = match flaw {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "is this machine's clock right? if it is, the certificate has to be renewed"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "does endpoint_url name the host that the certificate is for?"
        }
        _ => "set ca_bundle, or AWS_CA_BUNDLE, to the authority of your network or proxy",
    };
    let message = format!("the TLS certificate is not trusted: {}", tidy(&flaw.to_string()));
    Failure::new(Kind::Unreachable, message).hint(hint)
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_782_907_200, 0);

    fn about(date: Option<Timestamp>, signed: Option<Timestamp>) -> Circumstances {
        Circumstances { timeouts: Timeouts::default(), wall: NOON, signed, date }
    }

    fn judged(code: &str, status: u16) -> Failure {
        coded(code, Some("so it is"), status, &about(Some(NOON), Some(NOON)))
    }

    #[test]
    fn every_code_of_the_protocol_has_its_kind_and_a_hint() {
        // Protocol 9.3 and A12; throttling is known by code, whatever the status.
        for (code, status, kind) in [
            ("MalformedPolicyDocument", 400, Kind::Refused),
            ("PackedPolicyTooLarge", 400, Kind::Refused),
            ("RegionDisabledException", 403, Kind::Refused),
            ("ExpiredTokenException", 400, Kind::NoBase),
            ("ExpiredToken", 403, Kind::NoBase),
            ("InvalidIdentityToken", 400, Kind::NoBase),
            ("IDPCommunicationError", 400, Kind::Unreachable),
            ("IDPRejectedClaim", 403, Kind::Refused),
            ("AccessDenied", 403, Kind::Refused),
            ("ValidationError", 400, Kind::Refused),
            ("Throttling", 400, Kind::Throttled),
            ("ThrottlingException", 400, Kind::Throttled),
            ("SlowDown", 503, Kind::Throttled),
            ("LimitExceededException", 400, Kind::Throttled),
            ("SignatureDoesNotMatch", 403, Kind::Refused),
            ("InvalidClientTokenId", 403, Kind::Refused),
            ("RequestTimeout", 400, Kind::Unreachable),
            ("InternalFailure", 500, Kind::Unreachable),
            ("NeverHeardOf", 400, Kind::Refused),
            ("NeverHeardOf", 502, Kind::Unreachable),
        ] {
            let failure = judged(code, status);
            assert_eq!(failure.kind, kind, "{code}");
            assert_eq!(failure.code.as_deref(), Some(code));
            assert!(failure.hint.is_some(), "{code}");
            let first = failure.message.chars().next().unwrap();
            assert!(first.is_lowercase() || failure.message.starts_with("STS"));
            assert!(!failure.message.ends_with('.'), "{failure}");
        }
    }

    #[test]
    fn a_signature_is_not_accepted_for_a_wrong_clock_or_a_wrong_key() {
        // A14: the `Date` of the reply tells.
        let hour = SignedDuration::from_hours(1);
        let late = coded("RequestExpired", None, 400, &about(Some(NOON + hour), Some(NOON)));
        assert_eq!(late.kind, Kind::WrongClock(-hour));
        assert_eq!(late.message, "our clock is 3600s behind that of STS");
        let early = about(Some(NOON - hour), Some(NOON));
        let early = coded("SignatureDoesNotMatch", None, 403, &early);
        assert_eq!(early.kind, Kind::WrongClock(hour));
        // The clock was set meanwhile, and the offset that was learned signed wrongly.
        let healed =
            coded("SignatureDoesNotMatch", None, 403, &about(Some(NOON), Some(NOON + hour)));
        assert_eq!(healed.kind, Kind::WrongClock(hour));
        let undated = coded("SignatureDoesNotMatch", None, 403, &about(None, Some(NOON)));
        assert_eq!(undated.kind, Kind::Refused);
    }

    #[test]
    fn messages_about_signatures_are_not_repeated() {
        let canonical = Some("The canonical string should have been x-amz-security-token:abc");
        let failure = coded("SignatureDoesNotMatch", canonical, 403, &about(Some(NOON), None));
        assert_eq!(failure.message, "STS does not accept the signature");
    }

    #[test]
    fn what_is_repeated_is_one_line_of_words() {
        let text = format!("a\r\n\x1b[31mb {} c", "d".repeat(201));
        assert_eq!(tidy(&text), "a [31mb [long] c");
        assert_eq!(tidy(&"word ".repeat(1000)).len(), 300);
    }

    #[test]
    fn a_wrapped_io_error_is_found() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(io::Error::other(refused));
        assert_eq!(last(&wrapped), "connection refused");
    }
}
