//! Reading the settings again, at most once at a time.
//!
//! Files are read on a thread of their own, for they may lie on a network.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::orders::Reply;
use crate::config::{Mistake, Mistakes, Settings};

/// Reads the settings as at the start: the same flags and environment, the files of now.
pub type Reread = Arc<dyn Fn() -> Result<Settings, Mistakes> + Send + Sync>;

/// What came of it.
pub(super) type Read = Result<Settings, Mistakes>;

/// At most one reading at a time, and whoever waits for it.
pub(super) struct Reading {
    reread: Option<Reread>,
    running: Option<JoinHandle<Read>>,
    waiting: Vec<Reply>,
    /// Asked for meanwhile: files may have changed behind the reader's back.
    again: bool,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Reading {
    pub(super) const fn new(reread: Option<Reread>) -> Self {
        Self { reread, running: None, waiting: Vec::new(), again: false }
    }

    /// Begins to read, or remembers to.
    pub(super) fn ask(&mut self, reply: Option<Reply>) {
        self.waiting.extend(reply);
        if self.running.is_some() {
            self.again = true;
            return;
        }
        self.running = Some(match self.reread.clone() {
            Some(reread) => tokio::task::spawn_blocking(move || reread()),
            None => tokio::spawn(async { Err(Mistake::new("nothing to read again").into()) }),
        });
    }

    /// What was read; never, where nothing is being read.
    pub(super) async fn done(&mut self) -> Read {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let read = running.await;
        self.running = None;
        read.unwrap_or_else(|_| Err(Mistake::new("reading the settings panicked").into()))
    }

    /// Files are being read, and whoever asked has not been told yet.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Tells everybody who asked before the files were read.
    pub(super) fn tell(&mut self, outcome: &Result<Vec<String>, Mistakes>) {
        if std::mem::take(&mut self.again) {
            self.ask(None);
            return;
        }
        for reply in self.waiting.drain(..) {
            // Whoever does not wait any more does not miss it.
            let _ = reply.send(outcome.clone());
        }
    }
}
