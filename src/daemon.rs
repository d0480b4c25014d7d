//! The composition root: everything that a running daemon consists of, put
//! together once, in the order that a life has.
//!
//! Lock and key, sockets, limits, runtime, rotation, service, drain. Whatever
//! can fail at the start fails before the first thread exists.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{error, info, warn};

use crate::clock::{Clock, SystemClock};
use crate::config::{RoleSettings, Settings};
use crate::failure::Failure;
use crate::fatal::{Exit, Fatal};
use crate::http::{Listener, Site, Terms};
use crate::imds::{Facts, HostNames, TokenKey};
use crate::role::AccountId;
use crate::rotation::port::{Assume, Publish};
use crate::rotation::task::{self, Bell, Rotation};
use crate::store::{State, Store};
use crate::sts::RoleChain;
use crate::sys::signals::{self, Wish};
use crate::sys::state::{KeyBytes, StateDirectory, Trouble, passing_key};
use crate::sys::wake::WallAlarm;
use crate::sys::{hardening, identity, sockets};

/// Connections of all listeners together.
const MOST_CONNECTIONS: usize = 1024;
/// How long requests in hand may take to finish after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// How long a thread that resolved a name waits for another one.
const IDLE_THREAD: Duration = Duration::from_secs(1);

/// Something else that lives as long as the daemon: the embedded STS of `demo`.
pub type Companion = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A daemon whose sockets are bound, before it does anything.
#[derive(Debug)]
pub struct Daemon {
    settings: Settings,
    listeners: Vec<TcpListener>,
    key: KeyBytes,
    // Held, not read: the lock ends with it.
    _state: Option<StateDirectory>,
}

impl Daemon {
    /// Takes the lock, reads the token key and binds every listener.
    ///
    /// # Errors
    /// Where any of them fails; nothing is left behind then.
    pub fn prepare(settings: Settings) -> Result<Self, Fatal> {
        hardening::raise_descriptor_limit();
        let (state, key) = open_state(&settings)?;
        let listeners =
            settings.listen.iter().map(|listen| bind(listen.address)).collect::<Result<_, _>>()?;
        Ok(Self { settings, listeners, key, _state: state })
    }

    /// The addresses that are really bound, ports resolved.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// Where the process cannot be set up, or STS refused and that was to end it.
    pub fn run(self, companion: Option<Companion>) -> Result<(), Fatal> {
        harden();
        let wishes = wishes()?;
        runtime()?.block_on(self.live(wishes, companion))
    }

    async fn live(
        mut self,
        mut wishes: UnboundedReceiver<Wish>,
        companion: Option<Companion>,
    ) -> Result<(), Fatal> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(Store::new(self.facts(&*clock), Arc::clone(&clock)));
        let tasks = Tasks::default();
        let companion = companion.map(tokio::spawn).map(AbortOnDropHandle::new);
        let bell = self.rotate(&store, &clock, &tasks);
        let site = Arc::new(self.site(&store, &clock, &bell));
        let exit_on_refusal = self.settings.exit_on_refusal;
        self.listen(&site, &tasks)?;
        let ended = attend(&mut wishes, &bell, store.subscribe(), exit_on_refusal).await;
        tasks.drain(&mut wishes).await;
        drop(companion);
        ended
    }

    /// The active role; settings are never without one.
    fn role(&self) -> &RoleSettings {
        let [role, ..] = self.settings.roles.as_slice() else {
            unreachable!("settings name at least one role")
        };
        role
    }

    fn facts(&self, clock: &dyn Clock) -> Facts {
        let role = self.role();
        Facts {
            role_name: role.role_name.clone(),
            account: role.account.clone().unwrap_or_else(AccountId::unknown),
            partition: role.region.partition(),
            region: role.region.clone(),
            seed: *self.key,
            since: clock.now().wall,
            account_id_in_document: self.settings.imds.account_id,
        }
    }

    /// Rotation begins; a panic of its own starts it again.
    fn rotate(&self, store: &Arc<Store>, clock: &Arc<dyn Clock>, tasks: &Tasks) -> Bell {
        let bell = Bell::default();
        let role = self.role();
        let assume = Arc::new(RoleChain::new(role.source.clone(), Arc::clone(clock)));
        let role = role.name.clone();
        let (store, clock, over) = (Arc::clone(store), Arc::clone(clock), tasks.over.clone());
        let rung = bell.clone();
        tasks.rotation.spawn(async move {
            while !over.is_cancelled() {
                let Some(alarm) = alarm() else { return };
                let rotation = Rotation {
                    role: role.clone(),
                    assume: Arc::clone(&assume) as Arc<dyn Assume>,
                    publish: Arc::clone(&store) as Arc<dyn Publish>,
                    clock: Arc::clone(&clock),
                    alarm,
                    bell: rung.clone(),
                    dice: task::dice(),
                    patience: task::PATIENCE,
                };
                if tokio::spawn(rotation.run(over.clone())).await.is_err() {
                    error!(event = "panicked", role, "rotation panicked; it starts again");
                }
            }
        });
        bell
    }

    fn site(&self, store: &Arc<Store>, clock: &Arc<dyn Clock>, bell: &Bell) -> Site {
        let bell = bell.clone();
        let bound = self.addresses().into_iter().map(|address| address.ip());
        let terms = Terms {
            options: self.settings.imds,
            names: HostNames::new(bound, self.settings.hosts.iter().cloned()),
        };
        Site {
            terms: watch::Sender::new(terms),
            key: TokenKey::new(&self.key, &identity::boot_id()),
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            demand: Box::new(move |now| bell.demand(now)),
            nonce: AtomicU64::new(identity::nonce()),
        }
    }

    fn listen(&mut self, site: &Arc<Site>, tasks: &Tasks) -> Result<(), Fatal> {
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        for listener in std::mem::take(&mut self.listeners) {
            let socket = tokio::net::TcpListener::from_std(listener)
                .map_err(|error| bug("cannot watch a listening socket", &error))?;
            if let Ok(address) = socket.local_addr() {
                info!(event = "listening", kind = "imds", %address, "serving");
            }
            let listener = Listener {
                socket,
                site: Arc::clone(site),
                permits: Arc::clone(&permits),
                connections: tasks.connections.clone(),
            };
            tasks.connections.spawn(listener.serve(tasks.closing.clone()));
        }
        Ok(())
    }
}

