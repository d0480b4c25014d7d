//! Who is turned away before the path is even looked at.
//!
//! Pages in a browser and requests that a proxy passed on can reach the
//! endpoint, but must not get anything from it. Each check is one rule; their
//! order is decided in `answer`.

use std::net::IpAddr;

use super::bearer::Bearer;
use super::host::{self, HostNames};
use super::options::{HttpEndpoint, HttpTokens};
use super::request::{Field, Method, Request};
use super::status::Status;

/// Only requests that call us by an own name, in `Host` and in the target, come in (F17, F19).
pub(crate) fn host(request: &Request<'_>, names: &HostNames, local: IpAddr) -> Result<(), Status> {
    match request.host {
        Field::Many => Err(Status::BadRequest),
        Field::Absent if !request.http_10 => Err(Status::BadRequest),
        _ => refuse_unless(foreign_host(request, names, local).is_none()),
    }
}

/// The first of the names by which a request calls us that is not ours.
fn foreign_host<'a>(request: &Request<'a>, names: &HostNames, local: IpAddr) -> Option<&'a [u8]> {
    let host = match request.host {
        Field::One(host) => Some(host),
        _ => None,
    };
    let mut given = host.into_iter().chain(request.authority.map(str::as_bytes));
    given.find(|name| !names.owns(name, local))
}

/// The same, fit to be shown: a name without its port, or only that it is none.
///
/// What is no name is not repeated, for anything may stand in a header field.
#[must_use]
pub fn foreign_name<'a>(
    request: &Request<'a>,
    names: &HostNames,
    local: IpAddr,
) -> Option<&'a str> {
    let host = foreign_host(request, names, local)?;
    Some(host::shown(host).unwrap_or("(malformed)"))
}

/// No page in a browser, not even one of our own origin, for a rebound one is that (F18).
pub(crate) const fn browser(request: &Request<'_>) -> Result<(), Status> {
    refuse_unless(!request.browser)
}

/// An endpoint that is turned off refuses everything (G4).
pub(super) const fn endpoint(endpoint: HttpEndpoint) -> Result<(), Status> {
    refuse_unless(matches!(endpoint, HttpEndpoint::Enabled))
}

/// No request waits for our consent to send a body that we would not read (F7).
pub(crate) const fn expectation(request: &Request<'_>) -> Result<(), Status> {
    if request.expects { Err(Status::ExpectationFailed) } else { Ok(()) }
}

/// Nothing that a proxy passed on, but for IMDSv1 where that is allowed (T5, T19).
pub(super) fn forwarded(
    request: &Request<'_>,
    tokens: HttpTokens,
    bearer: Bearer,
) -> Result<(), Status> {
    let v1 =
        tokens == HttpTokens::Optional && request.method != Method::Put && bearer == Bearer::Nobody;
    refuse_unless(!request.forwarded || v1)
}

const fn refuse_unless(fine: bool) -> Result<(), Status> {
    if fine { Ok(()) } else { Err(Status::Forbidden) }
}
