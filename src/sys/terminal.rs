//! A question on the terminal, whose answer nobody sees being typed.
//!
//! Through `/dev/tty`, opened anew, so that neither its flags nor a redirection
//! are anybody else's. Reads key by key: Ctrl-C comes as a key, and the
//! terminal is as it was before, however the question ends.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// No answer is longer.
const LONGEST: usize = 256;

const INTERRUPT: u8 = 3;
const END: u8 = 4;

/// Asks, and gives the line without its end.
///
/// # Errors
/// [`ErrorKind::Interrupted`] after Ctrl-C; where there is no terminal, or where
/// it belongs to another job.
pub async fn ask(question: &str) -> io::Result<Secret> {
    let terminal = Quiet::new()?;
    terminal.say(question)?;
    let line = terminal.line().await;
    // The line feed that was not echoed.
    let _ = terminal.say("\n");
    line
}

/// A terminal that shows nothing of what is typed.
struct Quiet {
    file: AsyncFd<File>,
    before: Termios,
}

impl Quiet {
    fn new() -> io::Result<Self> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
        let flags = i32::try_from(flags).map_err(io::Error::other)?;
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty")?;
        // A job in the background would be stopped for as much as trying.
        if tcgetpgrp(&file)? != getpgrp() {
            return Err(io::Error::other("the terminal belongs to another job"));
        }
        let before = tcgetattr(&file)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // SAFETY: a `File` is open and names one descriptor for as long as it lives, and the
        // `AsyncFd` owns it.
        let file = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?;
        let terminal = Self { file, before };
        // What was typed ahead was seen, and meant for something else.
        tcsetattr(terminal.file.get_ref(), OptionalActions::Flush, &quiet)?;
        Ok(terminal)
    }

    fn say(&self, text: &str) -> io::Result<()> {
        self.file.get_ref().write_all(text.as_bytes())
    }

    async fn line(&self) -> io::Result<Secret> {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
        loop {
            match self.key().await? {
                b'\r' | b'\n' => break,
                INTERRUPT => return Err(ErrorKind::Interrupted.into()),
                END => return Err(ErrorKind::UnexpectedEof.into()),
                // Backspace, under both of its names.
                8 | 127 => {
                    line.pop();
                }
                key if line.len() < LONGEST => line.push(key),
                _ => {}
            }
        }
        let text = std::str::from_utf8(&line).map_err(|_| ErrorKind::InvalidData)?;
        Ok(Secret::new(text.trim()))
    }

    async fn key(&self) -> io::Result<u8> {
        loop {
            let mut ready = self.file.readable().await?;
            let mut key = [0];
            match ready.try_io(|file| file.get_ref().read(&mut key)) {
                Ok(Ok(0)) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(Ok(_)) => return Ok(key[0]),
                Ok(Err(error)) => return Err(error),
                Err(_not_yet) => {}
            }
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Gone, if it cannot be set any more.
        let _ = tcsetattr(self.file.get_ref(), OptionalActions::Now, &self.before);
    }
}