/// Does what signals ask for, until one asks for the end.
async fn attend(
    wishes: &mut UnboundedReceiver<Wish>,
    bell: &Bell,
    mut outcomes: watch::Receiver<State>,
    exit_on_refusal: bool,
) -> Result<(), Fatal> {
    loop {
        tokio::select! {
            wish = wishes.recv() => match wish {
                Some(Wish::Rotate) => bell.refresh(),
                Some(Wish::Reload) => warn!(event = "reload", "nothing to read again"),
                Some(Wish::End) | None => return Ok(()),
            },
            Ok(()) = outcomes.changed() => {
                if let Some(refusal) = exit_on_refusal.then(|| outcomes.borrow().refusal()).flatten() {
                    return Err(refused(&refusal));
                }
            }
        }
    }
}

fn refused(refusal: &Failure) -> Fatal {
    let fatal = Fatal::new(Exit::Refused, refusal.to_string());
    match &refusal.hint {
        Some(hint) => fatal.hint(hint),
        None => fatal,
    }
}

fn alarm() -> Option<WallAlarm> {
    WallAlarm::new()
        .inspect_err(|error| error!(%error, "no timer is to be had; rotation stops"))
        .ok()
}

/// Runs a companion without a daemon, until a signal ends it.
///
/// # Errors
/// Where the process cannot be set up.
pub fn run_alone(companion: Companion) -> Result<(), Fatal> {
    harden();
    let mut wishes = wishes()?;
    runtime()?.block_on(async {
        tokio::select! {
            () = companion => Err(Fatal::new(Exit::Unavailable, "it ended by itself")),
            () = an_end(&mut wishes) => Ok(()),
        }
    })
}

fn runtime() -> Result<Runtime, Fatal> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // The resolver's thread goes while its caller is still awake.
        .thread_keep_alive(IDLE_THREAD)
        .build()
        .map_err(|error| bug("cannot start the runtime", &error))
}

fn wishes() -> Result<UnboundedReceiver<Wish>, Fatal> {
    signals::wishes().map_err(|error| bug("cannot catch signals", &error))
}

/// What runs, and how it is ended: clients first, rotation after them.
#[derive(Debug, Default)]
struct Tasks {
    connections: TaskTracker,
    closing: CancellationToken,
    rotation: TaskTracker,
    over: CancellationToken,
}

impl Tasks {
    /// Finishes the requests in hand; a second wish to end cuts that short.
    async fn drain(&self, wishes: &mut UnboundedReceiver<Wish>) {
        self.closing.cancel();
        self.connections.close();
        let met = tokio::select! {
            drained = tokio::time::timeout(GRACE, self.connections.wait()) => drained.is_ok(),
            () = an_end(wishes) => false,
        };
        self.over.cancel();
        self.rotation.close();
        if met {
            info!(event = "stopped", "stopped; every request in hand was answered");
        } else {
            warn!(
                event = "stopped",
                open = self.connections.len(),
                "stopped with connections still open"
            );
        }
    }
}

async fn an_end(wishes: &mut UnboundedReceiver<Wish>) {
    while let Some(wish) = wishes.recv().await {
        if wish == Wish::End {
            return;
        }
    }
    std::future::pending::<()>().await;
}

fn open_state(settings: &Settings) -> Result<(Option<StateDirectory>, KeyBytes), Fatal> {
    match StateDirectory::open(&settings.state_dir) {
        Ok(state) => {
            let key = state.token_key().map_err(|trouble| state_fatal(&trouble))?;
            Ok((Some(state), key))
        }
        Err(trouble @ Trouble::Taken { .. }) => Err(state_fatal(&trouble)),
        Err(trouble) => {
            warn!(%trouble, "no state directory: metadata tokens will end with this process");
            Ok((None, passing_key()))
        }
    }
}

fn state_fatal(trouble: &Trouble) -> Fatal {
    let exit = match trouble {
        Trouble::Taken { .. } => Exit::Unavailable,
        _ => Exit::Settings,
    };
    Fatal::new(exit, trouble.to_string()).hint(trouble.hint())
}

fn bind(address: SocketAddr) -> Result<TcpListener, Fatal> {
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
            io::ErrorKind::PermissionDenied => fatal.hint(
                "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket from the service manager",
            ),
            _ => fatal,
        }
    })
}

fn harden() {
    if let Err(error) = hardening::harden() {
        warn!(%error, "core files or ptrace could not be turned off");
    }
}

fn bug(what: &str, error: &io::Error) -> Fatal {
    Fatal::new(Exit::Bug, format!("{what}: {error}"))
}
