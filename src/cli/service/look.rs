//! `assumed service status` and `logs`: what systemd and the daemon itself say.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Args;
use serde_json::json;

use super::manager::{Manager, present};
use super::{Whose, ground, launchd, systemd, tools, word};
use crate::cli::Globals;
use crate::cli::reach::{say, say_json};
use crate::cli::status::paint;
use crate::control::Refusal;
use crate::fatal::{Exit, Fatal};
use crate::installation::launchd::log;
use crate::installation::{Scope, UnitState, developer};
use crate::status::Status;
use crate::sys::identity;

#[derive(Debug, Args)]
pub(super) struct Logs {
    #[command(flatten)]
    whose: Whose,
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How many lines from before
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50)]
    lines: u32,
}

pub(super) fn status(whose: &Whose, globals: &Globals) -> Result<ExitCode, Fatal> {
    let scope = installed(whose)?;
    let units = ground::units(&scope)?;
    let service = units.last().filter(|unit| unit.is_there()).ok_or_else(|| none(&scope))?;
    let daemon = word::of_daemon(&scope);
    if globals.json {
        say_json(&json!({"scope": scope.flag(), "units": units, "daemon": daemon}));
    } else {
        say(&table(&units));
        say(&format!("\n{}", told(daemon.as_ref(), &scope)?));
    }
    Ok(if service.is_active() { ExitCode::SUCCESS } else { Exit::Unavailable.into() })
}

pub(super) fn logs(logs: &Logs, globals: &Globals) -> Result<ExitCode, Fatal> {
    let scope = installed(&logs.whose)?;
    let mut command = match present()? {
        Manager::Systemd => journal(logs, &scope, globals.json)?,
        Manager::Launchd => tail(logs, &scope)?,
    };
    // From here on it is that program that the user speaks to.
    let error = command.exec();
    Err(Fatal::new(Exit::Unavailable, format!("{}: {error}", command.get_program().display())))
}

fn journal(logs: &Logs, scope: &Scope, json: bool) -> Result<Command, Fatal> {
    let mut command = tools::command("journalctl")?;
    command.args(["--no-pager", "-n", &logs.lines.to_string()]);
    for unit in scope.units() {
        command.args([if scope.is_user() { "--user-unit" } else { "--unit" }, &unit]);
    }
    if logs.follow {
        command.arg("--follow");
    }
    if json {
        command.args(["-o", "json"]);
    }
    Ok(command)
}

/// launchd keeps lines in a file; `-F` finds it again when it is cut.
fn tail(logs: &Logs, scope: &Scope) -> Result<Command, Fatal> {
    let mut command = tools::command("tail")?;
    command.args(["-n", &logs.lines.to_string()]);
    if logs.follow {
        command.arg("-F");
    }
    command.arg(log(&launchd::owner(scope)?.home));
    Ok(command)
}

/// The scope that was named, else the first that is installed here.
fn installed(whose: &Whose) -> Result<Scope, Fatal> {
    if let Some(scope) = whose.named()? {
        if scope.is_user() && present()? == Manager::Systemd {
            systemd::user_manager()?;
        }
        return Ok(scope);
    }
    if present()? == Manager::Launchd {
        return Ok(Scope::User);
    }
    let has = |scope: &Scope| {
        let units = ground::units(scope).unwrap_or_default();
        units.iter().any(|unit| unit.name == scope.socket() && unit.is_there())
    };
    if identity::user_id() != 0 && systemd::user_manager().is_ok() && has(&Scope::User) {
        return Ok(Scope::User);
    }
    let holder = systemd::others(&Scope::User).into_iter().next();
    let holder = holder.map(|socket| {
        developer(&socket).map_or(Scope::Machine, |name| Scope::Developer(name.to_owned()))
    });
    holder.ok_or_else(|| {
        Fatal::new(Exit::Unavailable, "no service of ours is installed")
            .hint("`assumed service install` does it")
    })
}

fn none(scope: &Scope) -> Fatal {
    Fatal::new(Exit::Unavailable, format!("{} is not installed", scope.service()))
        .hint(format!("`assumed service install {}` does it", scope.flag()))
}

/// What the daemon says, for people; where it cannot be asked, what it told systemd.
pub(super) fn told(daemon: Option<&Status>, scope: &Scope) -> Result<String, Fatal> {
    if let Some(status) = daemon {
        return Ok(status.table(paint()));
    }
    let units = ground::units(scope)?;
    let said = units.into_iter().find_map(|unit| unit.status);
    Ok(said.map(|status| format!("{status}\n")).unwrap_or_default())
}

/// How an installation ends that left a daemon so.
pub(super) fn exit(status: &Status) -> ExitCode {
    let active = status.role(None).and_then(Refusal::of);
    active.map_or(ExitCode::SUCCESS, |refusal| refusal.code.exit().into())
}

fn table(units: &[UnitState]) -> String {
    let width = units.iter().map(|unit| unit.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for unit in units {
        let UnitState { name, active, sub, enabled, .. } = unit;
        let file = unit.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<width$}  {active} ({sub}), {enabled}, {file}");
    }
    text
}
