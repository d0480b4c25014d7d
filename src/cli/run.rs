//! `assumed run`: the daemon, in the foreground.

use std::process::ExitCode;

use clap::Args;

use super::Globals;
use super::inputs;
use crate::config::{Overrides, Settings};
use crate::daemon::Daemon;
use crate::fatal::Fatal;
use crate::log;

/// Keep a role assumed and serve its credentials, in the foreground
///
/// Example: assumed run --profile dev
#[derive(Debug, Args)]
pub(super) struct Run {
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
    /// End with 77 when STS refuses, instead of trying again later
    #[arg(long)]
    exit_on_refusal: bool,
}

pub(super) fn main(run: Run, globals: &Globals) -> Result<ExitCode, Fatal> {
    let inputs = inputs::gather(run.overrides(globals), globals.config.as_deref())?;
    let settings = Settings::resolve(&inputs).map_err(|mistakes| inputs::wrong(&mistakes))?;
    log::start(&settings.log);
    inputs::warn(&inputs, &settings);
    Daemon::prepare(settings)?.run(None)?;
    Ok(ExitCode::SUCCESS)
}

impl Run {
    fn overrides(self, globals: &Globals) -> Overrides {
        Overrides {
            profile: self.profile,
            role_arn: self.role_arn,
            source_profile: self.source_profile,
            external_id: self.external_id,
            duration: self.duration,
            session_name: self.session_name,
            region: self.region,
            listen: self.listen,
            exit_on_refusal: self.exit_on_refusal,
            ..globals.overrides(None)
        }
    }
}
