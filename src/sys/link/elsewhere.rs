//! Where there is no netlink, addresses are set by other means.

use std::io;
use std::net::IpAddr;

use super::Place;

/// An interface that this program cannot change.
#[derive(Debug)]
pub struct Interface(());

impl Interface {
    /// Never succeeds.
    ///
    /// # Errors
    /// Always.
    pub fn named(_: &str) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    ///
    /// # Errors
    /// Always.
    pub fn add(&self, _: IpAddr) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    ///
    /// # Errors
    /// Always.
    pub fn remove(&self, _: IpAddr) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(super) fn addresses() -> io::Result<Vec<Place>> {
    Err(io::ErrorKind::Unsupported.into())
}
