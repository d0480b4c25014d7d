//! `assumed run`: the daemon, in the foreground or detached.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::inputs::{self, Sources};
use super::{Globals, detached, start_log};
use crate::config::Overrides;
use crate::daemon::{Company, Daemon};
use crate::fatal::{Exit, Fatal};
use crate::sys::supervisor::{Misfit, Supervisor};

/// Keep a role assumed and serve its credentials
///
/// Example: assumed run --profile dev
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) choice: Choice,
}

/// What `run` takes; `check` takes the same.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// The profile to serve [default: AWS_PROFILE, else "default"]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A role to assume, without a profile of its own
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// The profile whose keys sign for --role-arn
    #[arg(long, value_name = "NAME", requires = "role_arn")]
    source_profile: Option<String>,
    /// What the role's trust policy may demand
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// How long each session lasts, 15m to 12h
    #[arg(long, value_name = "SPAN")]
    duration: Option<String>,
    /// The session's name; {user}, {host} and {pid} are filled in
    #[arg(long, value_name = "NAME")]
    session_name: Option<String>,
    /// The Region, for clients and for STS
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Where to serve; may be repeated [default: 127.0.0.1:1338]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<String>,
    /// End with 77 when STS refuses and nothing valid is left, instead of trying again later
    #[arg(long)]
    exit_on_refusal: bool,
    /// Go into the background once the first credentials are served
    #[arg(long)]
    daemon: bool,
    /// Serve this role alone, by its table or its profile
    #[arg(long, value_name = "ROLE", hide = true)]
    role: Option<String>,
    /// Serve this process alone, on the container endpoint, and end with it
    #[arg(long, value_name = "PID", hide = true)]
    for_process: Option<u32>,
    /// Keep the daemon's pid in this file while it lives
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

pub(super) fn main(run: Run, globals: &Globals) -> Result<ExitCode, Fatal> {
    let pid_file = run.choice.pid_file.clone();
    let detaches = run.choice.daemon;
    let for_process = run.choice.for_process;
    let sources = run.choice.sources(globals).with_moved_secrets();
    if detaches {
        detached::permitted(sources.environment())?;
    }
    let supervisor = Supervisor::of(sources.environment()).map_err(|misfit| unfit(&misfit))?;
    let found = sources.read().map_err(|mistakes| inputs::wrong(&mistakes))?;
    let pid_file = pid_file.map(|path| sources.absolute(&path));
    if detaches {
        return detached::main(sources, found, pid_file, for_process);
    }
    let logging = start_log(&found.settings.log)?;
    found.warn();
    let settings = found.into_settings();
    let company = Company {
        reread: Some(sources.reread()),
        logging: Some(logging),
        pid_file,
        for_process,
        terminal: std::io::stdin().is_terminal(),
        ..Company::default()
    };
    Daemon::prepare(settings, supervisor)?.run(company)?;
    Ok(ExitCode::SUCCESS)
}

fn unfit(misfit: &Misfit) -> Fatal {
    Fatal::new(Exit::Settings, misfit.to_string()).hint(misfit.hint())
}

impl Choice {
    /// Where the settings come from that this choice makes.
    pub(super) fn sources(self, globals: &Globals) -> Sources {
        let detached = self.daemon;
        Sources::new(self.overrides(globals), globals.config.as_deref(), detached)
    }

    fn overrides(self, globals: &Globals) -> Overrides {
        Overrides {
            profile: self.profile,
            role: self.role,
            alone: self.for_process.is_some(),
            role_arn: self.role_arn,
            source_profile: self.source_profile,
            external_id: self.external_id,
            duration: self.duration,
            session_name: self.session_name,
            region: self.region,
            listen: self.listen,
            // Whoever waits in a shell is not there to see it heal.
            exit_on_refusal: self.exit_on_refusal || self.daemon,
            ..globals.overrides(None)
        }
    }
}
