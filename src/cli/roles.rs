//! `assumed roles` and `assumed use`: which roles there are, and which one is
//! served by listeners without one of their own.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Globals;
use super::reach::{Daemon, named, say, say_json};
use super::status::paint;
use crate::clock::{Clock, SystemClock};
use crate::fatal::Fatal;
use crate::status::{Paint, RoleStatus, relative, wrapped};

/// List the roles that the daemon serves; the active one has a star
///
/// Example: assumed roles
#[derive(Debug, Args)]
pub(super) struct Roles {}

/// Make a role the active one: what the metadata endpoint serves
///
/// Example: assumed use dev
#[derive(Debug, Args)]
pub(super) struct Use {
    /// Which one
    role: String,
}

#[derive(Deserialize)]
struct Listing {
    active: String,
    roles: Vec<RoleStatus>,
}

#[derive(Deserialize)]
struct Active {
    active: String,
}

pub(super) fn list(globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    if globals.json {
        say_json(&daemon.get::<Value>("/v1/roles")?);
        return Ok(ExitCode::SUCCESS);
    }
    say(&table(&daemon.get("/v1/roles")?, paint()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn activate(order: &Use, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let Active { active } = daemon.put("/v1/active", &named(Some(&order.role)))?;
    if globals.json {
        say_json(&json!({"active": active}));
    } else {
        say(&format!("{active} is active\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// At most 80 columns: what does not fit of an identity stands below it.
fn table(Listing { active, roles }: &Listing, paint: Paint) -> String {
    let now = SystemClock.now().wall;
    let mut text = row("", "NAME", "STATE  ", "EXPIRES", "IDENTITY");
    for role in roles {
        let star = if role.name == *active { "*" } else { "" };
        let state = paint.state(role.state, &format!("{:<7}", role.state.word()));
        let ends = role.expires.map(|at| relative(at, now)).unwrap_or_default();
        let identity = role.role_arn.as_deref().unwrap_or(&role.role_name);
        let mut lines = wrapped(identity, 36).into_iter();
        text += &row(star, &role.name, &state, &ends, &lines.next().unwrap_or_default());
        text.extend(lines.map(|line| row("", "", "       ", "", &line)));
    }
    text
}

/// `state` has its width already, for it may be coloured.
fn row(star: &str, name: &str, state: &str, ends: &str, identity: &str) -> String {
    let mut text = String::new();
    let name: String = name.chars().take(16).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{star:<1} {name:<16}  {state}  {ends:<11}  {identity}");
    text
}
