//! Signals as messages, through signal-hook and a pipe of our own.
//!
//! No thread waits for them: a process with one thread makes cheaper system
//! calls, and serving is mostly system calls.

use std::io;
use std::os::unix::net::UnixStream as Pipe;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM or SIGINT: drain and end; a second one ends at once.
    End,
    /// SIGUSR1: rotate now.
    Rotate,
    /// SIGHUP: read the settings again.
    Reload,
}

/// Signals that are caught from now on.
#[derive(Debug)]
pub struct Signals {
    caught: SignalDelivery<Pipe, SignalOnly>,
    pipe: UnixStream,
}

impl Signals {
    /// Catches them; from here on none has its usual effect.
    ///
    /// # Errors
    /// Where one cannot be caught, or the runtime cannot watch a pipe.
    pub fn catch() -> io::Result<Self> {
        let (read, write) = Pipe::pair()?;
        read.set_nonblocking(true)?;
        let pipe = UnixStream::from_std(read.try_clone()?)?;
        let signals = [SIGTERM, SIGINT, SIGUSR1, SIGHUP];
        let caught = SignalDelivery::with_pipe(read, write, SignalOnly, signals)?;
        Ok(Self { caught, pipe })
    }

    /// The next one; none is lost where this is given up half-way.
    ///
    /// # Errors
    /// Where the pipe breaks, which the system has no reason for.
    pub async fn next(&mut self) -> io::Result<Wish> {
        loop {
            if let Some(signal) = self.caught.pending().next() {
                return Ok(meaning(signal));
            }
            // A byte says no more than that there is something to ask for.
            self.pipe.read_u8().await?;
        }
    }
}

const fn meaning(signal: i32) -> Wish {
    match signal {
        SIGUSR1 => Wish::Rotate,
        SIGHUP => Wish::Reload,
        _ => Wish::End,
    }
}
