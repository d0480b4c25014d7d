//! How much the daemon says, in which form, and where.

use std::path::PathBuf;
use std::str::FromStr;

use super::file::Document;
use super::inputs::Inputs;
use super::mistake::Mistakes;
use super::setting::Setting;
use crate::role::Malformed;

/// How the daemon logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The least that is said.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
    /// Instead of standard error.
    pub file: Option<PathBuf>,
}

impl Log {
    /// Flags before the file; `None` where one of them is wrong.
    pub(super) fn read(
        inputs: &Inputs,
        document: &Document,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let flags = &inputs.overrides;
        let level = flags.log_level.as_deref().map(|text| Setting::flag("--log-level", text));
        let level = level.or_else(|| document.get("log.level"));
        let format = flags.log_format.as_deref().map(|text| Setting::flag("--log-format", text));
        let format = format.or_else(|| document.get("log.format"));
        let level = mistakes.note(level.map(|level| level.parse()).transpose());
        let format = mistakes.note(format.map(|format| format.parse()).transpose());
        let file = document.get("log.file").map(|file| PathBuf::from(file.text));
        Some(Self {
            level: level?.unwrap_or_default(),
            format: format?.unwrap_or_default(),
            file: flags.log_file.clone().or(file),
        })
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl FromStr for LogLevel {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(Malformed {
                expected: "a log level",
                why: "known ones are error, warn, info, debug and trace",
            }),
        }
    }
}

/// In which form it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// An object a line.
    Json,
    /// Fields, to the systemd journal itself.
    Journal,
}

impl FromStr for LogFormat {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "journal" => Ok(Self::Journal),
            _ => Err(Malformed {
                expected: "a log format",
                why: "known ones are text, json and journal",
            }),
        }
    }
}
