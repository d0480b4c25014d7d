//! Orders about consumers: who is made, who goes, and who goes by itself.
//!
//! A consumer that is a process is called after it, number and birth, so that
//! its name alone tells a daemon that starts anew whether it still lives.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::orders::Order;
use super::sessions::Sessions;
use crate::clock::Clock;
use crate::config::{RoleSettings, nearest};
use crate::container::{self, Consumer, ConsumerName, Place};
use crate::control::{Chronicle, Code, Event, Listed, Minted, Peer, Refusal, Wanted};
use crate::secret::Secret;
use crate::store::register::{Register, Unminted};
use crate::sts::request::Narrowing;
use crate::sys::birth::Birth;
use crate::sys::ending::Watched;
use crate::sys::handout::Handouts;
use crate::sys::identity;

/// How the names of processes begin.
const PROCESS: &str = "exec-";

/// Where consumers are kept, and what each has of its own.
#[derive(Debug, Clone)]
pub(super) struct Till {
    pub(super) register: Arc<Register>,
    pub(super) sessions: Sessions,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What minting needs.
#[derive(Debug, Clone)]
pub(super) struct Mint {
    till: Till,
    handouts: Handouts,
    orders: UnboundedSender<Order>,
}

impl Mint {
    /// Takes over the processes of an earlier run: those that live are watched again.
    pub(super) fn new(till: Till, folders: &[PathBuf], orders: UnboundedSender<Order>) -> Self {
        let mint = Self { till, handouts: Handouts::new(folders), orders };
        for name in mint.till.register.list().into_iter().map(|consumer| consumer.name) {
            if let Some(birth) = process(name.as_str()) {
                mint.watch(name, birth, None);
            }
        }
        sweep(&mint.handouts);
        mint
    }

    /// All consumers, without their secrets.
    pub(super) fn list(&self) -> Vec<Listed> {
        self.till.register.list().iter().map(listed).collect()
    }

    /// Ends one.
    pub(super) async fn revoke(&self, name: &str) -> Result<(), Refusal> {
        let nobody = || Refusal::new(Code::NoSuchName, format!("no consumer {name} here"));
        let known: ConsumerName = name.parse().map_err(|_| nobody())?;
        let register = Arc::clone(&self.till.register);
        let gone = tokio::task::spawn_blocking(move || register.revoke(&known)).await;
        match gone {
            Ok(Ok(Some(consumer))) => {
                self.till.sessions.end(&consumer.name);
                self.till.note(&Event::Revoked {
                    consumer: consumer.name.to_string(),
                    role: consumer.role.to_string(),
                });
                self.handouts.take_back(consumer.name.as_str());
                info!(event = "revoked", consumer = %consumer.name, "a consumer is nobody now");
                Ok(())
            }
            Ok(Ok(None)) => Err(nobody().hint(self.meant(name))),
            Ok(Err(error)) => Err(Refusal::new(
                Code::Unavailable,
                format!("revoked, but a restart would bring it back: {error}"),
            )),
            Err(_) => Err(Refusal::new(Code::Bug, "revoking panicked")),
        }
    }

    fn meant(&self, name: &str) -> String {
        let known = self.till.register.list();
        let near = nearest(name, known.iter().map(|consumer| consumer.name.as_str()));
        near.map_or_else(
            || "`assumed token list` shows them all".to_owned(),
            |near| format!("did you mean {near}?"),
        )
    }

    /// Makes one.
    pub(super) async fn mint(
        &self,
        wanted: Wanted,
        role: RoleSettings,
        peer: Peer,
    ) -> Result<Minted, Refusal> {
        let birth = wanted.process.then(|| born(&peer)).transpose()?;
        let name = named(&wanted, birth)?;
        let narrowing = wanted.narrowing.filter(|narrowing| !narrowing.is_nothing());
        if let Some(narrowing) = &narrowing {
            if birth.is_none() || wanted.lifetime_seconds.is_some() {
                return Err(bad("a session of its own is for a process, and ends with it"));
            }
            self.till.sessions.judge(&role.name, narrowing)?;
        }
        let address = self.address().await?;
        let order = container::Order {
            name: name.clone(),
            role: role.name.as_str().into(),
            place: if wanted.in_path { Place::Path } else { Place::Authorization },
            lifetime: wanted.lifetime_seconds.map(Duration::from_secs),
            kept: wanted.kept || birth.is_some(),
            narrowing: narrowing.clone(),
        };
        // The same process, which became another program meanwhile.
        self.till.sessions.end(&name);
        let secret = self.register(order, birth.is_some()).await?;
        // Others could not reach our folder; without a file there is still the variable.
        let own = birth.filter(|_| peer.uid == identity::user_id());
        let folder = own.and_then(|_| self.handouts.give(name.as_str(), &secret).ok());
        if let Some(birth) = birth {
            self.watch(name.clone(), birth, peer.pidfd.as_deref());
        }
        if let Some(narrowing) = narrowing {
            self.narrow(&name, &role.name, narrowing).await?;
        }
        self.till.note(&Event::Minted { consumer: name.to_string(), role: role.name.clone() });
        info!(event = "minted", consumer = %name, role = role.name, "a consumer came to be");
        let (uri, secret) = if wanted.in_path {
            (format!("/v2/credentials/{}", secret.expose()), Secret::new(""))
        } else {
            (format!("http://{address}/v1/credentials/{}", escaped(&role.name)), secret)
        };
        let region = role.region.to_string();
        Ok(Minted { name: name.to_string(), role: role.name, region, uri, secret, folder })
    }

