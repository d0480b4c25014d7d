//! Metadata addresses on an interface of this machine, and which of them are ours.
//!
//! What was there already is nobody's to remove; what this program added is
//! remembered until it is removed, or the machine boots anew.

mod memory;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod netlink;

use std::io;
use std::net::IpAddr;

pub use memory::{Memory, Owned};
pub use netlink::Interface;

/// An address, and the interface that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which address.
    pub address: IpAddr,
    /// The interface's name.
    pub interface: String,
}

/// Every address of this machine.
///
/// # Errors
/// Where the kernel does not tell.
pub fn addresses() -> io::Result<Vec<Place>> {
    netlink::addresses()
}
