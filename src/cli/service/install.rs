//! `assumed service install`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::ground::Ground;
use super::{Whose, carry, look, trouble, word};
use crate::cli::Globals;
use crate::cli::inputs::{self, Sources};
use crate::cli::reach::{say, say_json, sources};
use crate::config::Overrides;
use crate::environment::Environment;
use crate::fatal::{Exit, Fatal};
use crate::installation::{Copied, Left, Scope, Wish};

/// The settings of the machine's daemon.
const SETTINGS: &str = "/etc/assumed/config.toml";

#[derive(Debug, Args)]
pub(super) struct Install {
    #[command(flatten)]
    whose: Whose,
    /// The profile to serve [default: AWS_PROFILE with --user, else what the settings say]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Print each file and command, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn main(install: &Install, globals: &Globals) -> Result<ExitCode, Fatal> {
    let scope = install.whose.scope()?;
    if !install.dry_run {
        trouble::permitted(&scope, "install")?;
    }
    let ground = Ground::of(&scope)?;
    trouble::reachable(&scope, ground.program())?;
    trouble::unclaimed(&scope, &ground, globals)?;
    let copied = copied(&scope);
    let wish = install.wish(scope, &copied, globals);
    valid(&wish, ground.home(), &copied)?;
    let steps = ground.install(&wish);
    if !globals.json {
        say(&heading(&wish, ground.program(), &copied));
    }
    let done = carry::out(&steps, &wish.scope, install.dry_run, globals.json);
    let ready = done.is_ok() && !install.dry_run;
    let status = match ground {
        _ if !ready => None,
        Ground::Systemd(_) => word::of_daemon(&wish.scope),
        Ground::Launchd(_) => word::of_ready(&wish.scope),
    };
    if globals.json {
        say_json(&json!({
            "scope": wish.scope.flag(),
            "dry_run": install.dry_run,
            "program": ground.program(),
            "copied": copied.taken.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "left": copied.left.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "steps": steps,
            "status": status,
        }));
    }
    done?;
    if ready && !globals.json {
        say(&format!("\n{}", look::told(status.as_ref(), &wish.scope)?));
    }
    Ok(status.as_ref().map_or(ExitCode::SUCCESS, look::exit))
}

impl Install {
    fn wish(&self, scope: Scope, copied: &Copied, globals: &Globals) -> Wish {
        let sources = sources(globals);
        let of_shell = || sources.environment().get("AWS_PROFILE").map(str::to_owned);
        let profile = self.profile.clone().or_else(|| of_shell().filter(|_| scope.is_user()));
        let config = globals.config.as_deref().map(|path| sources.absolute(path));
        Wish { scope, profile, config, variables: copied.taken.clone() }
    }
}

fn copied(scope: &Scope) -> Copied {
    let directory = std::env::current_dir().unwrap_or_default();
    Copied::of(&inputs::environment(), scope, &directory)
}

/// Refuses what the daemon itself would refuse, before anything is written.
fn valid(wish: &Wish, home: &Path, copied: &Copied) -> Result<(), Fatal> {
    if wish.scope == Scope::Machine {
        // Its keys may be encrypted, and are not ours to see: the start will tell.
        let needs = wish.profile.is_none() && wish.config.is_none();
        let lacks = needs && std::fs::exists(SETTINGS).is_ok_and(|there| !there);
        return if lacks { Err(no_settings()) } else { Ok(()) };
    }
    let overrides = Overrides { profile: wish.profile.clone(), ..Overrides::default() };
    let sources = Sources::new(overrides, wish.config.as_deref(), false);
    let read = sources.seeing(environment(wish, home)).read();
    let Err(mistakes) = read else { return Ok(()) };
    let fatal = inputs::wrong(&mistakes);
    let has_keys = copied.left.iter().any(|(_, left)| *left == Left::Key);
    Err(if has_keys {
        fatal.hint("the service does not see the keys of this shell")
    } else {
        fatal
    })
}

fn no_settings() -> Fatal {
    Fatal::new(Exit::Settings, format!("there is no {SETTINGS}"))
        .hint("docs/assumed.example.toml shows one; --config names another, --profile needs none")
}

/// What the service will see.
fn environment(wish: &Wish, home: &Path) -> Environment {
    let own = ("HOME".to_owned(), home.display().to_string());
    let environment: Environment = wish.variables.iter().cloned().chain([own]).collect();
    match &wish.scope {
        Scope::Developer(name) => environment.with("USER", name),
        _ => environment,
    }
}

fn heading(wish: &Wish, program: &Path, copied: &Copied) -> String {
    let mut lines = vec![format!(
        "service  {} on {}, by {}",
        wish.scope.service(),
        wish.scope.address(),
        program.display()
    )];
    lines.extend(wish.profile.iter().map(|profile| format!("profile  {profile}")));
    lines.extend(wish.config.iter().map(|path| format!("settings {}", path.display())));
    lines.extend(copied.taken.iter().map(|(name, value)| format!("copy     {name}={value}")));
    let left = copied.left.iter();
    lines.extend(left.map(|(name, left)| format!("leave    {name}: {}", left.reason())));
    lines.join("\n") + "\n"
}
