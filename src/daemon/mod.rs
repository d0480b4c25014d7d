//! The composition root: everything that a running daemon consists of, put
//! together once, in the order that a life has.
//!
//! Lock and key, sockets, perhaps away from the terminal, limits, runtime,
//! rotation, service, drain. Whatever can fail at the start fails before the
//! first thread exists.

mod asking;
mod attendance;
mod audience;
mod capacity;
mod consumers;
mod consumption;
mod control;
mod events;
mod given;
mod handing;
mod house;
mod issuers;
mod keeping;
mod listeners;
mod locked_sessions;
mod logins;
mod orders;
mod reading;
mod reload;
mod role;
mod roles;
mod sandbox;
mod sessions;
mod sites;
mod start;
mod steering;
mod user_lookup;

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

pub use orders::{Order, Orders, Reply};
pub use reading::Reread;
pub use sandbox::command_starter;
pub use user_lookup::check_user_lookup;

use crate::config::{self, ListenKind, Settings};
use crate::fatal::{Exit, Fatal};
use crate::log::Logging;
use crate::store::register::Register;
use crate::sys::activation::Activation;
use crate::sys::detach::Herald;
use crate::sys::notify::Notify;
use crate::sys::pid_file::PidFile;
use crate::sys::state::{KeyBytes, StateDirectory};
use crate::sys::supervisor::Supervisor;
use audience::Audience;
use given::Given;
use house::House;
use listeners::Bound;
use sandbox::Sandbox;

/// Something else that lives as long as the daemon: the embedded STS of `demo`.
pub type Companion = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What goes with a daemon beside its settings; all of it may be absent.
#[derive(Default)]
pub struct Company {
    /// Reads the settings again on SIGHUP.
    pub reread: Option<Reread>,
    /// What a reload tells about a changed log.
    pub logging: Option<Logging>,
    /// Where the pid stands while the daemon lives.
    pub pid_file: Option<PathBuf>,
    /// The process with which the daemon ends.
    pub for_process: Option<u32>,
    /// Whoever waits in the shell for the first credentials.
    pub herald: Option<Herald>,
    /// Whether its user sits at a terminal, and can be asked there.
    pub terminal: bool,
    /// Runs beside it.
    pub companion: Option<Companion>,
}

impl std::fmt::Debug for Company {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Company").field("pid_file", &self.pid_file).finish_non_exhaustive()
    }
}

/// A daemon whose sockets are bound, before it does anything.
#[derive(Debug)]
pub struct Daemon {
    settings: Settings,
    bound: Vec<Bound>,
    register: Arc<Register>,
    key: KeyBytes,
    state: Option<Arc<StateDirectory>>,
    given: Given,
    control: Option<UnixListener>,
    kept: Option<OwnedFd>,
    notify: Notify,
    sandbox: Sandbox,
}

impl Daemon {
    /// Takes the lock, reads the token key and the register, binds every listener
    /// that the service manager does not hold.
    ///
    /// # Errors
    /// Where any of them fails; nothing is left behind then.
    pub fn prepare(mut settings: Settings, supervisor: Supervisor) -> Result<Self, Fatal> {
        capacity::raise_limit(&settings.listen);
        let (state, key) = start::open_state(&settings, &supervisor)?;
        let register = consumers::register(state.as_ref())?;
        let Supervisor { notify, sockets, .. } = supervisor;
        let Activation { imds, container, pods, metrics, control, kept } = sockets;
        let given = [
            (ListenKind::Imds, imds),
            (ListenKind::Container, container),
            (ListenKind::PodIdentity, pods),
            (ListenKind::Metrics, metrics),
        ];
        let given = Given::new(given).map_err(|error| start::unwatched(&error))?;
        given.settle(&mut settings);
        let checked = config::check_passed(&settings).and_then(|()| check_user_lookup(&settings));
        checked.map_err(|mistake| {
            Fatal::new(Exit::Settings, format!("the settings are wrong\n  {mistake}"))
        })?;
        let bind = |listen| match given.socket(listen) {
            Some(Ok(socket)) => Ok(Bound::of(socket, listen.clone())),
            Some(Err(error)) => Err(start::unwatched(&error)),
            None => Bound::new(listen),
        };
        let mut bound: Vec<_> = settings.listen.iter().map(bind).collect::<Result<_, _>>()?;
        if !register.read().is_empty() && !consumers::are_provided_for(&settings.listen) {
            bound.push(consumers::bind(state.as_ref(), &register)?);
        }
        let state = state.map(Arc::new);
        let sandbox = Sandbox::default();
        Ok(Self { settings, bound, register, key, state, given, control, kept, notify, sandbox })
    }

    /// The addresses of IMDS that are really bound, ports resolved.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let imds = self.bound.iter().filter(|bound| bound.kind() == ListenKind::Imds);
        imds.filter_map(Bound::address).collect()
    }

    /// The same daemon with settings that name this process: its pid is another after a fork.
    #[must_use]
    pub fn with(mut self, settings: Option<Settings>) -> Self {
        self.settings = settings.unwrap_or(self.settings);
        self
    }

    /// Serves until a signal ends it. Whoever waits is told last, when nothing is left behind.
    ///
    /// # Errors
    /// Where the process cannot be set up, STS refused and that was to end it, or
    /// nothing came in time for whoever waits.
    pub fn run(mut self, mut company: Company) -> Result<(), Fatal> {
        let notify = std::mem::take(&mut self.notify);
        let mut audience = Audience::new(company.herald.take(), notify);
        let outcome = self.live(company, &mut audience);
        audience.dismiss(&outcome);
        outcome
    }

    fn live(mut self, company: Company, audience: &mut Audience) -> Result<(), Fatal> {
        // Let go last, so that the next instance finds nothing of this one.
        let state = self.state.clone();
        // The lock outlived a fork, the pid in it did not.
        let signed = state.as_deref().map(StateDirectory::sign).transpose();
        signed.map_err(|trouble| start::state_fatal(&trouble))?;
        let pid_file = company.pid_file.as_deref().map(PidFile::write).transpose();
        let _goes_with_us = pid_file.map_err(|trouble| start::pid_file_fatal(&trouble))?;
        start::harden();
        self.sandbox = Sandbox::enter(&self.settings, company.pid_file.as_deref())?;
        let runtime = start::runtime()?;
        let outcome = runtime.block_on(async {
            let orders = Orders::from_signals()?;
            let _watched = self.sandbox.watch();
            House::open(self, company, audience.is_shell(), &orders)?.live(orders, audience).await
        });
        // A name that is being resolved, or a file on a dead network, must not hold up the end.
        runtime.shutdown_background();
        outcome
    }
}

/// Runs a companion without a daemon, until a signal ends it.
///
/// # Errors
/// Where the process cannot be set up.
pub fn run_alone(companion: Companion) -> Result<(), Fatal> {
    start::harden();
    start::runtime()?.block_on(async {
        let mut orders = Orders::from_signals()?;
        tokio::select! {
            () = companion => Err(Fatal::new(Exit::Unavailable, "it ended by itself")),
            () = orders.end() => Ok(()),
        }
    })
}
