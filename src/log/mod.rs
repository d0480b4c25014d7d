//! The log: who reads it decides how it looks.
//!
//! One subscriber, to standard error or to a file, that can be switched while
//! the daemon runs. Times are left out where a journal stamps each line itself.
//! To the journal itself go fields, not lines.
//! Other crates speak from `warn` up, for the SDK is chatty.

mod journal;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Filtered, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};
use journal::Journal;

type Lines = Box<dyn Layer<Registry> + Send + Sync>;
type Handle = reload::Handle<Filtered<Lines, Targets, Registry>, Registry>;

/// Where lines go from now on, opened, before anything is switched.
#[derive(Debug)]
pub struct Output {
    level: LogLevel,
    format: LogFormat,
    file: Option<Arc<File>>,
    journal: Option<Journal>,
}

impl Output {
    /// Opens the file, if there is one to be opened: made where it is missing (0600).
    ///
    /// # Errors
    /// Where it cannot be written, or no journal listens; the error names it.
    pub fn open(log: &Log) -> io::Result<Self> {
        let file = log.file.as_deref().map(append).transpose()?.map(Arc::new);
        let journal = (log.format == LogFormat::Journal).then(Journal::open).transpose()?;
        Ok(Self { level: log.level, format: log.format, file, journal })
    }

    /// The file, where it is not standard error.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_deref()
    }

    fn lines(&self) -> Lines {
        if let Some(journal) = &self.journal {
            return journal.clone().boxed();
        }
        if let Some(file) = &self.file {
            return self.lines_to(Arc::clone(file), false, false);
        }
        let stderr = io::stderr;
        let stream = std::env::var("JOURNAL_STREAM").ok();
        let colour =
            stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        self.lines_to(stderr, is_journal(stream.as_deref(), stderr()), colour)
    }

    fn lines_to<W>(&self, writer: W, journal: bool, colour: bool) -> Lines
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(writer)
            .with_target(false)
            .with_ansi(colour)
            // Told to standard error, which may be what cannot be written.
            .log_internal_errors(false);
        match (self.format, journal) {
            (LogFormat::Json, _) => lines.json().flatten_event(true).boxed(),
            (_, true) => lines.without_time().boxed(),
            (_, false) => lines.boxed(),
        }
    }

    fn filter(&self) -> Targets {
        let level = match self.level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        // The SDK's crates quote whole replies, which may hold keys; what they fail of is told by us.
        let others = Targets::new().with_default(LevelFilter::WARN);
        others.with_target("aws_", LevelFilter::OFF).with_target("assumed", level)
    }
}

/// The running log, for whoever may switch it.
#[derive(Clone)]
pub struct Logging(Handle);

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").finish_non_exhaustive()
    }
}

impl Logging {
    /// Lines go there from now on, in its form and from its level up.
    pub fn switch(&self, output: &Output) {
        // Only a test has a log that is not the process's own.
        let _ = self.0.modify(|layer| {
            // Parts of it, for a filter knows under which id it was registered.
            *layer.inner_mut() = output.lines();
            *layer.filter_mut() = output.filter();
        });
    }
}

/// Starts the log for the whole process; a second call changes nothing.
#[must_use = "whoever holds it can switch the log"]
pub fn start(output: &Output) -> Logging {
    let (layer, handle) = reload::Layer::new(output.lines().with_filter(output.filter()));
    // Only a test starts it twice.
    let _ = tracing_subscriber::registry().with(layer).try_init();
    Logging(handle)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write the log {}: {error}", path.display()))
    })
}

/// True where `stream` names this very descriptor: the variable is inherited, the
/// descriptor may have been redirected.
fn is_journal(stream: Option<&str>, descriptor: impl AsFd) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    let named = |file: File| {
        let found = file.metadata().ok()?;
        Some(device.parse() == Ok(found.dev()) && inode.parse() == Ok(found.ino()))
    };
    let copy = descriptor.as_fd().try_clone_to_owned().ok();
    copy.and_then(|copy| named(File::from(copy))).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_known_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let found = file.metadata().unwrap();
        let own = format!("{}:{}", found.dev(), found.ino());
        assert!(is_journal(Some(&own), &file));
        let other = format!("{}:{}", found.dev(), found.ino() + 1);
        for stream in [None, Some(""), Some("1"), Some("a:b"), Some(other.as_str())] {
            assert!(!is_journal(stream, &file), "{stream:?}");
        }
    }

    #[test]
    fn a_log_file_is_its_users_alone_and_is_never_cut() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("assumed.log");
        std::fs::write(&path, "before\n").unwrap();
        let log = Log { file: Some(path.clone()), ..Log::default() };
        io::Write::write_all(&mut Output::open(&log).unwrap().file().unwrap(), b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
        let new = Log { file: Some(home.path().join("new.log")), ..Log::default() };
        let mode = Output::open(&new).unwrap().file().unwrap().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let gone = Log { file: Some(home.path().join("gone/a.log")), ..Log::default() };
        assert!(Output::open(&gone).unwrap_err().to_string().contains("gone/a.log"));
    }
}
