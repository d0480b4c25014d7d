//! A daemon that lives: does what it is told, and sees what comes of rotation.

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::attendance::Attendance;
use super::audience::{Audience, Watchdog};
use super::consumption;
use super::control::{self, Control};
use super::given::Given;
use super::keeping;
use super::listeners::Listeners;
use super::locked_sessions::LockedSessions;
use super::orders::{Order, Orders};
use super::reading::Reading;
use super::role::{self, Makings};
use super::roles::Roles;
use super::sandbox::Sandbox;
use super::sessions::Sessions;
use super::sites::Sites;
use super::steering::{Shown, Steering, role_status};
use super::{Company, Daemon};
use crate::clock::{Clock, Now, SystemClock};
use crate::config::{RoleSettings, Settings};
use crate::control::{Chronicle, Event, Steer as _};
use crate::failure::Failure;
use crate::fatal::{Exit, Fatal};
use crate::log::Logging;
use crate::store::register::Register;
use crate::sts::Reception;
use crate::sys::detach::Word;
use crate::sys::handout::Handouts;
use crate::sys::mark::Mark;
use crate::sys::state::{KeyBytes, StateDirectory};

/// The mark in the state directory that keeps a lock over a restart.
const LOCKED: &str = "locked";

/// Everything that runs.
#[derive(Debug)]
pub(super) struct House {
    pub(super) settings: Settings,
    pub(super) roles: Roles,
    /// Of consumers that have one of their own.
    pub(super) sessions: Sessions,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) sites: Sites,
    pub(super) register: Arc<Register>,
    pub(super) listeners: Listeners,
    pub(super) logging: Option<Logging>,
    /// Away from the terminal, standard error is the log file too.
    pub(super) detached: bool,
    pub(super) reading: Reading,
    pub(super) given: Given,
    pub(super) sandbox: Sandbox,
    control: Option<Control>,
    shown: watch::Sender<Shown>,
    reception: Reception,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) since: Now,
    pub(super) key: KeyBytes,
    _companion: Option<AbortOnDropHandle<()>>,
    pub(super) state: Option<Arc<StateDirectory>>,
}