    /// A consumer without the session that it is to have is none.
    async fn narrow(
        &self,
        name: &ConsumerName,
        role: &str,
        narrowing: Narrowing,
    ) -> Result<(), Refusal> {
        let assumed = self.till.sessions.assume(name, role, narrowing).await;
        if assumed.is_err() {
            // Gone already, if its process has ended meanwhile.
            let _ = self.revoke(name.as_str()).await;
        }
        assumed
    }

    async fn address(&self) -> Result<SocketAddr, Refusal> {
        let (reply, address) = oneshot::channel();
        // Where the loop has ended, the reply is dropped with the order.
        let _ = self.orders.send(Order::Container(reply));
        match address.await {
            Ok(Ok(address)) => Ok(address),
            Ok(Err(fatal)) => {
                Err(Refusal { code: Code::Unavailable, message: fatal.message, hint: fatal.hint })
            }
            Err(_) => Err(Refusal::new(Code::Unavailable, "the daemon is ending")),
        }
    }

    /// Where the register is kept, the disk is waited for elsewhere.
    async fn register(&self, order: container::Order, anew: bool) -> Result<Secret, Refusal> {
        let register = Arc::clone(&self.till.register);
        let minted = tokio::task::spawn_blocking(move || {
            if anew {
                let _ = register.revoke(&order.name);
            }
            register.mint(order)
        });
        match minted.await {
            Ok(Ok(secret)) => Ok(secret),
            Ok(Err(Unminted::Turned(turned))) => {
                Err(Refusal::new(Code::BadRequest, turned.to_string()).hint(turned.hint()))
            }
            Ok(Err(unkept)) => Err(Refusal::new(Code::Unavailable, unkept.to_string())
                .hint("the daemon needs a state directory that it can write")),
            Err(_) => Err(Refusal::new(Code::Bug, "minting panicked")),
        }
    }

    /// Ends the consumer with its process.
    fn watch(&self, name: ConsumerName, birth: Birth, pidfd: Option<&OwnedFd>) {
        let mint = self.clone();
        let watched = match pidfd {
            Some(pidfd) => Watched::from_pidfd(pidfd).ok(),
            None => Watched::new(birth.pid).ok().filter(|_| birth.lives()),
        };
        tokio::spawn(async move {
            if let Some(watched) = watched {
                // What cannot be watched ends with the daemon's next start.
                if watched.ended().await.is_err() {
                    return;
                }
            }
            debug!(event = "ended", consumer = %name, "its process has ended");
            // Gone already, if it was revoked.
            let _ = mint.revoke(name.as_str()).await;
            mint.handouts.take_back(name.as_str());
        });
    }
}

impl Till {
    fn note(&self, event: &Event) {
        self.chronicle.note(self.clock.now().wall, event);
    }
}

fn named(wanted: &Wanted, birth: Option<Birth>) -> Result<ConsumerName, Refusal> {
    let name = match (&wanted.name, birth) {
        (Some(_), Some(_)) => return Err(bad("a process has its name already")),
        (None, Some(birth)) => format!("{PROCESS}{birth}"),
        (Some(name), None) if name.starts_with(PROCESS) => {
            return Err(bad(format!("names that begin with {PROCESS} are those of processes")));
        }
        (Some(name), None) => name.clone(),
        (None, None) => format!("env-{:016x}", identity::nonce()),
    };
    name.parse().map_err(|wrong: crate::role::Malformed| bad(wrong.to_string()))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadRequest, message)
}

/// The process behind the socket. Its number may have been reused since it connected: then its
/// pidfd reports that it has ended.
fn born(peer: &Peer) -> Result<Birth, Refusal> {
    let birth = peer.pid.and_then(Birth::of).filter(|_| peer.pidfd.as_deref().is_none_or(is_alive));
    birth.ok_or_else(|| {
        Refusal::new(Code::BadRequest, "the calling process cannot be seen from here")
            .hint("it is in another pid namespace; use `assumed token create` instead")
    })
}

fn is_alive(pidfd: &OwnedFd) -> bool {
    Watched::from_pidfd(pidfd).is_ok_and(|process| !process.ends_within(Duration::ZERO))
}

/// Takes back what processes were given that have ended.
pub(super) fn sweep(handouts: &Handouts) {
    let gone = |name: &String| process(name).is_some_and(|birth| !birth.lives());
    for name in handouts.names().iter().filter(|name| gone(name)) {
        handouts.take_back(name);
    }
}

/// The process behind a name, if it is one's.
fn process(name: &str) -> Option<Birth> {
    name.strip_prefix(PROCESS)?.parse().ok()
}

fn listed(consumer: &Consumer) -> Listed {
    Listed {
        name: consumer.name.to_string(),
        role: consumer.role.to_string(),
        place: consumer.place.as_str().to_owned(),
        created: consumer.minted,
        last_use: consumer.last_use(),
        expires: consumer.validity.map(|validity| validity.expires),
        kept: consumer.kept,
        narrowed: consumer.narrowing.is_some(),
    }
}

/// As a part of a path.
fn escaped(name: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~@+=,".contains(b);
    let bytes = name
        .bytes()
        .map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    bytes.collect()
}
