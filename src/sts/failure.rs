//! What came back instead of credentials, told apart.
//!
//! By error code first, for STS throttles with status 400 (A12); then by status;
//! then by what the connection died of. Texts are fragments that a user can act
//! on, and never hold more of a reply than its message, cut short.

use std::error::Error;

use aws_sdk_sts::error::SdkError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::{SignedDuration, Timestamp};

use super::codes::{Call, Verdict, verdict};
use super::request::Timeouts;
use super::signing_time::disagreement;
use super::transport::{cut_short, last, timed_out, transport, unauthorized_by_proxy};
use super::wording::{redacted, tidy};
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// How STS begins what it says of a code that is wrong, or was used.
const WRONG_CODE: &str = "MultiFactorAuthentication failed";

/// What is known about a call besides its error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// What was asked.
    pub(super) call: Call,
    /// What was sent that must not be repeated.
    pub(super) sent: &'a [Option<&'a Secret>],
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
pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, about: &Circumstances<'_>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let said = |text: Option<&str>| text.map(|text| redacted(text, about.sent));
            match said(service.err().code()).filter(|code| is_code(code)) {
                Some(code) => coded(&code, said(service.err().message()), status, about),
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

fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

fn coded(code: &str, message: Option<String>, status: u16, about: &Circumstances<'_>) -> Failure {
    let said = message.map(|text| tidy(&text)).filter(|text| !text.is_empty());
    if let Some(said) = said.as_deref().filter(|said| said.contains(WRONG_CODE)) {
        return Failure::new(Kind::NeedsHuman, format!("STS does not accept the MFA code: {said}"))
            .code(code)
            .hint("give the next code of the device that mfa_serial names");
    }
    let (kind, hint) = match verdict(code, about.call) {
        Verdict::Is(kind, hint) => (kind, hint),
        Verdict::Signature => return unaccepted_signature(code, about),
        Verdict::Unknown if status >= 500 => {
            (Kind::Unreachable, "nothing to do: it is tried again")
        }
        Verdict::Unknown => (Kind::Refused, "look the code up in the documentation of AWS STS"),
    };
    let verb = match (kind, about.call) {
        (Kind::Throttled, _) => "STS asks for fewer calls",
        (Kind::Unreachable, _) => "STS is in trouble",
        (Kind::NoBase | Kind::NeedsHuman, Call::WebIdentity) => {
            "STS does not accept the web identity token"
        }
        (Kind::NoBase | Kind::NeedsHuman, Call::Saml) => "STS does not accept the SAML response",
        (Kind::NoBase, _) => "STS does not accept the base credentials",
        _ => "STS refused",
    };
    let sentence = said.map_or_else(|| verb.to_owned(), |said| format!("{verb}: {said}"));
    Failure::new(kind, sentence).code(code).hint(hint)
}

/// Quotes nothing: some of these messages repeat the request, signature included.
fn unaccepted_signature(code: &str, about: &Circumstances<'_>) -> Failure {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_782_907_200, 0);

    fn about(date: Option<Timestamp>, signed: Option<Timestamp>) -> Circumstances<'static> {
        Circumstances {
            call: Call::AssumeRole,
            sent: &[],
            timeouts: Timeouts::default(),
            wall: NOON,
            signed,
            date,
        }
    }

    fn judged(code: &str, status: u16) -> Failure {
        coded(code, Some("so it is".to_owned()), status, &about(Some(NOON), Some(NOON)))
    }

    #[test]
    fn every_code_of_the_protocol_has_its_kind_and_a_hint() {
        // docs/rules.md, STS errors, and A12; throttling is known by code, whatever the status.
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
    fn a_code_means_what_it_can_mean_for_the_call() {
        // docs/rules.md, STS errors: `ExpiredTokenException` is about the token that was sent.
        let judged = |call: Call, code: &str, said: &str| {
            let about = Circumstances { call, ..about(None, None) };
            coded(code, Some(said.to_owned()), 400, &about)
        };
        let web = judged(Call::WebIdentity, "ExpiredTokenException", "so it is");
        assert_eq!(web.kind, Kind::NoBase);
        assert_eq!(web.message, "STS does not accept the web identity token: so it is");
        let saml = judged(Call::Saml, "ExpiredTokenException", "so it is");
        assert_eq!(saml.kind, Kind::NeedsHuman);
        assert_eq!(saml.message, "STS does not accept the SAML response: so it is");
        let wrong = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
        for call in [Call::AssumeRole, Call::SessionToken] {
            let failure = judged(call, "AccessDenied", wrong);
            assert_eq!(failure.kind, Kind::NeedsHuman);
            assert!(failure.message.ends_with("invalid MFA one time pass code."), "{failure}");
            assert_eq!(judged(call, "AccessDenied", "no").kind, Kind::Refused);
        }
        let hints = [Call::AssumeRole, Call::WebIdentity, Call::Saml, Call::SessionToken]
            .map(|call| judged(call, "AccessDenied", "no").hint);
        let mut different = hints.to_vec();
        different.dedup();
        assert_eq!(different.len(), hints.len());
    }

    #[test]
    fn messages_about_signatures_are_not_repeated() {
        let canonical = "The canonical string should have been x-amz-security-token:abc";
        let failure = coded(
            "SignatureDoesNotMatch",
            Some(canonical.to_owned()),
            403,
            &about(Some(NOON), None),
        );
        assert_eq!(failure.message, "STS does not accept the signature");
    }
}
