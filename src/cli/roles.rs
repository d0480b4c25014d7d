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
use crate::status::{Paint, RoleStatus, when, wrapped};

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

/// At most 80 columns; the identity stands below, for it may be long.
fn table(Listing { active, roles }: &Listing, paint: Paint) -> String {
    let now = SystemClock.now().wall;
    let mut text = row(" ", "NAME", "STATE  ", "EXPIRES");
    for role in roles {
        let star = if role.name == *active { "*" } else { " " };
        let state = paint.state(role.state, &format!("{:<7}", role.state.word()));
        let ends = role.expires.map(|at| when(at, now)).unwrap_or_default();
        text += &row(star, &role.name, &state, &ends);
        let identity = role.role_arn.as_deref().unwrap_or(&role.role_name);
        for line in wrapped(identity, 76) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// `state` has its width already, for it may be coloured.
fn row(star: &str, name: &str, state: &str, ends: &str) -> String {
    let name: String = name.chars().take(24).collect();
    format!("{star} {name:<24}  {state}  {ends}").trim_end().to_owned() + "\n"
}
