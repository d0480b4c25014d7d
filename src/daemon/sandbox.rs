//! What the daemon forbids itself before its first thread, and what a reload
//! cannot have for that reason.
//!
//! Programs of the user are started by a helper that is forked before, under rules of
//! their own. Directories have to be there when writing is confined to them, so those
//! that are written into later are made now.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, error, info, warn};

use super::events;
use crate::command::StartCommand;
use crate::config::{Landlock, Log, Mistake, Mistakes, Sandbox as Rules, Settings};
use crate::control::{Access, Socket};
use crate::fatal::{Exit, Fatal};
use crate::sys::command_helper::CommandHelper;
use crate::sys::sandbox::{self, Extent, Misses, Trouble};

/// What is in force for as long as this process lives.
#[derive(Debug, Default)]
pub(super) struct Sandbox {
    /// Where writing goes on, links resolved; absent where it goes on everywhere.
    confined: Option<Vec<PathBuf>>,
    /// Starts programs; absent if there were none to start.
    helper: Option<Arc<CommandHelper>>,
    /// Tells of denied system calls, once there is a runtime.
    misses: Option<Misses>,
}

impl Sandbox {
    /// Forbids what the settings say, as far as the kernel can.
    pub(super) fn enter(settings: &Settings, pid_file: Option<&Path>) -> Result<Self, Fatal> {
        let places = places(settings, pid_file);
        let helper = helper(settings, &places)?;
        let (landlock, confined) = confine(settings, &places)?;
        let (seccomp, misses) =
            if settings.sandbox.seccomp { allow_calls() } else { ("off", None) };
        if confined.is_some() || seccomp == "on" {
            info!(event = "sandbox", landlock, seccomp, "this process has closed its sandbox");
        } else {
            debug!(event = "sandbox", landlock, seccomp, "this process has no sandbox of its own");
        }
        Ok(Self { confined, helper, misses })
    }

    /// Who starts programs of the user; `None` if none was configured at the start.
    pub(super) fn commands(&self) -> Option<Arc<dyn StartCommand>> {
        self.helper.clone().map(|helper| helper as Arc<dyn StartCommand>)
    }

    /// Logs what happens to the sandbox and the helper, for as long as the handles are held.
    pub(super) fn watch(&mut self) -> Vec<AbortOnDropHandle<()>> {
        let end = self.helper.as_ref().and_then(|helper| helper.end().ok());
        let end = end.map(|end| tokio::spawn(tell_end(end)));
        let misses = self.misses.take().map(|misses| tokio::spawn(tell_misses(misses)));
        end.into_iter().chain(misses).map(AbortOnDropHandle::new).collect()
    }

    /// Notes what new settings want of a process that has closed its sandbox.
    pub(super) fn judge(&self, settings: &Settings, mistakes: &mut Mistakes) {
        let restart = |mistake: Mistake| mistake.hint("this needs a restart");
        if self.helper.is_none() && settings.runs_commands() {
            let what = "the daemon was started without a command, and cannot run one now";
            mistakes.push(restart(Mistake::new(what)));
        }
        if !login_caches(settings).all(|cache| self.admits(&cache)) {
            let what = "it is in force, and a login could not be renewed in its directory";
            mistakes.push(restart(Mistake::new(what).key("sandbox.landlock")));
        }
    }

    /// Whether the log may be written where these settings want it.
    pub(super) fn admits_log(&self, log: &Log) -> bool {
        log.file.as_deref().is_none_or(|file| self.admits(file))
    }

    fn admits(&self, place: &Path) -> bool {
        let Some(confined) = &self.confined else { return true };
        // What is missing can be made where the nearest directory around it can be written.
        let around = place.ancestors().find_map(|path| fs::canonicalize(path).ok());
        around.is_some_and(|real| confined.iter().any(|open| real.starts_with(open)))
    }
}

/// Who starts commands as the daemon has them started, for one attempt outside of it.
///
/// # Errors
/// If the process has a second thread, or the system has no process left.
pub fn command_starter(settings: &Settings) -> Result<Option<Arc<dyn StartCommand>>, Fatal> {
    if !settings.runs_commands() {
        return Ok(None);
    }
    let places: Vec<_> = named(settings, None).filter(|place| place.is_dir()).collect();
    Ok(helper(settings, &places)?.map(|helper| helper as Arc<dyn StartCommand>))
}

/// It should not come before the daemon's.
async fn tell_end(end: impl Future<Output = ()>) {
    end.await;
    let hint = "restart the daemon";
    error!(event = "commands", hint, "the command helper has ended: no command can be run");
}

/// The daemon goes on without the call; what it wanted by it may have failed.
async fn tell_misses(misses: Misses) {
    let told = misses.tell(|number| {
        let call = sandbox::call_name(number).unwrap_or("unknown");
        let hint = "if something does not work, set seccomp = false in [sandbox], and report this";
        warn!(event = "sandbox", call, number, hint, "a system call was denied");
    });
    if let Err(error) = told.await {
        debug!(event = "sandbox", %error, "denied system calls are not logged");
    }
}

