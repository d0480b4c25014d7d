//! The door to HTTP clients: sockets in, bytes out.
//!
//! Accepts connections, reduces each request head to what the rules look at,
//! and writes their reply. Decides nothing about credentials and never calls
//! STS; hyper is named in this room only.

mod aside;
mod connection;
mod container;
mod crowd;
mod endpoint;
mod foreign;
mod head;
mod hops;
mod imds;
mod listener;
mod metrics;
mod mould;
mod patience;
mod payload;
mod pods;
mod rarely;
mod reply;
mod role;
mod silence;
mod visitor;
mod wire;

pub use container::{ContainerSite, ContainerTerms};
pub use crowd::Crowd;
pub use endpoint::{Endpoint, Lookup};
pub use foreign::ForeignNames;
pub use imds::{Site, Terms};
pub use listener::{IdentifyCaller, Listener};
pub use metrics::{MetricsSite, Report};
pub use pods::{Fetch, PodSite, PodTerms};
pub use rarely::Rarely;
pub use role::{Demand, Interest, ServedRole};