impl House {
    /// Rotation and service begin.
    pub(super) fn open(
        daemon: Daemon,
        company: Company,
        detached: bool,
        orders: &Orders,
    ) -> Result<Self, Fatal> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let since = clock.now();
        let companion = company.companion.map(tokio::spawn).map(AbortOnDropHandle::new);
        let Daemon { settings, bound, register, key, state, given, control, kept, sandbox, .. } =
            daemon;
        let reception = keeping::reception(kept, sandbox.commands(), since);
        let chronicle = Arc::<Chronicle>::default();
        let shown = watch::Sender::<Shown>::default();
        let makings = Makings::new(&reception, &clock, &chronicle, settings.max_in_flight);
        let attendance = Attendance {
            shown: shown.subscribe(),
            makings: makings.clone(),
            orders: orders.sender(),
            terminal: company.terminal.then(Arc::default),
        };
        let facts = |role: &RoleSettings| role::facts(&settings, role, &key, since.wall);
        let roles = Roles::open(&settings, facts, attendance);
        let mut listeners = Listeners::default();
        let sites = Sites::new(&settings, &roles, Arc::clone(&register), &key, &clock);
        let sessions = Sessions::new(sites.container(), makings);
        sessions.follow(settings.roles.iter().map(|role| (role.clone(), facts(role))));
        sessions.restore(&register.list());
        for bound in bound {
            listeners.serve(bound, &sites)?;
        }
        let mut house = Self {
            settings,
            roles,
            sessions,
            chronicle,
            sites,
            register,
            listeners,
            logging: company.logging,
            detached,
            reading: Reading::new(company.reread),
            given,
            sandbox,
            control: None,
            shown,
            reception,
            clock,
            since,
            key,
            _companion: companion,
            state,
        };
        house.renew_terms();
        house.control = house.take_orders(orders, control)?;
        if let Some(pid) = company.for_process {
            orders.end_with(pid);
        }
        Ok(house)
    }

    /// Opens the control socket, and locks where the last run was locked.
    fn take_orders(
        &self,
        orders: &Orders,
        passed: Option<UnixListener>,
    ) -> Result<Option<Control>, Fatal> {
        let state_dir = self.state.as_ref().map(|_| self.settings.state_dir.as_path());
        let mark = state_dir.map(|folder| Mark::new(folder, LOCKED));
        if mark.as_ref().is_some_and(Mark::is_set) {
            warn!(event = "locked", "locked before the restart; `assumed unlock` assumes anew");
            self.roles.lock();
            self.sessions.lock();
            self.reception.withhold(true);
        }
        let bound = control::Bound::new(&self.settings.control, passed)?;
        let steering = Arc::new(Steering {
            mint: self.mint(orders),
            sessions: self.sessions.clone(),
            chronicle: Arc::clone(&self.chronicle),
            clock: Arc::clone(&self.clock),
            orders: orders.sender(),
            shown: self.shown.subscribe(),
            issuers: self.sites.issuer_keys(),
            clients: self.sites.clients(),
            reception: self.reception.clone(),
            locked_sessions: LockedSessions::default(),
            closer: self.listeners.closer(),
            mark,
            socket: bound.as_ref().map(|bound| bound.socket.path().to_owned()),
            since: self.since,
        });
        let reporting = Arc::clone(&steering);
        self.sites.report_by(Box::new(move || reporting.status()));
        bound.map(|bound| bound.serve(steering, &self.clock, state_dir)).transpose()
    }

    /// Lives until an order or a refusal ends it, then lets clients finish.
    pub(super) async fn live(
        mut self,
        mut orders: Orders,
        audience: &mut Audience,
    ) -> Result<(), Fatal> {
        let ended = self.attend(&mut orders, audience).await;
        audience.stopping(ended.as_ref().err());
        self.chronicle.note(self.clock.now().wall, &Event::Stopping);
        self.chronicle.close();
        self.listeners.drain(&mut orders).await;
        if let Some(control) = self.control.take() {
            control.close().await;
        }
        // The process with which a daemon ends may have been given something.
        consumption::sweep(&Handouts::new(&self.settings.control.folders));
        self.roles.stop().await;
        ended
    }

    async fn attend(&mut self, orders: &mut Orders, audience: &mut Audience) -> Result<(), Fatal> {
        let mut outcomes = self.roles.active().store.subscribe();
        let mut watchdog = audience.watchdog();
        let _kept = audience.keep(&self.reception, &self.clock);
        self.judge(audience)?;
        // In the foreground of a shell, nobody waits.
        let patience = tokio::time::sleep(self.settings.ready_timeout);
        let mut patience = std::pin::pin!(patience);
        loop {
            tokio::select! {
                order = orders.next() => match order {
                    Order::Rotate => self.roles.refresh(),
                    Order::Reload(reply) => {
                        audience.reloading();
                        self.reading.ask(reply);
                    }
                    Order::Container(reply) => {
                        // Whoever does not wait any more asks again.
                        let _ = reply.send(self.container_address());
                    }
                    Order::Use(role, reply) => {
                        self.activate(&role);
                        outcomes = self.roles.active().store.subscribe();
                        audience.status(&self.line());
                        // Whoever does not wait any more has what he wanted.
                        let _ = reply.send(());
                    }
                    Order::End => return Ok(()),
                },
                read = self.reading.done() => {
                    self.reload(read);
                    outcomes = self.roles.active().store.subscribe();
                    // What came of an attempt meanwhile is not told again.
                    self.judge(audience)?;
                    if !self.reading.is_running() {
                        audience.reloaded();
                    }
                }
                Ok(()) = outcomes.changed() => self.judge(audience)?,
                () = watchdog.due() => self.feed(&mut watchdog),
                () = &mut patience, if audience.waits() => return Err(self.not_ready()),
            }
        }
    }

    /// Whether what came of an attempt ends the daemon, or the waiting of whoever started it.
    fn judge(&self, audience: &mut Audience) -> Result<(), Fatal> {
        let (serves, failure, locked) = {
            let state = self.roles.active().store.read();
            let now = self.clock.now();
            let valid = state.snapshot.as_ref().is_some_and(|snapshot| snapshot.is_valid(now));
            (valid, state.failure.clone(), state.locked)
        };
        audience.status(&self.line());
        match failure {
            _ if serves => audience.ready(&self.ready()),
            // Waiting for a human is as ready as it gets.
            _ if locked => audience.ready(&locked_word()),
            Some(failure) if failure.awaits_human() => audience.ready(&awaiting_word(&failure)),
            // What is valid is served to its end, also after a refusal.
            Some(refusal) if refusal.is_refusal() && self.settings.exit_on_refusal => {
                Err(refused(&refusal))
            }
            _ => Ok(()),
        }
    }

    /// How the active role stands, in a line.
    fn line(&self) -> String {
        role_status(&self.roles.active().known(), self.clock.now()).line()
    }

    fn feed(&self, watchdog: &mut Watchdog) {
        watchdog.feel(self.listeners.pulses().chain(self.roles.pulses()).collect());
    }

    fn ready(&self) -> Word {
        let urls =
            self.listeners.addresses().into_iter().map(|address| format!("http://{address}"));
        let (name, urls) = (self.roles.active().name(), urls.collect::<Vec<_>>().join(" "));
        Word { code: 0, text: format!("serving {name} on {urls} (pid {})", std::process::id()) }
    }

    fn not_ready(&self) -> Fatal {
        let span = self.settings.ready_timeout.as_secs();
        let failure = self.roles.active().store.read().failure.clone();
        let why = failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
        let fatal = Fatal::new(Exit::Unavailable, format!("no credentials within {span} s{why}"));
        match failure.and_then(|failure| failure.hint) {
            Some(hint) => fatal.hint(hint),
            None => fatal.hint("ready_timeout says how long to wait"),
        }
    }

    /// Has listeners without a role of their own serve this one.
    fn activate(&mut self, name: &str) {
        if self.roles.find(name).is_none() || self.roles.active().name() == name {
            return;
        }
        self.roles.activate(name, self.settings.idle_after);
        self.renew_terms();
        info!(event = "activated", role = name, "this role is the active one");
        self.chronicle.note(self.clock.now().wall, &Event::Activated { role: name.to_owned() });
    }

    /// Judges requests by the settings and sockets as they are now.
    pub(super) fn renew_terms(&mut self) {
        let bound = self.listeners.addresses().into_iter().map(|address| address.ip());
        self.sites.renew(&self.settings, &self.roles, &bound.collect::<Vec<_>>());
        self.shown.send_replace(Shown {
            active: self.roles.active().name().to_owned(),
            roles: self.roles.known(),
            listeners: self.listeners.shown(),
            events: self.settings.events.clone(),
        });
    }
}

fn refused(refusal: &Failure) -> Fatal {
    let fatal = Fatal::new(Exit::Refused, refusal.to_string());
    match &refusal.hint {
        Some(hint) => fatal.hint(hint),
        None => fatal,
    }
}

fn locked_word() -> Word {
    let code = Exit::Waiting as u8;
    let text =
        "locked, and it serves nothing until it is unlocked\nhint: assumed unlock".to_owned();
    Word { code, text }
}

fn awaiting_word(failure: &Failure) -> Word {
    let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let pid = std::process::id();
    let text = format!("{failure}; the daemon stays up (pid {pid}){hint}");
    Word { code: Exit::Waiting as u8, text }
}
