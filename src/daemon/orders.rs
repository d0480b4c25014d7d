//! What a running daemon is told to do, by signals and by whoever holds a sender.

use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};

use super::start;
use crate::config::Mistakes;
use crate::fatal::Fatal;
use crate::sys::ending::Watched;
use crate::sys::signals::{Signals, Wish};

/// What came of a reload: what changed, or why nothing did.
pub type Reply = oneshot::Sender<Result<Vec<String>, Mistakes>>;

/// One thing to do.
#[derive(Debug)]
pub enum Order {
    /// Rotate now, whatever the back-off.
    Rotate,
    /// Read the settings again; the log tells what came of it, and whoever asked.
    Reload(Option<Reply>),
    /// Tell where consumers ask, and see that they can.
    Container(oneshot::Sender<Result<SocketAddr, Fatal>>),
    /// Make this role the active one; its name is known.
    Use(String, oneshot::Sender<()>),
    /// Drain and end; a second one ends at once.
    End,
}

impl From<Wish> for Order {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Rotate => Self::Rotate,
            Wish::Reload => Self::Reload(None),
            Wish::End => Self::End,
        }
    }
}

/// The orders of one daemon, in the order in which they came.
#[derive(Debug)]
pub struct Orders {
    signals: Signals,
    sender: mpsc::UnboundedSender<Order>,
    receiver: mpsc::UnboundedReceiver<Order>,
}

impl Orders {
    /// Signals are the first to give orders.
    pub(super) fn from_signals() -> Result<Self, Fatal> {
        let signals =
            Signals::catch().map_err(|error| start::bug("cannot catch signals", &error))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        Ok(Self { signals, sender, receiver })
    }

    /// For whoever else may give orders.
    #[must_use]
    pub fn sender(&self) -> mpsc::UnboundedSender<Order> {
        self.sender.clone()
    }

    /// Gives the order to end when this process has ended.
    pub(super) fn end_with(&self, pid: u32) {
        let sender = self.sender.clone();
        let watched = Watched::new(pid);
        tokio::spawn(async move {
            if let Ok(watched) = watched
                && watched.ended().await.is_err()
            {
                return;
            }
            // Where the loop has ended, so has the daemon.
            let _ = sender.send(Order::End);
        });
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            wish = self.signals.next() => wish.map_or(Order::End, Order::from),
            // Never closed, for it holds a sender itself.
            order = self.receiver.recv() => order.unwrap_or(Order::End),
        }
    }

    /// Waits for the order to end, whatever comes before.
    pub(super) async fn end(&mut self) {
        while !matches!(self.next().await, Order::End) {}
    }
}
