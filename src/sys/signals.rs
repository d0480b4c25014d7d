//! Signals as messages, from signal-hook's iterator on a thread of its own.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

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

/// Starts to listen, and tells of each signal in turn until `tell` says that it is enough.
///
/// # Errors
/// Where a signal cannot be caught or the thread cannot start.
pub fn watch(tell: impl Fn(Wish) -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).stack_size(64 * 1024).spawn(
        move || {
            for signal in signals.forever() {
                if !tell(meaning(signal)) {
                    break;
                }
            }
        },
    )?;
    Ok(())
}

const fn meaning(signal: i32) -> Wish {
    match signal {
        SIGUSR1 => Wish::Rotate,
        SIGHUP => Wish::Reload,
        _ => Wish::End,
    }
}
