//! Sockets that the service manager holds: they take the place of the listeners
//! of their kind, and no reload changes that.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::config::{Listen, ListenKind, Settings};

/// Those sockets, for as long as the daemon lives.
#[derive(Debug, Default)]
pub(super) struct Given(Vec<Socket>);

#[derive(Debug)]
struct Socket {
    kind: ListenKind,
    address: SocketAddr,
    listener: TcpListener,
}

impl Given {
    pub(super) fn new(given: [(ListenKind, Vec<TcpListener>); 4]) -> io::Result<Self> {
        let all = given.into_iter().flat_map(|(kind, listeners)| {
            listeners.into_iter().map(move |listener| (kind, listener))
        });
        all.map(|(kind, listener)| Ok(Socket { kind, address: listener.local_addr()?, listener }))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Puts them in the place of what the settings want to bind.
    ///
    /// A listener at the same address says who else may connect; without one, nobody.
    pub(super) fn settle(&self, settings: &mut Settings) {
        let asked = std::mem::take(&mut settings.listen);
        let given = self.0.iter().map(|socket| {
            let same =
                |listen: &&Listen| listen.kind == socket.kind && listen.address == socket.address;
            let none =
                || Listen { address: socket.address, kind: socket.kind, ..Listen::default() };
            asked.iter().find(same).cloned().unwrap_or_else(none)
        });
        let given: Vec<Listen> = given.collect();
        let stay = asked.into_iter().filter(|listen| !self.has(listen.kind));
        settings.listen = given.into_iter().chain(stay).collect();
    }

    /// The socket of this listener, where it is one of them.
    pub(super) fn socket(&self, listen: &Listen) -> Option<io::Result<TcpListener>> {
        let is_it =
            |socket: &&Socket| socket.kind == listen.kind && socket.address == listen.address;
        self.0.iter().find(is_it).map(|socket| socket.listener.try_clone())
    }

    fn has(&self, kind: ListenKind) -> bool {
        self.0.iter().any(|socket| socket.kind == kind)
    }
}
