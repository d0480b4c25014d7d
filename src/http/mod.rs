//! The door to HTTP clients: sockets in, bytes out.
//!
//! Accepts connections, reduces each request head to what the rules look at,
//! and writes their reply. Decides nothing about credentials and never calls
//! STS; hyper is named in this room only.

mod connection;
mod crowd;
mod foreign;
mod head;
mod hops;
mod listener;
mod payload;
mod rarely;
mod reply;
mod wire;

pub use connection::{Site, Terms};
pub use crowd::Crowd;
pub use foreign::ForeignNames;
pub use listener::Listener;
