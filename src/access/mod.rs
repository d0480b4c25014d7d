//! Who may be served: rules on what is known of a peer.

pub mod policy;
