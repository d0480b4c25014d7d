use std::net::{Shutdown, TcpListener, TcpStream};

use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::sys::identity::user_id;

#[cfg(target_os = "linux")]
mod replies;

/// A connection from `client` to a listener of its own: both ends, and the addresses that the
/// listener sees.
struct Pair {
    client: Socket,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
}

impl Pair {
    /// `None` if this machine has no such address.
    fn new(listen: &str, prepare: impl FnOnce(&Socket), connect: &str) -> Option<Self> {
        let listener = TcpListener::bind(listen).ok()?;
        let mut to: SocketAddr = connect.parse().unwrap();
        to.set_port(listener.local_addr().unwrap().port());
        let client = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        prepare(&client);
        client.connect(&to.into()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        let local = stream.local_addr().unwrap();
        Some(Self { client, stream, peer, local })
    }

    fn look_up(&self) -> Peer {
        look_up(self.peer, self.local)
    }
}

fn nothing(_: &Socket) {}

const ADDRESSES: [(&str, &str); 5] = [
    ("127.0.0.1:0", "127.0.0.1:0"),
    ("127.0.0.1:0", "[::ffff:127.0.0.1]:0"),
    ("[::1]:0", "[::1]:0"),
    ("[::]:0", "127.0.0.1:0"),
    ("[::]:0", "[::ffff:127.0.0.1]:0"),
];

#[cfg(target_os = "linux")]
#[test]
fn the_user_of_a_local_socket_is_known_until_it_is_closed() {
    for (listen, connect) in ADDRESSES {
        let Some(pair) = Pair::new(listen, nothing, connect) else { continue };
        assert_eq!(pair.look_up(), Peer::User(user_id()), "{listen} {connect}");
        pair.client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(pair.look_up(), Peer::User(user_id()), "{connect}: half closed");
        drop(pair.client);
        assert_eq!(look_up(pair.peer, pair.local), Peer::UnknownUser, "{connect}: closed");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_we_have_finished_with_is_no_peer() {
    let pair = Pair::new("127.0.0.1:0", nothing, "127.0.0.1:0").unwrap();
    pair.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(pair.look_up(), Peer::UnknownUser, "its state is CLOSE_WAIT");
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_is_bound_to_a_device_is_found() {
    for (listen, connect) in ADDRESSES {
        let bind = |client: &Socket| client.bind_device(Some(b"lo")).unwrap();
        let Some(pair) = Pair::new(listen, bind, connect) else { continue };
        assert_eq!(pair.look_up(), Peer::User(user_id()), "{listen} {connect}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_listening_socket_on_the_port_of_the_peer_is_not_taken_for_it() {
    // Another process may take the port in between: then it is tried again.
    let outcome = (0..50).find_map(|_| listening_on_the_port_of_a_peer());
    let (_listening, pair_peer, pair_local) = outcome.expect("a port that nothing else takes");
    assert_eq!(look_up(pair_peer, pair_local), Peer::UnknownUser);
}

/// The client of a pair is gone, and a listening socket has its port.
fn listening_on_the_port_of_a_peer() -> Option<(Socket, SocketAddr, SocketAddr)> {
    let pair = Pair::new("127.0.0.1:0", nothing, "127.0.0.1:0")?;
    let other = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    pair.client.set_reuse_address(true).ok()?;
    other.set_reuse_address(true).ok()?;
    SockRef::from(&pair.client).set_linger(Some(std::time::Duration::ZERO)).ok()?;
    drop(pair.client);
    other.bind(&pair.peer.into()).ok()?;
    other.listen(1).ok()?;
    Some((other, pair.peer, pair.local))
}

#[test]
fn an_address_without_a_socket_is_ours_or_another_hosts() {
    let look_up = |peer: &str, local: &str| look_up(peer.parse().unwrap(), local.parse().unwrap());
    for (peer, local) in [
        ("127.0.0.1:1", "127.0.0.1:9"),
        ("127.7.7.7:1", "192.0.2.1:9"),
        ("[::1]:1", "[::1]:9"),
        ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:9"),
        ("192.0.2.1:1", "192.0.2.1:9"),
    ] {
        assert_eq!(look_up(peer, local), Peer::UnknownUser, "{peer} {local}");
    }
    for (peer, local) in [("192.0.2.7:1", "127.0.0.1:9"), ("[2001:db8::7]:1", "[::1]:9")] {
        assert_eq!(look_up(peer, local), Peer::Elsewhere, "{peer} {local}");
    }
}
