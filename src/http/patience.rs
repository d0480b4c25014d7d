//! How long a request waits for what is on its way.
//!
//! An answer is had from memory, at once or not at all. Where it is not there
//! yet, the door says what to wait for and what patience is left then; whoever
//! has the connection waits, and asks again.

use std::pin::Pin;
use std::time::Duration;

/// The usual length of a wait: SDKs give up between 500 ms and a second (F15, clients
/// need an answer within 450 ms).
pub(super) const PATIENCE: Duration = Duration::from_millis(400);

/// What a request may still wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The keys of whoever issued its token.
    pub(super) keys: bool,
    /// Something valid.
    pub(super) credentials: bool,
}

impl Patience {
    /// That of a request that has just come.
    pub(super) const WHOLE: Self = Self { keys: true, credentials: true };
    /// That of one that must be answered now.
    pub(super) const NONE: Self = Self { keys: false, credentials: false };
}

/// What to wait for before a request is judged again.
pub(super) struct Wait {
    /// Ends when it has come, or with patience.
    pub(super) over: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// With what patience to judge again.
    pub(super) left: Patience,
}
