//! How far the packets of one connection may travel (T12).
//!
//! A limit is set on the accepted socket and never taken back: what the kernel
//! has to send again would travel as far as the limit of that later moment.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use socket2::SockRef;
use tokio::net::TcpStream;

/// The handle by which a connection from elsewhere is kept short.
#[derive(Debug)]
pub(super) struct Hops {
    // The stream itself belongs to hyper, which lends it to nobody.
    socket: OwnedFd,
    v4: bool,
}

impl Hops {
    /// A handle on the socket of a connection with this peer.
    pub(super) fn of(stream: &TcpStream, peer: IpAddr) -> io::Result<Self> {
        let socket = stream.as_fd().try_clone_to_owned()?;
        Ok(Self { socket, v4: peer.to_canonical().is_ipv4() })
    }

    /// Lets everything that is sent from now on pass so many hosts, less one.
    pub(super) fn limit(&self, hops: u8) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        if self.v4 {
            socket.set_ttl_v4(hops.into())
        } else {
            socket.set_unicast_hops_v6(hops.into())
        }
    }
}
