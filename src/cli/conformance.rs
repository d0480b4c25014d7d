//! `assumed conformance`: the protocol's cases against any IMDS.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::Globals;
use crate::clock::SystemClock;
use crate::conformance::{self, Options};
use crate::fatal::{Exit, Fatal};

/// Check any IMDS against the rules of the protocol
///
/// Example: assumed conformance http://127.0.0.1:1338
#[derive(Debug, Args)]
pub(super) struct Conformance {
    /// The server, as http://host:port
    url: String,
    /// Only this section
    #[arg(long, value_name = "NAME")]
    section: Option<String>,
    /// Only the cases of this rule, such as F17
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// The server answers without a metadata token, too
    #[arg(long)]
    v1: bool,
}

/// The report, and success where every must holds.
pub(super) fn main(conformance: Conformance, globals: &Globals) -> Result<ExitCode, Fatal> {
    let options = Options {
        section: conformance.section,
        rule: conformance.rule,
        v1: conformance.v1,
        ..Options::default()
    };
    let report = conformance::run(&conformance.url, &options, &SystemClock)
        .map_err(|error| Fatal::new(Exit::Usage, error.to_string()))?;
    let text = if globals.json { format!("{:#}\n", report.json()) } else { report.to_string() };
    // Whoever closed the pipe has seen enough; the verdict stands.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
