//! Who may be served, and what: rules on what is known of a peer.

pub mod permit;
pub mod policy;
