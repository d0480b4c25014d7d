//! Sockets that a service manager opened for this process: systemd
//! (`sd_listen_fds(3)`), or launchd on macOS.
//!
//! Taken by name: `imds…`, `container…`, `pod-identity…`, `metrics…` and `control`, as `FileDescriptorName=`
//! of the socket unit has it, or the key in `Sockets`. A name that says nothing to
//! us is an error, for a socket that nobody serves swallows its clients. The same way
//! comes back what an earlier process had the service manager keep.
#![allow(unsafe_code)]

#[cfg(target_os = "macos")]
mod launchd;

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
use thiserror::Error;

use crate::environment::Environment;

/// The first descriptor that is passed.
const FIRST: RawFd = 3;
/// More than anybody means.
const MOST: RawFd = 64;

/// The name under which the service manager keeps MFA sessions over a restart.
pub const SESSIONS: &str = "mfa-sessions";

/// Why a socket that was passed cannot be served.
#[derive(Debug, Error)]
pub enum Unusable {
    /// Nobody here answers to this name.
    #[error("the service manager passed a socket named \"{0}\"")]
    Name(String),
    /// Not what that name stands for.
    #[error("the socket \"{name}\" is not {wanted}")]
    Sort {
        /// As it was passed.
        name: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// There is one control socket.
    #[error("two sockets are named \"control\"")]
    Twice,
    /// The system refused.
    #[error("the socket \"{name}\": {cause}")]
    Io {
        /// As it was passed.
        name: String,
        /// Why not.
        cause: io::Error,
    },
}

impl Unusable {
    /// What the reader can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        if cfg!(target_os = "macos") {
            "keys in Sockets are imds, container, pod-identity, metrics or control, each with SockType stream"
        } else {
            "FileDescriptorName= of the socket unit is imds, container, pod-identity, metrics or control, with Accept=no"
        }
    }
}

/// The sockets that were passed, by what is spoken there.
#[derive(Debug, Default)]
pub struct Activation {
    /// For SDKs that look for the instance metadata service.
    pub imds: Vec<TcpListener>,
    /// For consumers of container credentials.
    pub container: Vec<TcpListener>,
    /// For pods that show the token of their service account.
    pub pods: Vec<TcpListener>,
    /// For Prometheus and for probes.
    pub metrics: Vec<TcpListener>,
    /// For orders.
    pub control: Option<UnixListener>,
    /// No socket: what was kept of MFA sessions, not looked at yet.
    pub kept: Option<OwnedFd>,
}

impl Activation {
    /// Takes everything that was passed.
    ///
    /// Called once, before anything else opens a descriptor.
    ///
    /// # Errors
    /// Where a socket has no name of ours, or is not of its kind.
    pub fn take(environment: &Environment) -> Result<Self, Unusable> {
        let passed = numbered(environment);
        #[cfg(target_os = "macos")]
        let passed = passed.chain(launchd::passed()?);
        Self::sort(passed)
    }

    fn sort(passed: impl Iterator<Item = (String, OwnedFd)>) -> Result<Self, Unusable> {
        let mut sorted = Self::default();
        for (name, socket) in passed {
            match name.as_str() {
                "control" if sorted.control.is_some() => return Err(Unusable::Twice),
                "control" => sorted.control = Some(unix(&name, socket)?),
                SESSIONS => sorted.kept = Some(socket),
                _ if name.starts_with("imds") => sorted.imds.push(tcp(&name, socket)?),
                _ if name.starts_with("container") => sorted.container.push(tcp(&name, socket)?),
                _ if name.starts_with("pod-identity") => sorted.pods.push(tcp(&name, socket)?),
                _ if name.starts_with("metrics") => sorted.metrics.push(tcp(&name, socket)?),
                _ => return Err(Unusable::Name(name)),
            }
        }
        Ok(sorted)
    }
}

