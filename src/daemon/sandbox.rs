//! What the daemon forbids itself before its first thread, and what a reload
//! cannot have for that reason.
//!
//! Directories have to be there when writing is confined to them, so those that
//! are written into later are made now.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tracing::{debug, info, warn};

use crate::config::{Landlock, Log, Mistake, Mistakes, Settings};
use crate::control::{Access, Socket};
use crate::fatal::{Exit, Fatal};
use crate::sys::sandbox::{self, Extent, Trouble};

/// What is in force for as long as this process lives.
#[derive(Debug, Default)]
pub(super) struct Sandbox {
    /// Where writing goes on, links resolved; absent where it goes on everywhere.
    confined: Option<Vec<PathBuf>>,
}

impl Sandbox {
    /// Forbids what the settings say, as far as the kernel can.
    pub(super) fn enter(settings: &Settings, pid_file: Option<&Path>) -> Result<Self, Fatal> {
        let (landlock, confined) = confine(settings, pid_file)?;
        let seccomp = if settings.sandbox.seccomp { deny_calls() } else { "off" };
        if confined.is_some() || seccomp == "on" {
            info!(event = "sandbox", landlock, seccomp, "this process has closed its sandbox");
        } else {
            debug!(event = "sandbox", landlock, seccomp, "this process has no sandbox of its own");
        }
        Ok(Self { confined })
    }

    /// Notes what new settings want of a process that has closed its sandbox.
    pub(super) fn judge(&self, settings: &Settings, mistakes: &mut Mistakes) {
        let closed = |what: &str| {
            let mistake = Mistake::new(what).key("sandbox.landlock");
            mistake.hint("this needs a restart, which looks anew")
        };
        if self.confined.is_some() && leaves_it_open(settings) {
            mistakes
                .push(closed("it is in force, and a new command could not write where it likes"));
        }
        if !login_caches(settings).all(|cache| self.admits(&cache)) {
            mistakes
                .push(closed("it is in force, and a login could not be renewed in its directory"));
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

/// What came of Landlock, in a word, and where writing goes on.
fn confine(
    settings: &Settings,
    pid_file: Option<&Path>,
) -> Result<(&'static str, Option<Vec<PathBuf>>), Fatal> {
    if settings.sandbox.landlock == Landlock::Off {
        return Ok(("off", None));
    }
    if leaves_it_open(settings) {
        return Ok(("off, for a command is configured", None));
    }
    furnish(settings);
    let places: Vec<_> = places(settings, pid_file).filter(|place| place.is_dir()).collect();
    match sandbox::confine_writes(&places) {
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

fn deny_calls() -> &'static str {
    match sandbox::deny_calls() {
        Ok(()) => "on",
        Err(trouble) => without("seccomp", &trouble),
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

/// A command inherits what is forbidden, and who knows where it writes.
fn leaves_it_open(settings: &Settings) -> bool {
    settings.sandbox.landlock == Landlock::Auto && settings.runs_commands()
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

/// Every directory in which a daemon with these settings writes.
fn places<'a>(
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
