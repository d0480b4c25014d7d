//! How STS says no: a code, a status, a sentence (docs/rules.md, STS errors).
//!
//! Clients decide by the code, so codes and statuses are those of AWS to the
//! letter; the sentences are AWS's where users paste them into search engines.

use std::fmt;
use std::str::FromStr;

use super::xml::Element;

/// The error codes this STS can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is the code as it goes over the wire.
pub enum Code {
    AccessDenied,
    ExpiredToken,
    ExpiredTokenException,
    IDPCommunicationError,
    IDPRejectedClaim,
    IncompleteSignature,
    InternalFailure,
    InvalidAction,
    InvalidClientTokenId,
    InvalidIdentityToken,
    MalformedPolicyDocument,
    MalformedQueryString,
    MissingAction,
    MissingAuthenticationToken,
    PackedPolicyTooLarge,
    RegionDisabledException,
    RequestExpired,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    Throttling,
    ValidationError,
}

impl Code {
    const ALL: [Self; 21] = [
        Self::AccessDenied,
        Self::ExpiredToken,
        Self::ExpiredTokenException,
        Self::IDPCommunicationError,
        Self::IDPRejectedClaim,
        Self::IncompleteSignature,
        Self::InternalFailure,
        Self::InvalidAction,
        Self::InvalidClientTokenId,
        Self::InvalidIdentityToken,
        Self::MalformedPolicyDocument,
        Self::MalformedQueryString,
        Self::MissingAction,
        Self::MissingAuthenticationToken,
        Self::PackedPolicyTooLarge,
        Self::RegionDisabledException,
        Self::RequestExpired,
        Self::ServiceUnavailable,
        Self::SignatureDoesNotMatch,
        Self::Throttling,
        Self::ValidationError,
    ];

    /// The status it comes with. Throttling is a 400: nobody may decide by status (A12).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InternalFailure => 500,
            Self::ServiceUnavailable => 503,
            Self::AccessDenied
            | Self::ExpiredToken
            | Self::IDPRejectedClaim
            | Self::InvalidClientTokenId
            | Self::MissingAuthenticationToken
            | Self::RegionDisabledException
            | Self::SignatureDoesNotMatch => 403,
            _ => 400,
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::AccessDenied => "User is not authorized to perform this action",
            Self::ExpiredToken => "The security token included in the request is expired",
            Self::ExpiredTokenException => "The token that was passed is expired or is not valid",
            Self::IDPCommunicationError => "The identity provider could not be reached",
            Self::IDPRejectedClaim => "The identity provider rejected the claim",
            Self::IncompleteSignature => "The request signature does not conform to AWS standards",
            Self::InternalFailure => "We encountered an internal error. Please try again.",
            Self::InvalidAction => "The action or operation requested is invalid",
            Self::InvalidClientTokenId => "The security token included in the request is invalid.",
            Self::InvalidIdentityToken => "The identity token could not be validated",
            Self::MalformedPolicyDocument => "Syntax errors in policy.",
            Self::MalformedQueryString => "The query string contains a syntax error",
            Self::MissingAction => "The request is missing an action or a required parameter",
            Self::MissingAuthenticationToken => "Request is missing Authentication Token",
            Self::PackedPolicyTooLarge => {
                "Packed policy consumes too much of allotted space, please use smaller policy."
            }
            Self::RegionDisabledException => "STS is not activated in this region for this account",
            Self::RequestExpired => "Request has expired.",
            Self::ServiceUnavailable => "Service is unavailable. Please try again later.",
            Self::SignatureDoesNotMatch => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. \
                 Consult the service documentation for details."
            }
            Self::Throttling => "Rate exceeded",
            Self::ValidationError => "The input fails to satisfy the constraints of STS",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|code| code.to_string() == text).ok_or(())
    }
}

/// One no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// In the sentence that AWS has for the code.
    pub(super) fn plain(code: Code) -> Self {
        Self::new(code, code.sentence())
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::ValidationError, message)
    }

    /// Without the envelope's request id, which is the reply's to add.
    pub(super) fn element(&self) -> Element {
        let fault = if self.code.status() < 500 { "Sender" } else { "Receiver" };
        let parts = vec![
            Element::text("Type", fault),
            Element::text("Code", self.code.to_string()),
            Element::text("Message", &*self.message),
        ];
        Element::of("Error", parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name() {
        for code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(code));
        }
        assert_eq!("Nonsense".parse::<Code>(), Err(()));
    }
}
