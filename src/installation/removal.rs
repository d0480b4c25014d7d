//! The way back: what an installation wrote goes, and nothing else.

use std::path::{Path, PathBuf};

use super::plan::{places, systemctl};
use super::shipped::{self, LINK, SUSPEND, SYSUSERS, TMPFILES};
use super::step::{Order, Step};
use super::{Machine, Scope, Seal, UnitState, developer};

/// What a daemon keeps in its state directory.
pub(super) const STATE: [&str; 6] =
    ["lock", "token.key", "locked", "container.port", "consumers.json", "control.sock"];
/// Where the machine's settings are.
const SETTINGS: &str = "/etc/assumed";

/// From a daemon that the manager keeps to a machine without one.
#[must_use]
pub fn uninstall(scope: &Scope, machine: &Machine) -> Vec<Step> {
    let units: Vec<String> = scope
        .units()
        .into_iter()
        .filter(|unit| machine.unit(unit).is_some_and(UnitState::is_there))
        .filter(|unit| !is_shared(unit, machine))
        .collect();
    let files = files(scope, machine);
    if units.is_empty() && files.is_empty() {
        return vec![Step::Already { what: "nothing of ours is installed".to_owned() }];
    }
    let mut steps = Vec::new();
    if !units.is_empty() {
        let with_link = units.iter().any(|unit| unit == LINK);
        let disable = [vec!["--now".to_owned()], units.clone()].concat();
        steps.push(Step::Run(systemctl(scope, "disable", disable)));
        if !scope.is_user() && !machine.others.is_empty() {
            // It went with our units (`Also=`).
            steps.push(Step::Run(systemctl(scope, "enable", vec![SUSPEND.to_owned()])));
        }
        if with_link {
            let what = vec!["--what=state".to_owned(), LINK.to_owned()];
            steps.push(Step::Run(systemctl(scope, "clean", what).may_fail()));
        }
        // A unit that failed is remembered beyond its file.
        steps.push(Step::Run(systemctl(scope, "reset-failed", units).may_fail()));
    }
    let changes = files.iter().any(Step::changes);
    steps.extend(files);
    if changes {
        steps.push(Step::Run(systemctl(scope, "daemon-reload", Vec::new())));
    }
    let names = STATE.map(str::to_owned).to_vec();
    steps.push(Step::Clear { folder: machine.state.clone(), names });
    if machine.owns(Path::new(TMPFILES)) {
        steps.push(Step::Clear { folder: SETTINGS.into(), names: Vec::new() });
    }
    if machine.owns(Path::new(SYSUSERS)) {
        steps.push(account(machine));
    }
    steps
}

/// The account goes with the last file that is its own: its number may be given again.
fn account(machine: &Machine) -> Step {
    match machine.belongings.first() {
        None => Step::Run(Order::new("userdel", vec!["assumed".to_owned()]).may_fail()),
        Some(path) => {
            let why = "so the user assumed stays, too: userdel assumed removes it".to_owned();
            Step::Keep { path: path.clone(), why }
        }
    }
}

/// What stays of the account's files, of all that is in its two folders.
#[must_use]
pub fn belongings(settings: &[PathBuf], state: &[PathBuf]) -> Vec<PathBuf> {
    let is_cleared = |path: &&PathBuf| STATE.iter().any(|name| path.ends_with(name));
    let state = state.iter().filter(|path| !is_cleared(path));
    settings.iter().chain(state).cloned().collect()
}

fn files(scope: &Scope, machine: &Machine) -> Vec<Step> {
    let kept = |path: PathBuf, why: &str| Step::Keep { path, why: why.to_owned() };
    let mut steps = Vec::new();
    for path in places(scope, machine) {
        let Some(text) = machine.texts.get(&path) else { continue };
        steps.push(match Seal::of(text) {
            Seal::Ours if is_shared_file(&path, scope, machine) => kept(path, "others need it"),
            Seal::Ours => Step::Remove { path },
            Seal::Changed => kept(path, "it was changed since; remove it yourself"),
            Seal::Foreign => continue,
        });
    }
    steps
}

/// The link is one for all who have the address.
fn is_shared(unit: &str, machine: &Machine) -> bool {
    unit == LINK && !machine.others.is_empty()
}

fn is_shared_file(path: &Path, scope: &Scope, machine: &Machine) -> bool {
    let is_choice = path == shipped::choices(scope, &machine.folder);
    let is_common = path.ends_with(LINK) || path.ends_with(SUSPEND);
    let developers = machine.others.iter().any(|socket| developer(socket).is_some());
    let is_template = matches!(scope, Scope::Developer(_)) && !is_common && !is_choice;
    is_common && !machine.others.is_empty() || is_template && developers
}