/// The process that starts programs, if any are configured.
fn helper(settings: &Settings, places: &[PathBuf]) -> Result<Option<Arc<CommandHelper>>, Fatal> {
    if !settings.runs_commands() && !notifies(settings) {
        return Ok(None);
    }
    let forked = CommandHelper::fork(|| confine_commands(settings, places));
    let (helper, confinement) = forked.map_err(|error| {
        let what = format!("cannot start the command helper: {error}");
        Fatal::new(Exit::Unavailable, what)
    })?;
    info!(event = "commands", sandbox = confinement, "a helper process starts commands");
    Ok(Some(Arc::new(helper)))
}

/// Whether somebody may have to be told on the desktop, by a program.
fn notifies(settings: &Settings) -> bool {
    let needs = settings.roles.iter().any(|role| role.source.need().is_some());
    settings.events.notify && needs && events::has_desktop()
}

/// In the helper: forbids what programs that it starts may not do. Says what is in force.
fn confine_commands(settings: &Settings, places: &[PathBuf]) -> String {
    let Rules { landlock, seccomp, commands } = settings.sandbox;
    let landlock = commands
        && match landlock {
            Landlock::On => sandbox::confine_writes(places).is_ok(),
            Landlock::Auto => sandbox::confine_tracing().is_ok(),
            Landlock::Off => false,
        };
    let seccomp = commands && seccomp && sandbox::deny_calls().is_ok();
    let word = |on: bool| if on { "on" } else { "off" };
    format!("landlock {}, seccomp {}", word(landlock), word(seccomp))
}

/// What came of Landlock, in a word, and where writing goes on.
fn confine(
    settings: &Settings,
    places: &[PathBuf],
) -> Result<(&'static str, Option<Vec<PathBuf>>), Fatal> {
    if settings.sandbox.landlock == Landlock::Off {
        return Ok(("off", None));
    }
    match sandbox::confine_writes(places) {
        Ok(extent) => {
            let word = match extent {
                Extent::Full => "on",
                Extent::Partial => "on, as far as this kernel can",
            };
            let real = places.iter().filter_map(|place| fs::canonicalize(place).ok());
            Ok((word, Some(real.collect())))
        }
        Err(trouble) if settings.sandbox.landlock == Landlock::On => Err(no_landlock(&trouble)),
        Err(trouble) => Ok((without("landlock", &trouble), None)),
    }
}

fn allow_calls() -> (&'static str, Option<Misses>) {
    match sandbox::allow_calls() {
        Ok(misses) => ("on", Some(misses)),
        Err(trouble) => (without("seccomp", &trouble), None),
    }
}

/// Says what is done without, and gives the word for it.
fn without(part: &str, trouble: &Trouble) -> &'static str {
    let what = "part of the sandbox cannot be had";
    if let Trouble::Refused(error) = trouble {
        warn!(event = "sandbox", part, %error, "{what}");
    } else {
        debug!(event = "sandbox", part, %trouble, "{what}");
    }
    "off, for it cannot be had"
}

fn no_landlock(trouble: &Trouble) -> Fatal {
    Fatal::new(Exit::Settings, format!("sandbox.landlock is on, but cannot be had: {trouble}"))
        .hint(trouble.hint())
}

/// Makes what is opened or written into when writing is confined already. What cannot be
/// made is told by whoever misses it.
fn furnish(settings: &Settings) {
    let control = &settings.control;
    let access = Access { group: control.group.clone(), uids: control.uids.clone() };
    // The first place that can be had is the one that is taken.
    let _ = control.places.iter().find(|place| Socket::furnish(place, &access).is_ok());
    let _ = control.folders.iter().find(|folder| make(folder).is_ok());
    for cache in login_caches(settings) {
        let _ = make(&cache);
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Every directory in which a daemon with these settings writes, made now if it is missing.
fn places(settings: &Settings, pid_file: Option<&Path>) -> Vec<PathBuf> {
    if settings.sandbox.landlock == Landlock::Off {
        return Vec::new();
    }
    furnish(settings);
    named(settings, pid_file).filter(|place| place.is_dir()).collect()
}

fn named<'a>(
    settings: &'a Settings,
    pid_file: Option<&'a Path>,
) -> impl Iterator<Item = PathBuf> + 'a {
    let control = &settings.control;
    let homes = settings.roles.iter().filter_map(|role| role.source.environment.home());
    // A log may be a link to another place, and is opened anew.
    let log = settings.log.file.as_deref();
    let linked = log.and_then(|log| Some(fs::canonicalize(log).ok()?.parent()?.to_owned()));
    let named = control.places.iter().map(|socket| folder(socket));
    named
        .chain(control.folders.iter().map(PathBuf::as_path))
        .chain(log.map(folder))
        .chain(pid_file.map(folder))
        .chain([settings.state_dir.as_path()])
        .map(Path::to_owned)
        .chain(linked)
        .chain(homes.map(|home| home.join(".aws")))
        .chain(login_caches(settings))
        .chain([std::env::temp_dir()])
}

/// Where logins are renewed in place.
fn login_caches(settings: &Settings) -> impl Iterator<Item = PathBuf> + '_ {
    settings.roles.iter().filter_map(|role| role.source.login_cache())
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}
