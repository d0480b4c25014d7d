//! What replies depend on besides the request.

use std::net::IpAddr;

use super::hops::Hops;
use crate::access::permit::Caller;
use crate::clock::Now;
use crate::imds::Shown;

/// Where a connection comes from, as far as replies depend on it.
#[derive(Debug)]
pub(super) struct Ends {
    /// The accepted socket's own address: always one of our names (F17).
    pub(super) local: IpAddr,
    /// Who called, for the rules on roles.
    pub(super) caller: Caller,
    /// For a peer on another host or in another namespace (T12).
    pub(super) hops: Option<Hops>,
    /// The metadata token that came along it last.
    pub(super) shown: Shown,
}

/// How a request came, whatever it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// When it had come.
    pub(super) now: Now,
    /// The connection ends with the response.
    pub(super) closes: bool,
}
