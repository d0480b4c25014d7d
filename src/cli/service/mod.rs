//! `assumed service`: the daemon in the hands of the machine's service manager.
//!
//! Gathers facts, refuses what cannot go well, has a plan made of the rest, and
//! carries it out step by step. What belongs into a plan `installation` knows.

mod account;
mod carry;
mod ground;
mod install;
mod launchd;
mod look;
mod manager;
mod systemd;
mod texts;
mod tools;
mod trouble;
mod word;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Globals;
use super::reach::say_json;
use crate::fatal::{Exit, Fatal};
use crate::installation::{Account, Scope};
use crate::sys::identity;
use ground::Ground;

/// Let systemd or launchd keep the daemon: install, remove, look at it
///
/// Example: assumed service install --profile dev
#[derive(Debug, Args)]
pub(super) struct Service {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Write the units or property lists, enable and start them, and wait for the first credentials
    Install(install::Install),
    /// Stop the daemon, and take away what `install` wrote
    Uninstall(Uninstall),
    /// Show the units, what they were given, and how the daemon stands
    Status(Whose),
    /// Show what they log
    Logs(look::Logs),
}

#[derive(Debug, Args)]
struct Uninstall {
    #[command(flatten)]
    whose: Whose,
    /// Print each step, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// For whom the daemon runs.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Whose {
    /// For this user, on 127.0.0.1:1338; the default, unless root asks
    #[arg(long)]
    user: bool,
    /// For the whole machine, on 169.254.169.254, as a user of its own
    #[arg(long)]
    system: bool,
    /// As this user, with that user's ~/.aws, on 169.254.169.254
    #[arg(long = "for", value_name = "USER")]
    developer: Option<String>,
}

pub(super) fn main(service: &Service, globals: &Globals) -> Result<ExitCode, Fatal> {
    manager::present()?;
    match &service.order {
        Order::Install(install) => install::main(install, globals),
        Order::Uninstall(uninstall) => remove(uninstall, globals),
        Order::Status(whose) => look::status(whose, globals),
        Order::Logs(logs) => look::logs(logs, globals),
    }
}

fn remove(uninstall: &Uninstall, globals: &Globals) -> Result<ExitCode, Fatal> {
    let scope = uninstall.whose.scope()?;
    if !uninstall.dry_run {
        trouble::permitted(&scope, "uninstall")?;
    }
    let steps = Ground::of(&scope)?.uninstall(&scope);
    let done = carry::out(&steps, &scope, uninstall.dry_run, globals.json);
    if globals.json {
        say_json(&json!({"scope": scope.flag(), "dry_run": uninstall.dry_run, "steps": steps}));
    }
    done?;
    Ok(ExitCode::SUCCESS)
}

/// This program, absolute.
fn program() -> Result<PathBuf, Fatal> {
    std::env::current_exe().map_err(|error| {
        Fatal::new(Exit::Unavailable, format!("this program does not know where it is: {error}"))
    })
}

impl Whose {
    /// What was asked for, where anything was.
    fn named(&self) -> Result<Option<Scope>, Fatal> {
        Ok(match &self.developer {
            Some(name) if Account::is_name(name) => Some(Scope::Developer(name.clone())),
            Some(name) => {
                return Err(Fatal::new(
                    Exit::Usage,
                    format!("no unit can be named after {name:?}"),
                )
                .hint("letters, digits, \"_\", \"-\" and \".\" make a user's name"));
            }
            None if self.system => Some(Scope::Machine),
            None => self.user.then_some(Scope::User),
        })
    }

    /// What was asked for, else a service of this user. Root has to say.
    fn scope(&self) -> Result<Scope, Fatal> {
        match self.named()? {
            Some(scope) => Ok(scope),
            None if identity::user_id() != 0 => Ok(Scope::User),
            None => Err(Fatal::new(Exit::Usage, "root has to say for whom").hint(
                "--system for the whole machine, --for NAME as that user; --user for root itself",
            )),
        }
    }
}
