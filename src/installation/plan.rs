//! The way to a daemon that the service manager keeps: files, accounts, what
//! starts with the machine, and the start itself.
//!
//! Twice is once: what is so already is a step that changes nothing. A unit
//! that somebody else brought, a distribution's package or the user, is used as
//! it is; what was chosen goes into a drop-in beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::shipped::{self, SUSPEND, SYSUSERS, Shipped, TMPFILES};
use super::step::{Order, Step};
use super::{Machine, Scope, Seal, UnitState, Wish, seal, unit};

/// Every place that may have a file of ours; whoever gathers facts reads them.
#[must_use]
pub fn places(scope: &Scope, machine: &Machine) -> Vec<PathBuf> {
    let files = shipped::files(scope, &machine.folder, u32::MAX);
    let files = files.into_iter().map(|file| file.path);
    files.chain([shipped::choices(scope, &machine.folder)]).collect()
}

/// From the machine as it is to a daemon that serves.
#[must_use]
pub fn install(wish: &Wish, machine: &Machine) -> Vec<Step> {
    let mut steps = files(wish, machine);
    let is_written = |place: &str| {
        let written =
            |step: &Step| matches!(step, Step::Write { path, .. } if path.as_os_str() == place);
        steps.iter().any(written)
    };
    let mut orders = Vec::new();
    if is_written(SYSUSERS) || (machine.owns(Path::new(SYSUSERS)) && !machine.has_account) {
        orders.push(Order::new("systemd-sysusers", vec![SYSUSERS.to_owned()]));
    }
    if is_written(TMPFILES) {
        let arguments = vec!["--create".to_owned(), TMPFILES.to_owned()];
        orders.push(Order::new("systemd-tmpfiles", arguments));
    }
    let changed = steps.iter().any(Step::changes);
    if changed {
        orders.push(systemctl(&wish.scope, "daemon-reload", Vec::new()));
    }
    steps.extend(orders.into_iter().map(Step::Run));
    steps.push(enable(&wish.scope, machine));
    let sockets = files_changed(&steps, ".socket");
    steps.extend(start(&wish.scope, machine, changed, sockets));
    steps.extend(notes(&wish.scope));
    steps
}

fn files(wish: &Wish, machine: &Machine) -> Vec<Step> {
    let Wish { scope, .. } = wish;
    let mut service = String::new();
    let mut steps = Vec::new();
    for file in shipped::files(scope, &machine.folder, machine.version) {
        let text = unit::rendered(file.text, &machine.program);
        let foreign = file.unit.as_ref().and_then(|unit| machine.foreign.get(unit));
        let is_service = file.unit.as_ref() == Some(&scope.service());
        let step = match foreign {
            Some(_) => uses(&file, machine),
            None if is_superfluous(&file, scope, machine) => continue,
            None => settled(file.path.clone(), &text, &machine.texts),
        };
        if is_service {
            let kept = machine.texts.get(&file.path).filter(|_| matches!(step, Step::Keep { .. }));
            service.clone_from(foreign.or(kept).unwrap_or(&text));
        }
        steps.push(step);
    }
    let path = shipped::choices(scope, &machine.folder);
    match unit::choices(wish, &service, &machine.home) {
        Some(text) => steps.push(settled(path, &text, &machine.texts)),
        None if machine.owns(&path) => steps.push(Step::Remove { path }),
        None => {}
    }
    steps
}

/// Accounts, folders and the lock come with a package; an account may be there before us.
fn is_superfluous(file: &Shipped, scope: &Scope, machine: &Machine) -> bool {
    let is_account = file.path == Path::new(SYSUSERS);
    let is_packaged = machine.foreign.contains_key(&scope.service());
    is_account && machine.has_account && !machine.owns(&file.path)
        || is_packaged
            && (is_account || file.path == Path::new(TMPFILES) || file.path.ends_with(SUSPEND))
}

fn uses(file: &Shipped, machine: &Machine) -> Step {
    let found = file.unit.as_ref().and_then(|unit| machine.unit(unit)?.file.clone());
    Step::Keep {
        path: found.unwrap_or_else(|| file.path.clone()),
        why: "it was there before, and is used as it is".to_owned(),
    }
}

pub(super) fn settled(path: PathBuf, text: &str, texts: &BTreeMap<PathBuf, String>) -> Step {
    let text = seal(text);
    match texts.get(&path) {
        Some(found) if *found == text => Step::Already { what: path.display().to_string() },
        Some(found) => match Seal::of(found) {
            Seal::Ours => Step::Write { path, text },
            Seal::Changed => {
                let why = "it was changed since; move it away to have ours again".to_owned();
                Step::Keep { path, why }
            }
            Seal::Foreign => {
                let why = "it is not ours; move it away to have ours".to_owned();
                Step::Keep { path, why }
            }
        },
        None => Step::Write { path, text },
    }
}

fn files_changed(steps: &[Step], ending: &str) -> bool {
    let ends = |path: &PathBuf| path.display().to_string().ends_with(ending);
    steps.iter().any(|step| matches!(step, Step::Write { path, .. } if ends(path)))
}

/// What is left to the user.
fn notes(scope: &Scope) -> Vec<Step> {
    let notes: &[&str] = if scope.is_user() {
        &[
            "programs need AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1338/",
            "it runs while you are logged in; `loginctl enable-linger` has it run always",
        ]
    } else {
        &[]
    };
    notes.iter().map(|what| Step::Note { what: (*what).to_owned() }).collect()
}

fn enable(scope: &Scope, machine: &Machine) -> Step {
    let units: Vec<String> = enabled(scope);
    let is_enabled = |name: &String| machine.unit(name).is_some_and(UnitState::is_enabled);
    if units.iter().all(is_enabled) {
        return Step::Already { what: format!("{} enabled", units.join(" ")) };
    }
    Step::Run(systemctl(scope, "enable", units))
}

/// What starts by itself. A developer's daemon does so with the first request.
fn enabled(scope: &Scope) -> Vec<String> {
    let is_asked = |unit: &String| matches!(scope, Scope::Developer(_)) && *unit == scope.service();
    scope.units().into_iter().filter(|unit| !is_asked(unit)).collect()
}

fn start(scope: &Scope, machine: &Machine, changed: bool, sockets: bool) -> Vec<Step> {
    let is_active = |name: &String| machine.unit(name).is_some_and(UnitState::is_active);
    let (socket, service) = (scope.socket(), scope.service());
    let runs = is_active(&service);
    if runs && !changed {
        return vec![Step::Already { what: format!("{service} runs") }];
    }
    let mut orders = Vec::new();
    if machine.units.iter().any(UnitState::has_failed) {
        // Else the limit of starts may keep it from one more.
        orders.push(systemctl(scope, "reset-failed", scope.units()).may_fail());
    }
    if sockets && is_active(&socket) {
        // A socket cannot change while its service holds it.
        orders.push(systemctl(scope, "stop", vec![service.clone(), socket.clone()]));
    }
    if sockets || !is_active(&socket) {
        let first: Vec<String> =
            scope.units().into_iter().filter(|unit| *unit != service).collect();
        orders.push(systemctl(scope, "start", first.clone()).starting(first));
    }
    let verb = if runs && !sockets { "restart" } else { "start" };
    orders.push(systemctl(scope, verb, vec![service.clone()]).starting(vec![service]));
    orders.into_iter().map(Step::Run).collect()
}

pub(super) fn systemctl(scope: &Scope, verb: &str, units: Vec<String>) -> Order {
    let user = scope.is_user().then_some("--user");
    let words = user.into_iter().chain([verb]).map(str::to_owned);
    Order::new("systemctl", words.chain(units).collect())
}
