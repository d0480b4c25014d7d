//! Ends every connection, because what it carried stays in its buffers for as long as it is open.

use tokio::sync::watch;

/// Ends the connections of all listeners that share it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCloser(watch::Sender<()>);

impl ConnectionCloser {
    /// Ends each connection that is open now, after the request in hand.
    pub fn close_all(&self) {
        self.0.send_replace(());
    }

    /// Waits for the next [`Self::close_all`].
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
