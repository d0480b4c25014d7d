//! Signature Version 4, from the side of whoever checks it.
//!
//! Reads who claims to have signed a request, then computes the signature anew
//! over the bytes that were received. Written from AWS's description, not with
//! the SDK's signer: two halves of one library would agree on any mistake.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;

use super::canonical::{ALGORITHM, signature};
use super::form::{decoded, pairs};
use super::refusal::{Code, Refusal};
use super::wire::Request;
use crate::role::Region;
use crate::secret::Secret;

/// How far a signature's time may be off, either way (A14).
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

/// What a request says about its own signature.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) access_key_id: String,
    pub(super) session_token: Option<String>,
    /// `DATE/REGION/SERVICE/aws4_request`, as the client wrote it.
    scope: String,
    fields: Vec<String>,
    claimed: String,
    time: String,
    /// A signature in the query is good for as long as it says.
    lifetime: Option<SignedDuration>,
}

impl Signature {
    /// Finds the signature, in the header or in the query.
    pub(super) fn of(request: &Request) -> Result<Self, Refusal> {
        match request.field("authorization") {
            Some(text) => Self::in_header(request, text),
            None if query(request, "X-Amz-Algorithm").is_some() => Self::in_query(request),
            None => Err(Refusal::plain(Code::MissingAuthenticationToken)),
        }
    }

    fn in_header(request: &Request, text: &str) -> Result<Self, Refusal> {
        let Some(parts) = text.strip_prefix(ALGORITHM) else {
            return Err(incomplete("Unsupported AWS 'algorithm' in the Authorization header."));
        };
        let part = |name: &'static str| {
            let mut parts = parts.split(',').filter_map(|p| p.trim().split_once('='));
            parts.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
        };
        let read = Parts {
            what: "Authorization header requires",
            credential: part("Credential"),
            fields: part("SignedHeaders"),
            signature: part("Signature"),
            time: request.field("x-amz-date").map(str::to_owned),
        };
        read.signature(request.field("x-amz-security-token").map(str::to_owned), None)
    }

    fn in_query(request: &Request) -> Result<Self, Refusal> {
        let read = Parts {
            what: "AWS query-string parameters must include",
            credential: query(request, "X-Amz-Credential"),
            fields: query(request, "X-Amz-SignedHeaders"),
            signature: query(request, "X-Amz-Signature"),
            time: query(request, "X-Amz-Date"),
        };
        let lifetime = query(request, "X-Amz-Expires").and_then(|s| s.parse().ok());
        let lifetime = SignedDuration::from_secs(lifetime.unwrap_or(900));
        read.signature(query(request, "X-Amz-Security-Token"), Some(lifetime))
    }

    /// The Region that the request was signed for.
    pub(super) fn region(&self) -> &str {
        self.scope.split('/').nth(1).unwrap_or_default()
    }

    /// Whether the holder of `secret` has signed exactly this request, and lately.
    pub(super) fn check(
        &self,
        request: &Request,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_time(now)?;
        self.check_scope()?;
        if !self.fields.iter().any(|name| name == "host") {
            return Err(mismatch("'Host' must be a 'SignedHeader' in the AWS Authorization."));
        }
        let expected = signature(request, &self.fields, (&self.time, &self.scope), secret);
        if bool::from(expected.as_bytes().ct_eq(self.claimed.as_bytes())) {
            Ok(())
        } else {
            Err(Refusal::plain(Code::SignatureDoesNotMatch))
        }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let signed = DateTime::strptime("%Y%m%dT%H%M%SZ", &self.time)
            .and_then(|time| TimeZone::UTC.to_timestamp(time))
            .map_err(|_| incomplete("Date must be in ISO-8601 'basic format'."))?;
        let old = self.lifetime.unwrap_or(TOLERANCE);
        let age = now.duration_since(signed);
        let (signed, at) = (&self.time, basic(now));
        let limit = |span: SignedDuration| basic(now.saturating_add(span).unwrap_or(now));
        if age > old {
            let (limit, minutes) = (limit(-old), old.as_mins());
            Err(mismatch(&format!(
                "Signature expired: {signed} is now earlier than {limit} ({at} - {minutes} min.)"
            )))
        } else if age < -TOLERANCE {
            let (limit, minutes) = (limit(TOLERANCE), TOLERANCE.as_mins());
            Err(mismatch(&format!(
                "Signature not yet current: {signed} is still later than {limit} ({at} + {minutes} min.)"
            )))
        } else {
            Ok(())
        }
    }

    fn check_scope(&self) -> Result<(), Refusal> {
        let parts: Vec<&str> = self.scope.split('/').collect();
        let &[date, region, service, end] = parts.as_slice() else {
            return Err(incomplete("Credential must have 5 slash-delimited elements."));
        };
        if !self.time.starts_with(date) {
            let time = &self.time;
            return Err(mismatch(&format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{date}' != '{time}'."
            )));
        }
        if region.parse::<Region>().is_err() {
            return Err(mismatch("Credential should be scoped to a valid region."));
        }
        if service != "sts" {
            return Err(mismatch("Credential should be scoped to correct service: 'sts'."));
        }
        if end != "aws4_request" {
            return Err(mismatch(
                "Credential should be scoped with a valid terminator: 'aws4_request'.",
            ));
        }
        Ok(())
    }
}

/// What a signature is made of, as far as it was sent.
struct Parts {
    what: &'static str,
    credential: Option<String>,
    fields: Option<String>,
    signature: Option<String>,
    time: Option<String>,
}

impl Parts {
    fn signature(
        self,
        session_token: Option<String>,
        lifetime: Option<SignedDuration>,
    ) -> Result<Signature, Refusal> {
        let what = self.what;
        let missing = [
            (self.credential.is_none(), "'Credential' parameter."),
            (self.signature.is_none(), "'Signature' parameter."),
            (self.fields.is_none(), "'SignedHeaders' parameter."),
            (self.time.is_none(), "existence of either a 'X-Amz-Date' or a 'Date' header."),
        ];
        let missing: Vec<_> = missing
            .iter()
            .filter(|(missing, _)| *missing)
            .map(|(_, part)| format!("{what} {part}"))
            .collect();
        if !missing.is_empty() {
            return Err(incomplete(&missing.join(" ")));
        }
        let credential = self.credential.unwrap_or_default();
        let (access_key_id, scope) = credential.split_once('/').unwrap_or_default();
        Ok(Signature {
            access_key_id: access_key_id.to_owned(),
            session_token,
            scope: scope.to_owned(),
            fields: self.fields.unwrap_or_default().split(';').map(str::to_owned).collect(),
            claimed: self.signature.unwrap_or_default(),
            time: self.time.unwrap_or_default(),
            lifetime,
        })
    }
}

fn incomplete(message: &str) -> Refusal {
    Refusal::new(Code::IncompleteSignature, message)
}

fn mismatch(message: &str) -> Refusal {
    Refusal::new(Code::SignatureDoesNotMatch, message)
}

fn query(request: &Request, name: &str) -> Option<String> {
    pairs(&request.query).find(|(n, _)| *n == name).and_then(|(_, value)| decoded(value))
}

fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests;
