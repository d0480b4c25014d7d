//! The door to HTTP clients: sockets in, bytes out.
//!
//! Accepts connections, reduces each request head to what the rules look at,
//! and writes their reply. Decides nothing about credentials and never calls
//! STS; hyper is named in this room only.

mod connection;
mod head;
mod listener;
mod payload;
mod rarely;
mod reply;

pub use connection::{Site, Terms};
pub use listener::Listener;
