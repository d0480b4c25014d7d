//! Whether users can be told apart on this machine at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::{Peer, look_up};
use crate::sys::identity;

/// How long a connection on loopback may take.
const LIMIT: Duration = Duration::from_secs(1);
/// The map of a user namespace in which every user has its own number.
const WHOLE_MAP: [&str; 3] = ["0", "0", "4294967295"];

/// Why the user of a connection cannot be established here, if it cannot.
///
/// Connects to itself on loopback and looks that connection up.
#[must_use]
pub fn lookup_error() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("only Linux reports the user of a connection".to_owned());
    }
    user_namespace_error().or_else(|| {
        let error = look_up_self().err()?;
        Some(format!("the kernel does not report the user of a connection: {error}"))
    })
}

/// In a namespace with a part of the users, all others appear as the same one.
fn user_namespace_error() -> Option<String> {
    match fs::read_to_string("/proc/self/uid_map") {
        Ok(map) if is_whole(&map) => None,
        Ok(_) => Some("this user namespace does not contain every user".to_owned()),
        // A kernel without user namespaces.
        Err(error)
            if error.kind() == ErrorKind::NotFound && Path::new("/proc/self/stat").exists() =>
        {
            None
        }
        Err(error) => Some(format!("/proc/self/uid_map cannot be read: {error}")),
    }
}

fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(WHOLE_MAP)
}

fn look_up_self() -> io::Result<()> {
    let on = |ip: IpAddr| look_up_self_on(SocketAddr::new(ip, 0));
    on(Ipv4Addr::LOCALHOST.into())
        .or_else(|first| on(Ipv6Addr::LOCALHOST.into()).map_err(|_| first))
}

fn look_up_self_on(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let client = TcpStream::connect_timeout(&listener.local_addr()?, LIMIT)?;
    let own = client.local_addr()?;
    loop {
        // Another process may have been faster.
        let (stream, peer) = listener.accept()?;
        if peer == own {
            return match look_up(peer, stream.local_addr()?) {
                Peer::User(uid) if uid == identity::user_id() => Ok(()),
                Peer::User(uid) => {
                    Err(io::Error::other(format!("it reports uid {uid} for our own")))
                }
                Peer::UnknownUser | Peer::Elsewhere => Err(cause(peer, stream.local_addr()?)),
            };
        }
    }
}

/// What the kernel said to a question that got no answer.
fn cause(peer: SocketAddr, local: SocketAddr) -> io::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = super::socket::find(&super::socket::Connection { peer, local }, &[0]) {
        return error;
    }
    let _ = (peer, local);
    io::Error::other("it does not know our own connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_namespace_without_every_user_is_recognised() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("") && !is_whole("         0       1000          1\n"));
        assert!(!is_whole("0 0 1000\n1000 1000 4294966295\n"), "as systemd writes it");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_look_itself_up() {
        if user_namespace_error().is_none() {
            assert_eq!(lookup_error(), None);
        }
    }
}
