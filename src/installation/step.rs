//! One step of a plan, and how it is told.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// What is done, or found done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A file is written, or written anew.
    Write {
        /// Where.
        path: PathBuf,
        /// All of it.
        text: String,
    },
    /// There is nothing to do.
    Already {
        /// What is as it should be.
        what: String,
    },
    /// Something that is not ours, or not ours alone, is left as it is.
    Keep {
        /// Which file or unit.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file of ours goes, and its folder where nothing else is in it.
    Remove {
        /// Which one.
        path: PathBuf,
    },
    /// Files of the daemon go, and their folder where nothing else is in it.
    Clear {
        /// Where they are.
        folder: PathBuf,
        /// Their names, as far as they are there.
        names: Vec<String>,
    },
    /// A command is run.
    Run(Order),
    /// Something that the reader should know.
    Note {
        /// A sentence without a period.
        what: String,
    },
}

/// One command of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its bare name, or its place where it is not the system's.
    pub tool: String,
    /// What it is told.
    pub arguments: Vec<String>,
    /// The units whose journal says why, should it fail.
    pub starts: Vec<String>,
    /// A failure changes nothing.
    #[serde(skip)]
    pub may_fail: bool,
}

impl Order {
    pub(super) fn new(tool: impl Into<String>, arguments: Vec<String>) -> Self {
        Self { tool: tool.into(), arguments, starts: Vec::new(), may_fail: false }
    }

    pub(super) fn starting(mut self, units: Vec<String>) -> Self {
        self.starts = units;
        self
    }

    pub(super) const fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }
}

impl Step {
    /// True where something changes.
    #[must_use]
    pub const fn changes(&self) -> bool {
        !matches!(self, Self::Already { .. } | Self::Keep { .. } | Self::Note { .. })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tool, self.arguments.join(" "))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, .. } => write!(f, "write    {}", path.display()),
            Self::Already { what } => write!(f, "already  {what}"),
            Self::Keep { path, why } => write!(f, "keep     {}: {why}", path.display()),
            Self::Remove { path } => write!(f, "remove   {}", path.display()),
            Self::Clear { folder, names } if names.is_empty() => {
                write!(f, "remove   {}, if it is empty", folder.display())
            }
            Self::Clear { folder, names } => {
                write!(f, "remove   {}: {}", folder.display(), names.join(", "))
            }
            Self::Run(order) => write!(f, "run      {order}"),
            Self::Note { what } => write!(f, "note     {what}"),
        }
    }
}
