//! What `exec` may say of a session of its own: policies, or a shorter life.
//!
//! All of it is checked here as STS would check it, before anybody is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::config;
use crate::fatal::{Exit, Fatal};
use crate::role::Malformed;
use crate::sts::request::{Narrowing, PolicyArn, SessionDuration, SessionPolicy};

/// How a session is to be less than the role's.
#[derive(Debug, Args)]
pub(super) struct Narrow {
    /// Allow only what this session policy allows, too
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Allow only what this managed policy allows, too; with several, what any of them does
    #[arg(long = "policy-arn", value_name = "ARN")]
    policy_arns: Vec<PolicyArn>,
    /// Allow nothing but reading, by the policy ReadOnlyAccess of AWS
    #[arg(long, conflicts_with_all = ["policy", "policy_arns"])]
    read_only: bool,
    /// How long its sessions last, 15m to 12h; they are rotated all the same
    #[arg(long, value_name = "SPAN", value_parser = span)]
    duration: Option<SessionDuration>,
}

impl Narrow {
    /// `None` where the role's own session will do.
    pub(super) fn narrowing(&self) -> Result<Option<Narrowing>, Fatal> {
        let policy = self.policy.as_deref().map(read).transpose()?;
        let narrowing = Narrowing::new(policy, self.policy_arns.clone(), self.read_only);
        let narrowing = narrowing.map_err(|wrong| Fatal::new(Exit::Usage, wrong.to_string()))?;
        let narrowing = narrowing.lasting(self.duration);
        Ok((!narrowing.is_nothing()).then_some(narrowing))
    }
}

fn read(path: &Path) -> Result<SessionPolicy, Fatal> {
    let wrong = |why: String| Fatal::new(Exit::Usage, format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    text.parse().map_err(|malformed: Malformed| wrong(malformed.to_string()))
}

fn span(text: &str) -> Result<SessionDuration, Malformed> {
    config::duration(text).and_then(|span: Duration| span.try_into())
}
