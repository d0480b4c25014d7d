//! The steps before the first thread, and what to say where one fails.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::runtime::Runtime;
use tracing::warn;

use crate::config::Settings;
use crate::fatal::{Exit, Fatal};
use crate::sys::state::{KeyBytes, StateDirectory, Trouble, passing_key};
use crate::sys::supervisor::Supervisor;
use crate::sys::{hardening, sockets};

/// How long a thread that resolved a name waits for another one.
const IDLE_THREAD: Duration = Duration::from_secs(1);

/// The lock and the token key; a key that ends with the process where nothing can be written.
pub(super) fn open_state(
    settings: &Settings,
    supervisor: &Supervisor,
) -> Result<(Option<StateDirectory>, KeyBytes), Fatal> {
    let passed = supervisor.token_key().map_err(|trouble| state_fatal(&trouble))?;
    match (StateDirectory::open(&settings.state_dir), passed) {
        (Ok(state), Some(key)) => Ok((Some(state), key)),
        (Ok(state), None) => {
            let key = state.token_key().map_err(|trouble| state_fatal(&trouble))?;
            Ok((Some(state), key))
        }
        (Err(trouble @ Trouble::Taken { .. }), _) => Err(state_fatal(&trouble)),
        (Err(_), Some(key)) => Ok((None, key)),
        (Err(trouble), None) => {
            warn!(%trouble, "no state directory: metadata tokens will end with this process");
            Ok((None, passing_key()))
        }
    }
}

pub(super) fn state_fatal(trouble: &Trouble) -> Fatal {
    let exit = match trouble {
        Trouble::Taken { .. } => Exit::Unavailable,
        _ => Exit::Settings,
    };
    Fatal::new(exit, trouble.to_string()).hint(trouble.hint())
}

pub(super) fn pid_file_fatal(trouble: &Trouble) -> Fatal {
    Fatal::new(Exit::Settings, trouble.to_string())
        .hint("may this user write there? --pid-file chooses another")
}

pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Fatal> {
    sockets::listen(address).map_err(|error| {
        let fatal = Fatal::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"));
        match error.kind() {
            io::ErrorKind::AddrInUse => fatal.hint(format!(
                "another program has port {}; end it, or choose another with --listen",
                address.port()
            )),
            io::ErrorKind::AddrNotAvailable => fatal.hint(
                "no interface has this address; add it first, or choose another with --listen",
            ),
            io::ErrorKind::PermissionDenied => fatal.hint(format!(
                "ports below 1024 need {}, or a socket from the service manager",
                sockets::LOW_PORTS
            )),
            _ => fatal,
        }
    })
}

pub(super) fn harden() {
    if let Err(error) = hardening::harden() {
        warn!(%error, "core files or ptrace could not be turned off");
    }
}

pub(super) fn runtime() -> Result<Runtime, Fatal> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // The resolver's thread goes while its caller is still awake.
        .thread_keep_alive(IDLE_THREAD)
        .build()
        .map_err(|error| bug("cannot start the runtime", &error))
}

/// A listening socket that cannot be used; nobody can do anything about it.
pub(super) fn unwatched(error: &io::Error) -> Fatal {
    bug("cannot watch a listening socket", error)
}

pub(super) fn bug(what: &str, error: &io::Error) -> Fatal {
    Fatal::new(Exit::Bug, format!("{what}: {error}"))
}