/// What `LISTEN_FDS` counts, where `LISTEN_PID` says that it is for us.
fn numbered(environment: &Environment) -> impl Iterator<Item = (String, OwnedFd)> {
    let number = |name| environment.get(name).and_then(|text| text.parse::<u32>().ok());
    let ours = number("LISTEN_PID") == Some(std::process::id());
    let count = number("LISTEN_FDS").filter(|_| ours).and_then(|count| RawFd::try_from(count).ok());
    let count = count.unwrap_or_default().min(MOST);
    let names = environment.get("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').chain(std::iter::repeat("unknown"));
    // SAFETY: the service manager opened these for this very process and left them to it;
    // nobody else here knows of them, and they are taken once.
    let taken = (FIRST..FIRST + count).map(|raw| unsafe { OwnedFd::from_raw_fd(raw) });
    names.map(str::to_owned).zip(taken)
}

fn tcp(name: &str, socket: OwnedFd) -> Result<TcpListener, Unusable> {
    let internet = [AddressFamily::INET, AddressFamily::INET6];
    let listens = listens(&socket, &internet);
    let socket = made_ours(name, socket, listens, "a TCP socket that listens")?;
    Ok(socket.into())
}

fn unix(name: &str, socket: OwnedFd) -> Result<UnixListener, Unusable> {
    let listens = listens(&socket, &[AddressFamily::UNIX]);
    let socket = made_ours(name, socket, listens, "a Unix stream socket that listens")?;
    Ok(socket.into())
}

fn listens(socket: &OwnedFd, families: &[AddressFamily]) -> bool {
    let is_stream = sockopt::socket_type(socket) == Ok(SocketType::STREAM);
    let family = getsockname(socket).map(|own| own.address_family());
    is_stream && family.is_ok_and(|family| families.contains(&family)) && accepts(socket)
}

#[cfg(target_os = "linux")]
fn accepts(socket: &OwnedFd) -> bool {
    sockopt::socket_acceptconn(socket) == Ok(true)
}

/// To listen once more changes nothing but the length of the queue.
#[cfg(target_os = "macos")]
fn accepts(socket: &OwnedFd) -> bool {
    rustix::net::listen(socket, super::sockets::BACKLOG).is_ok()
}

/// Never blocks, and is not inherited by what we start.
fn made_ours(
    name: &str,
    socket: OwnedFd,
    fits: bool,
    wanted: &'static str,
) -> Result<OwnedFd, Unusable> {
    if !fits {
        return Err(Unusable::Sort { name: name.to_owned(), wanted });
    }
    let descriptor = socket.as_fd();
    rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC)
        .and_then(|()| rustix::io::ioctl_fionbio(descriptor, true))
        .map_err(|cause| Unusable::Io { name: name.to_owned(), cause: cause.into() })?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn tcp_socket() -> OwnedFd {
        TcpListener::bind("127.0.0.1:0").unwrap().into()
    }

    fn sorted(passed: Vec<(&str, OwnedFd)>) -> Result<Activation, String> {
        let passed = passed.into_iter().map(|(name, socket)| (name.to_owned(), socket));
        Activation::sort(passed).map_err(|unusable| unusable.to_string())
    }

    #[test]
    fn sockets_go_by_their_names() {
        let room = tempfile::tempdir().unwrap();
        let control: OwnedFd = UnixListener::bind(room.path().join("c")).unwrap().into();
        let passed = vec![
            ("imds", tcp_socket()),
            ("container", tcp_socket()),
            ("control", control),
            ("imds-v6", tcp_socket()),
            ("pod-identity", tcp_socket()),
            ("metrics", tcp_socket()),
            (SESSIONS, tempfile::tempfile().unwrap().into()),
        ];
        let sorted = sorted(passed).unwrap();
        assert_eq!((sorted.imds.len(), sorted.container.len()), (2, 1));
        assert_eq!((sorted.pods.len(), sorted.metrics.len()), (1, 1));
        assert!(sorted.control.is_some() && sorted.kept.is_some());
        let flags = rustix::io::fcntl_getfd(&sorted.imds[0]).unwrap();
        assert!(flags.contains(FdFlags::CLOEXEC), "no child inherits it");
        let refused = sorted.imds[0].accept().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_says_nothing_to_us_is_refused() {
        let told = sorted(vec![("assumed.socket", tcp_socket())]).unwrap_err();
        assert_eq!(told, "the service manager passed a socket named \"assumed.socket\"");
        let datagrams: OwnedFd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
        let told = sorted(vec![("imds", datagrams)]).unwrap_err();
        assert_eq!(told, "the socket \"imds\" is not a TCP socket that listens");
        let told = sorted(vec![("control", tcp_socket())]).unwrap_err();
        assert_eq!(told, "the socket \"control\" is not a Unix stream socket that listens");
    }

    #[test]
    fn what_is_for_another_process_is_left_alone() {
        let environment = Environment::default()
            .with("LISTEN_PID", "1")
            .with("LISTEN_FDS", "3")
            .with("LISTEN_FDNAMES", "imds:imds:imds");
        let taken = Activation::take(&environment).unwrap();
        assert!(taken.imds.is_empty());
    }
}
