//! The log: who reads it decides how it looks.
//!
//! One subscriber, to stderr. Times are left out where a journal stamps each
//! line itself. Other crates speak from `warn` up, for the SDK is chatty.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat, LogLevel};

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Starts the log for the whole process; a second call changes nothing.
pub fn start(log: &Log) {
    let stderr = std::io::stderr;
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let colour =
        stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let lines = fmt::layer().with_writer(stderr).with_target(false).with_ansi(colour);
    let layer = match (log.format, journal) {
        (LogFormat::Json, _) => lines.json().flatten_event(true).boxed(),
        (LogFormat::Text, true) => lines.without_time().boxed(),
        (LogFormat::Text, false) => lines.boxed(),
    };
    let ours =
        Targets::new().with_default(LevelFilter::WARN).with_target("assumed", filter(log.level));
    // Only a test starts it twice.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}
