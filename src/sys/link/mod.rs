//! Metadata addresses on an interface of this machine, and which of them are ours.
//!
//! What was there already is nobody's to remove; what this program added is
//! remembered until it is removed, or the machine boots anew.

#[cfg(any(target_os = "macos", test))]
mod alias;
#[cfg(target_os = "macos")]
mod ioctl;
mod memory;
#[cfg(target_os = "linux")]
mod netlink;

use std::io;
use std::net::IpAddr;

#[cfg(target_os = "macos")]
use ioctl as system;
pub use memory::{Memory, Owned};
#[cfg(target_os = "linux")]
use netlink as system;
pub use system::Interface;

/// The interface of this host alone.
pub const LOOPBACK: &str = if cfg!(target_os = "macos") { "lo0" } else { "lo" };
/// What it takes to change addresses.
pub const RIGHT: &str = if cfg!(target_os = "macos") { "root" } else { "CAP_NET_ADMIN" };

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
    system::addresses()
}
