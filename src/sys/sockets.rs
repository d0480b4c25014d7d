//! Listening sockets, bound before anything else starts.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps for us until they are accepted.
pub(super) const BACKLOG: i32 = 1024;

/// What it takes to bind a port below 1024.
pub const LOW_PORTS: &str = if cfg!(target_os = "macos") { "root" } else { "CAP_NET_BIND_SERVICE" };

/// The command that names whoever listens on a port.
#[must_use]
pub fn naming(port: u16) -> String {
    if cfg!(target_os = "macos") {
        format!("lsof -nP -sTCP:LISTEN -iTCP:{port}")
    } else {
        format!("ss -ltnp sport = :{port}")
    }
}

/// Binds and listens, without blocking.
///
/// `SO_REUSEADDR` but never `SO_REUSEPORT`: a second instance must not take
/// half of the connections silently. On Linux, IMDS addresses may be bound before they exist.
///
/// # Errors
/// As bind(2) and listen(2) have it.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if is_metadata_address(address.ip()) {
        allow_absent_address(&socket, address)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The addresses that EC2, ECS and EKS reserve: link-local, or `fd00:ec2::/32`.
#[must_use]
pub fn is_metadata_address(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments().starts_with(&[0xfd00, 0x0ec2]),
    }
}

#[cfg(target_os = "linux")]
fn allow_absent_address(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_freebind_v6(true) } else { socket.set_freebind_v4(true) }
}

/// There is no such option: the address has to be there first.
#[cfg(target_os = "macos")]
#[allow(clippy::unnecessary_wraps)]
const fn allow_absent_address(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let again = listen(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn metadata_addresses_are_known() {
        let is = |text: &str| is_metadata_address(text.parse().unwrap());
        assert!(is("169.254.169.254") && is("169.254.170.2") && is("fd00:ec2::254"));
        assert!(!is("127.0.0.1") && !is("::1") && !is("10.0.0.1") && !is("fd00:ec3::254"));
    }
}
