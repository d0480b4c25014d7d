//! An STS on loopback: the query protocol, real signatures, worthless credentials.
//!
//! For `assumed demo`, for our tests, and for anybody's CI. It checks what AWS
//! checks (Signature Version 4, the parameters and limits of STS, A1 to A17)
//! and fails as it is told to by a [`Script`], down to a reset in the middle of
//! a body. It serves its own HTTP, because `hyper` cannot misbehave.
//!
//! It knows the five actions that give credentials, and `GetCallerIdentity`.
//! Web identity tokens and SAML responses are read and held against the clock,
//! but their signatures are not checked: it knows no identity provider.
//!
//! Long-lived keys: [`DEMO_ACCESS_KEY_ID`] and no other. Whatever it issues it
//! knows again by itself, without a table, even after a restart.
//!
//! In a test, the script is changed through the [`Emulator`]:
//!
//! ```
//! # use std::sync::Arc;
//! # use assumed::{clock::SystemClock, emulator::{self, Code, Fault, Options, Script}};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let listener = emulator::bind("127.0.0.1:0".parse().unwrap())?;
//! let sts = emulator::start(listener, Script::default(), Options::new(Arc::new(SystemClock)))?;
//! sts.script(|script| script.next.push_back(Some(Fault::Error(Code::Throttling))));
//! assert_eq!(sts.count("AssumeRole"), 0);
//! # Ok::<(), emulator::NotStarted>(())
//! # }).unwrap();
//! ```
//!
//! From another process it is changed over the wire, where [`Options::scripted`]
//! allows it (it does not by default). `PUT /script` takes JSON with any of the
//! keys below and replaces what they name:
//!
//! ```json
//! { "session": "2m", "skew": "-20m",
//!   "next": ["Throttling", "ok", "delay=2s"], "standing": "ServiceUnavailable",
//!   "mfa": { "serial": "arn:aws:iam::123456789012:mfa/me", "codes": ["123456"] },
//!   "roles": { "arn:aws:iam::123456789012:role/a": { "external_id": "x", "max_session": "1h" },
//!              "arn:aws:iam::123456789012:role/b": { "mfa": true, "session": "5m" },
//!              "arn:aws:iam::123456789012:role/c": { "idp": { "issuer": "https://idp" } },
//!              "arn:aws:iam::123456789012:role/d": { "refuse": true } },
//!   "others": null }
//! ```
//!
//! `null` means "as asked" for `session`, no fault for `standing`, any device and
//! any code for `mfa`, and for `others` that no role exists but those in `roles`;
//! `{}` undoes that. A code is good once, whatever the script. Faults go by the
//! names at [`Fault`]; `IDPCommunicationError` and `IDPRejectedClaim` are two of
//! them. `GET /requests` gives what was asked, without secrets; `GET
//! /requests?after=3` waits until there were three requests.

mod action;
mod caller;
mod canonical;
mod control;
mod fault;
mod form;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod idp;
mod ids;
mod keys;
mod limits;
mod mac;
mod mfa;
mod record;
mod refusal;
mod script;
mod server;
mod signature;
mod sts;
mod tags;
mod wire;
mod xml;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use fault::{Fault, UnknownFault};
pub use ids::DEMO_ACCOUNT;
pub use mac::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};
pub use mfa::Mfa;
pub use record::Asked;
pub use refusal::Code;
pub use script::{Idp, Role, Roles, Script, Trust};

use crate::clock::Clock;
use record::locked;
use server::Server;
use sts::Sts;

/// Why there is no embedded STS.
#[derive(Debug, Error)]
pub enum NotStarted {
    /// It hands credentials to whoever knows a published key.
    #[error("the embedded STS listens on loopback only, and {0} is not loopback")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("the embedded STS cannot listen on {0}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The listener cannot be used.
    #[error("the listener of the embedded STS is of no use")]
    Listener(#[from] io::Error),
}

impl NotStarted {
    /// What the reader can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotLoopback(_) => "use 127.0.0.1 or [::1]",
            Self::Bind(..) => "is the port taken? port 0 takes a free one",
            Self::Listener(_) => "the listener must be a bound TCP socket",
        }
    }
}

/// How it runs, as against what it plays.
#[derive(Debug, Clone)]
pub struct Options {
    /// What time it is; the script's skew comes on top.
    pub clock: Arc<dyn Clock>,
    /// Whether `PUT /script` and `GET /requests` exist.
    pub scripted: bool,
    /// Ends it, connections and all.
    pub shutdown: CancellationToken,
}

impl Options {
    /// Not scripted over the wire, and running until the runtime ends.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, scripted: false, shutdown: CancellationToken::new() }
    }
}

/// Binds a loopback address, and no other.
///
/// # Errors
/// Where the address is not loopback, or cannot be had.
pub fn bind(address: SocketAddr) -> Result<TcpListener, NotStarted> {
    only_loopback(address)?;
    TcpListener::bind(address).map_err(|e| NotStarted::Bind(address, e))
}

/// Starts serving, on tasks of the current Tokio runtime.
///
/// # Errors
/// Where the listener is not on loopback, or cannot be used.
pub fn start(
    listener: TcpListener,
    script: Script,
    options: Options,
) -> Result<Emulator, NotStarted> {
    let address = listener.local_addr()?;
    only_loopback(address)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = Server {
        sts: Arc::new(Sts::new(script, options.clock)),
        scripted: options.scripted,
        tasks: TaskTracker::new(),
        shutdown: options.shutdown,
    };
    let emulator = Emulator { address, sts: Arc::clone(&server.sts), tasks: server.tasks.clone() };
    server.tasks.clone().spawn(server.accept(listener));
    Ok(emulator)
}

fn only_loopback(address: SocketAddr) -> Result<(), NotStarted> {
    if address.ip().to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(NotStarted::NotLoopback(address))
    }
}

/// A running STS; it goes on when this is dropped.
#[derive(Debug, Clone)]
pub struct Emulator {
    address: SocketAddr,
    sts: Arc<Sts>,
    tasks: TaskTracker,
}

impl Emulator {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `AWS_ENDPOINT_URL_STS`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the script; the next request sees it.
    pub fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut locked(&self.sts.script))
    }

    /// The last requests, the oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.sts.record.last()
    }

    /// How many requests named this action, whatever became of them.
    #[must_use]
    pub fn count(&self, action: &str) -> u64 {
        self.sts.record.count(action)
    }

    /// How many requests there were in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sts.record.total()
    }

    /// Waits until there have been this many requests in all.
    pub async fn reached(&self, total: u64) {
        self.sts.record.reached(total).await;
    }

    /// Waits until the last connection has ended after a shutdown.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the only way STS writes a time.
fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
