//! The door to HTTP clients: sockets in, bytes out.
//!
//! Accepts connections, reduces each request head to what the rules look at,
//! and writes their reply. Decides nothing about credentials and never calls
//! STS; hyper is named in this room only.

mod activity;
mod aside;
mod closer;
mod connection;
mod connection_limit;
mod container;
mod endpoint;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod head;
mod hops;
mod imds;
mod listener;
mod metrics;
mod mould;
mod patience;
mod payload;
mod pods;
mod reply;
mod role;
mod unknown_hosts;
mod visitor;
mod wire;

pub use closer::ConnectionCloser;
pub use connection_limit::{ConnectionLimiter, IdentifySource, ListenerLimit, Source};
pub use container::{ContainerSite, ContainerTerms};
pub use endpoint::{Endpoint, Lookup};
pub use imds::{Site, Terms};
pub use listener::{IdentifyCaller, Listener};
pub use metrics::{MetricsSite, Report};
pub use pods::{Fetch, PodLog, PodSite, PodTerms};
pub use role::{Demand, Interest, ServedRole};
pub use unknown_hosts::UnknownHosts;
