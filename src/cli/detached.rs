//! `assumed run --daemon`: two processes, one of which tells how the start went.
//!
//! Settings, lock, key and sockets come first, where a terminal still shows
//! what is wrong; then the fork; all threads begin after it. The shell gets its
//! exit code when the first credentials are served, or when they will not be.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::inputs::{Found, Sources};
use super::{no_log, start_log};
use crate::config::{Environment, Log};
use crate::daemon::{Company, Daemon};
use crate::fatal::{Exit, Fatal, HINT};
use crate::log::Output;
use crate::sys::detach::{self, Side, Word};
use crate::sys::state::PassingDirectory;
use crate::sys::supervisor::Supervisor;

/// Refuses where somebody wants to keep the process that it started.
pub(super) fn permitted(environment: &Environment) -> Result<(), Fatal> {
    match detach::supervisor(environment) {
        None => Ok(()),
        Some(name) => Err(Fatal::new(
            Exit::Usage,
            format!("--daemon under {name}, which would lose the daemon"),
        )
        .hint("leave --daemon out: the service manager itself keeps it in the background")),
    }
}

/// The start of a daemon that leaves its terminal.
pub(super) fn main(
    sources: Sources,
    found: Found,
    pid_file: Option<PathBuf>,
    for_process: Option<u32>,
) -> Result<ExitCode, Fatal> {
    let log = found.settings.log.clone();
    let logging = start_log(&Log { file: None, ..log.clone() })?;
    found.warn();
    let Found { inputs, settings } = found;
    let folder = for_process.map(|_| settings.state_dir.clone());
    let daemon = Daemon::prepare(settings, Supervisor::default())?;
    let output = Output::open(&log).map_err(|error| no_log(&error))?;
    match detach::detach(output.file()).map_err(|error| cannot(&error))? {
        Side::Shell(waiting) => {
            // The daemon has its own; this process must not hold what that one lets go.
            drop(daemon);
            report(waiting.word(), log.file.as_deref())
        }
        Side::Daemon(herald) => {
            logging.switch(&output);
            // The log alone holds the file, and lets it go when it is opened anew.
            drop(output);
            let daemon = daemon.with(sources.of_this_process(inputs));
            let _goes_with_us = folder.map(PassingDirectory::adopted);
            daemon.run(Company {
                // The files may say otherwise than a daemon for one process wants.
                reread: for_process.is_none().then(|| sources.reread()),
                for_process,
                logging: Some(logging),
                pid_file,
                herald: Some(herald),
                ..Company::default()
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Passes on what the daemon said of its start; what went wrong, in the form that was asked for.
fn report(word: Option<Word>, log: Option<&Path>) -> Result<ExitCode, Fatal> {
    let log = log.map(|path| format!("\nlog: {}", path.display())).unwrap_or_default();
    let word = word.unwrap_or_else(|| {
        let died = "the daemon died before it served; its last words are in the log";
        Word::from(&Fatal::new(Exit::Bug, died))
    });
    let text = word.text + &log;
    if let Some(exit) = Exit::of(word.code.into()) {
        let fatal = |message: &str| Fatal::new(exit, message);
        return Err(match text.split_once(HINT) {
            Some((message, hint)) => fatal(message).hint(hint),
            None => fatal(&text),
        });
    }
    // A closed standard error takes nothing from the exit code.
    let _ = writeln!(io::stderr(), "assumed: {text}");
    Ok(ExitCode::from(word.code))
}

fn cannot(error: &io::Error) -> Fatal {
    Fatal::new(Exit::Bug, format!("cannot detach: {error}"))
}
