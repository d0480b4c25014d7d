//! Away from the terminal, by the daemonize crate: two processes from here on.
//!
//! The one that was called stays until the daemon tells it how the start went,
//! by a pipe that no child of the daemon inherits. Only `execute` is used: the
//! crate's `start` reports success where there is none, and its
//! `privileged_action` is unsound (RUSTSEC-2025-0069).

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use daemonize::{Daemonize, Outcome, Stdio};

use crate::environment::Environment;
use crate::fatal::{Exit, Fatal};

/// What the daemon creates is its own user's.
const UMASK: u32 = 0o077;

/// How a start went: an exit code for the shell, and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// 0 where credentials are being served.
    pub code: u8,
    /// For the user's eyes.
    pub text: String,
}

impl From<&Fatal> for Word {
    fn from(fatal: &Fatal) -> Self {
        Self { code: fatal.exit as u8, text: fatal.to_string() }
    }
}

/// The daemon's end of the pipe. Dropped without a word, it tells of a crash.
#[derive(Debug)]
pub struct Herald(PipeWriter);

impl Herald {
    /// Tells how the start went; the shell goes on.
    ///
    /// # Errors
    /// Where nobody waits any more.
    pub fn tell(mut self, word: &Word) -> io::Result<()> {
        self.0.write_all(format!("{} {}", word.code, word.text).as_bytes())
    }
}

/// The shell's end of the pipe.
#[derive(Debug)]
pub struct Waiting(PipeReader);

impl Waiting {
    /// Waits for the word; `None` where the daemon died without one.
    #[must_use]
    pub fn word(mut self) -> Option<Word> {
        let mut told = String::new();
        // What cannot be read was not said.
        let _ = self.0.read_to_string(&mut told);
        let (code, text) = told.split_once(' ')?;
        Some(Word { code: code.parse().ok()?, text: text.to_owned() })
    }
}

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The one that was called.
    Shell(Waiting),
    /// The daemon: a session of its own, no terminal, `/` as its directory.
    Daemon(Herald),
}

/// Detaches; `errors` takes what would go to standard error.
///
/// Must be called before there is a second thread, or anything that watches
/// descriptors: neither survives a fork.
///
/// # Errors
/// Where the system has no process or pipe for us.
pub fn detach(errors: Option<&File>) -> io::Result<Side> {
    let errors = errors.map(File::try_clone).transpose()?;
    let errors = errors.map_or_else(Stdio::devnull, Stdio::from);
    let (reader, writer) = io::pipe()?;
    match Daemonize::new().umask(UMASK).stderr(errors).execute() {
        Outcome::Parent(Err(error)) => Err(io::Error::other(error)),
        Outcome::Parent(Ok(_)) => Ok(Side::Shell(Waiting(reader))),
        Outcome::Child(Ok(_)) => Ok(Side::Daemon(Herald(writer))),
        Outcome::Child(Err(error)) => {
            let fatal = Fatal::new(Exit::Bug, format!("cannot detach: {error}"));
            // Half a daemon: all it can do is say so and end.
            let _ = Herald(writer).tell(&Word::from(&fatal));
            Err(io::Error::other(error))
        }
    }
}

/// Puts this file in the place of standard error, for texts that pass by the log.
pub fn errors_to(file: &File) {
    // They go on into the old file otherwise, which harms nobody.
    let _ = rustix::stdio::dup2_stderr(file);
}

/// Who started this process and wants to keep it: it must not detach then.
#[must_use]
pub fn supervisor(environment: &Environment) -> Option<&'static str> {
    let own = std::process::id().to_string();
    let has_sockets = environment.get("LISTEN_PID") == Some(own.as_str());
    if has_sockets || environment.get("NOTIFY_SOCKET").is_some() {
        return Some("systemd");
    }
    let job = environment.get("XPC_SERVICE_NAME").is_some_and(|name| name != "0");
    let orphan = rustix::process::getppid().is_none_or(rustix::process::Pid::is_init);
    (job && orphan).then_some("launchd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_crosses_the_pipe_as_it_is() {
        let (reader, writer) = io::pipe().unwrap();
        let fatal = Fatal::new(Exit::Refused, "not authorized (AccessDenied)").hint("ask someone");
        let word = Word::from(&fatal);
        Herald(writer).tell(&word).unwrap();
        assert_eq!(Waiting(reader).word(), Some(word.clone()));
        assert_eq!((word.code, word.text.lines().count()), (77, 2));
    }

    #[test]
    fn silence_and_nonsense_are_no_word() {
        for said in ["", "nonsense", "a b"] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(said.as_bytes()).unwrap();
            drop(writer);
            assert_eq!(Waiting(reader).word(), None);
        }
    }

    #[test]
    fn systemd_keeps_what_it_started() {
        let environment = Environment::default();
        assert_eq!(supervisor(&environment), None);
        let notified = environment.with("NOTIFY_SOCKET", "/run/systemd/notify");
        assert_eq!(supervisor(&notified), Some("systemd"));
    }
}
