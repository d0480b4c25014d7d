//! Whether an address belongs to this host.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

/// Whether a socket can be bound to the address: only to one of this host.
///
/// The answer if the kernel's routing table cannot be asked. An error other than "address not
/// available" counts as an address of this host, and so does every address if the sysctl
/// `ip_nonlocal_bind` is set.
pub(super) fn can_be_bound(mut address: SocketAddr) -> bool {
    address.set_port(0);
    let bound = UdpSocket::bind(address);
    !bound.is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_host_can_be_bound_and_another_cannot() {
        assert!(can_be_bound("127.0.0.1:80".parse().unwrap()));
        // Addresses for documentation (RFC 5737, RFC 3849).
        assert!(!can_be_bound("192.0.2.7:80".parse().unwrap()));
        assert!(!can_be_bound("[2001:db8::7]:80".parse().unwrap()));
    }
}
