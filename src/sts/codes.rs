//! The error codes of STS (docs/rules.md, STS errors; A12): what each means to rotation and
//! to whoever reads the log.
//!
//! A table and nothing else; `failure` decides by it.

use crate::failure::Kind;

/// Which call a code answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    AssumeRole,
    WebIdentity,
    Saml,
    SessionToken,
    FederationToken,
    CallerIdentity,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A kind of failure, and what the reader can do.
    Is(Kind, &'static str),
    /// The signature was not accepted: a wrong clock or a wrong key, the times decide.
    Signature,
    /// Known to nobody: the status decides.
    Unknown,
}

/// A12: whatever the status, these ask for less.
const THROTTLED: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "TransactionInProgressException",
    "ProvisionedThroughputExceededException",
];

/// Codes that a wrong clock brings about (A14), among other causes.
const SIGNATURE: [&str; 7] = [
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "AuthFailure",
];

/// Codes, what they mean, what to do. STS names some with and some without `Exception`.
const KNOWN: [(&[&str], Kind, &str); 12] = [
    (
        &["AccessDenied"],
        Kind::Refused,
        "does the role's trust policy name this caller? a wrong external_id and a missing MFA look just like this",
    ),
    (
        &[
            "ValidationError",
            "InvalidParameterValue",
            "InvalidParameterCombination",
            "MissingParameter",
        ],
        Kind::Refused,
        "duration_seconds may exceed the role's maximum session duration, or one hour in a role chain",
    ),
    (
        &["MalformedPolicyDocument"],
        Kind::Refused,
        "the session policy is not a valid policy document",
    ),
    (&["PackedPolicyTooLarge"], Kind::Refused, "shorten the session policy, or pass fewer tags"),
    (
        &["RegionDisabled", "OptInRequired"],
        Kind::Refused,
        "activate STS for this Region in the account that owns the role, or set another region",
    ),
    (
        &["InvalidClientTokenId", "UnrecognizedClient"],
        Kind::Refused,
        "the access key is unknown or deactivated, or its session token is not valid in this Region",
    ),
    (
        &["IDPRejectedClaim"],
        Kind::Refused,
        "the identity provider rejects the token: get a new one",
    ),
    (
        &["MissingAuthenticationToken", "InvalidAction", "UnknownOperation"],
        Kind::Refused,
        "is endpoint_url the address of an STS?",
    ),
    (
        &["ExpiredToken"],
        Kind::NoBase,
        "the base credentials have expired: log in again, or renew them",
    ),
    (
        &["InvalidIdentityToken"],
        Kind::NoBase,
        "the web identity token is not accepted: is its issuer registered in the account, and the token new?",
    ),
    (
        &["IDPCommunicationError"],
        Kind::Unreachable,
        "STS cannot reach the identity provider; it is tried again",
    ),
    (
        &["RequestTimeout", "InternalFailure", "InternalError", "ServiceUnavailable"],
        Kind::Unreachable,
        "nothing to do: it is tried again",
    ),
];

/// Codes that mean something else where a token or a user is judged.
const OF_CALLS: [(Call, &str, Kind, &str); 9] = [
    (
        Call::WebIdentity,
        "AccessDenied",
        Kind::Refused,
        "does the role's trust policy name this identity provider, and do audience and subject of the token meet its conditions?",
    ),
    (
        Call::WebIdentity,
        "ExpiredToken",
        Kind::NoBase,
        "whoever writes the web identity token has to write a new one; it is read anew each time",
    ),
    (
        Call::Saml,
        "AccessDenied",
        Kind::Refused,
        "does the role's trust policy name this SAML provider, with sts:AssumeRoleWithSAML?",
    ),
    (
        Call::Saml,
        "ExpiredToken",
        Kind::NeedsHuman,
        "sign in at the identity provider again, for a new SAML response",
    ),
    (
        Call::Saml,
        "InvalidIdentityToken",
        Kind::NoBase,
        "the SAML response is not accepted: is its audience https://signin.aws.amazon.com/saml, and the provider's metadata in IAM up to date?",
    ),
    (
        Call::Saml,
        "IDPRejectedClaim",
        Kind::Refused,
        "the identity provider rejects the assertion: sign in again",
    ),
    (
        Call::SessionToken,
        "AccessDenied",
        Kind::Refused,
        "only the long-lived keys of an IAM user may ask; with MFA, the device has to be that user's own",
    ),
    (
        Call::SessionToken,
        "ValidationError",
        Kind::Refused,
        "is mfa_serial the ARN, or the serial number, of the user's own device?",
    ),
    (
        Call::FederationToken,
        "AccessDenied",
        Kind::Refused,
        "only the long-lived keys of an IAM user who is allowed sts:GetFederationToken may ask",
    ),
];

/// Looks a code up.
pub(super) fn verdict(code: &str, call: Call) -> Verdict {
    if THROTTLED.contains(&code) {
        return Verdict::Is(Kind::Throttled, "nothing to do: it is tried again more slowly");
    }
    if SIGNATURE.contains(&code) {
        return Verdict::Signature;
    }
    let stem = code.strip_suffix("Exception").unwrap_or(code);
    let own = OF_CALLS.iter().find(|(of, own, ..)| *of == call && *own == stem);
    if let Some(&(_, _, kind, hint)) = own {
        return Verdict::Is(kind, hint);
    }
    KNOWN
        .iter()
        .find(|(codes, ..)| codes.contains(&stem))
        .map_or(Verdict::Unknown, |&(_, kind, hint)| Verdict::Is(kind, hint))
}
