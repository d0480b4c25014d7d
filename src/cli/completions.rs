//! `assumed completions`: what a shell completes, from the same table of verbs.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

/// Print completions for a shell
///
/// Example: assumed completions bash > /etc/bash_completion.d/assumed
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn main(completions: &Completions) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(completions.shell, &mut super::command(), "assumed", &mut text);
    // Whoever closed the pipe has seen enough.
    let _ = std::io::stdout().write_all(&text);
    ExitCode::SUCCESS
}
