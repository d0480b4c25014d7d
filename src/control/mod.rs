//! The door to the command line: a Unix socket that steers the daemon.
//!
//! HTTP/1.1 and JSON, one request a connection. The server knows who may and
//! how each order reads, but nothing of what it does: that is [`Steer`]. The
//! client is the other end, for the verbs. docs/control.md has each path.

mod chronicle;
pub mod client;
mod connection;
mod consumer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod link;
mod order;
mod places;
mod port;
mod refusal;
mod server;
mod socket;

pub use chronicle::{Chronicle, Demand, Event, Reader};
pub use consumer::{Listed, Minted, Peer, Wanted};
pub use link::Link;
pub use port::{Gift, Pending, Steer};
pub use refusal::{Code, Refusal};
pub use server::{PeerPidfd, Server};
pub use socket::{Access, Socket, Trouble};
