//! A machine under systemd as a plan wants to know it. Reads, and changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::texts::{self, listing};
use super::{account, program, tools};
use crate::cli::inputs;
use crate::environment::Environment;
use crate::fatal::{Exit, Fatal};
use crate::installation::{self, Machine, PROPERTIES, Scope, UnitState, holders};

/// What starts with the machine.
const SOCKETS: &str = "/etc/systemd/system/sockets.target.wants";
/// Has a file for each way to speak to this user's manager.
const USER_MANAGER: &str = "systemd/private";

/// All of it, for this scope.
pub(super) fn gather(scope: &Scope) -> Result<Machine, Fatal> {
    if scope.is_user() {
        user_manager()?;
    }
    let environment = inputs::environment();
    let home = home(scope, &environment)?;
    let below = |variable: &str, default: &str| {
        environment.get(variable).map_or_else(|| home.join(default), PathBuf::from)
    };
    let (configuration, state) =
        (below("XDG_CONFIG_HOME", ".config"), below("XDG_STATE_HOME", ".local/state"));
    let units = units(scope)?;
    let version = version()?;
    let mut machine = Machine {
        version,
        program: program()?,
        folder: Machine::folder(scope, &configuration),
        home,
        texts: BTreeMap::new(),
        foreign: BTreeMap::new(),
        units,
        others: others(scope),
        has_account: *scope == Scope::Machine && account::find("assumed")?.is_some(),
        belongings: Vec::new(),
        state: Machine::state(scope, version, &configuration, &state),
    };
    let places = installation::places(scope, &machine);
    machine.foreign = foreign(&machine.units, &places);
    machine.texts = texts::texts(places);
    if *scope == Scope::Machine {
        machine.belongings =
            installation::belongings(&listing(Path::new("/etc/assumed")), &listing(&machine.state));
    }
    Ok(machine)
}

/// How the units of this scope stand.
pub(super) fn units(scope: &Scope) -> Result<Vec<UnitState>, Fatal> {
    let units = scope.units();
    let mut arguments = vec!["show", "-p", PROPERTIES];
    arguments.extend(units.iter().map(String::as_str));
    if scope.is_user() {
        arguments.insert(0, "--user");
    }
    Ok(UnitState::all(&tools::ask("systemctl", &arguments)?))
}

/// Sockets of ours on the address of IMDS, this scope's own not among them.
pub(super) fn others(scope: &Scope) -> Vec<String> {
    let names = listing(Path::new(SOCKETS)).into_iter();
    let names = names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let own = (!scope.is_user()).then(|| scope.socket());
    holders(names).into_iter().filter(|socket| Some(socket) != own.as_ref()).collect()
}

/// Whether there is anybody to ask for a service of this user.
pub(super) fn user_manager() -> Result<(), Fatal> {
    if tools::runtime().join(USER_MANAGER).exists() {
        return Ok(());
    }
    Err(Fatal::new(Exit::Unavailable, "no service manager runs for this user").hint(
        "su and sudo start none: log in on the console or by ssh, or have `loginctl enable-linger` \
         keep one; as root, --for NAME needs none",
    ))
}

fn home(scope: &Scope, environment: &Environment) -> Result<PathBuf, Fatal> {
    match scope {
        Scope::Machine => Ok("/var/lib/assumed".into()),
        Scope::Developer(name) => Ok(account::named(name)?.home),
        Scope::User => environment
            .home()
            .ok_or_else(|| Fatal::new(Exit::Settings, "there is no home").hint("HOME names one")),
    }
}

/// `systemd 252 (252.39-1~deb12u1)`
fn version() -> Result<u32, Fatal> {
    let text = tools::ask("systemctl", &["--version"])?;
    Ok(text.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default())
}

/// Units that systemd has from elsewhere than we would write them.
fn foreign(units: &[UnitState], places: &[PathBuf]) -> BTreeMap<String, String> {
    let elsewhere =
        |unit: &&UnitState| unit.file.as_ref().is_some_and(|file| !places.contains(file));
    let texts = units.iter().filter(elsewhere).map(|unit| {
        let text = unit.file.as_deref().and_then(texts::text);
        (unit.name.clone(), text.unwrap_or_default())
    });
    texts.collect()
}
