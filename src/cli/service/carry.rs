//! Carries a plan out, one step after the other, and says each; a dry run only
//! says them, with every file in full.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{tools, trouble};
use crate::cli::reach::say;
use crate::fatal::{Exit, Fatal};
use crate::installation::{Order, Scope, Step};
use crate::sys::state;

/// Units are for everybody to read.
const MODE: u32 = 0o644;

/// All of it, or as far as it goes.
pub(super) fn out(steps: &[Step], scope: &Scope, dry: bool, silent: bool) -> Result<(), Fatal> {
    for step in steps {
        if !silent {
            say(&format!("{step}\n"));
            if let (Step::Write { text, .. }, true) = (step, dry) {
                text.lines().for_each(|line| say(&format!("         | {line}\n")));
            }
        }
        if !dry {
            perform(step, scope)?;
        }
    }
    Ok(())
}

fn perform(step: &Step, scope: &Scope) -> Result<(), Fatal> {
    match step {
        Step::Write { path, text } => write(path, text).map_err(|error| failed(path, &error)),
        Step::Remove { path } => remove(path).map_err(|error| failed(path, &error)),
        Step::Clear { folder, names } => {
            clear(folder, names).map_err(|error| failed(folder, &error))
        }
        Step::Run(order) => run(order, scope),
        Step::Already { .. } | Step::Keep { .. } | Step::Note { .. } => Ok(()),
    }
}

/// Aside, then renamed: systemd sees the old file or the new one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&aside)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask: the folder too, where it is ours.
    file.set_permissions(Permissions::from_mode(MODE))?;
    fs::rename(aside, path)
}

fn remove(path: &Path) -> io::Result<()> {
    unless_gone(fs::remove_file(path))?;
    for folder in path.ancestors().skip(1).take_while(|folder| is_ours_alone(folder)) {
        // What is not empty is still needed.
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// In a home, all that is empty; of the machine's, what is there for our files only.
fn is_ours_alone(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !folder.starts_with("/etc") || name.ends_with(".service.d") || name == "sysusers.d"
}

fn clear(folder: &Path, names: &[String]) -> io::Result<()> {
    if state::holder(folder).is_some() {
        // A daemon that somebody else started lives there.
        return Ok(());
    }
    for name in names {
        unless_gone(fs::remove_file(folder.join(name)))?;
    }
    // What is not empty is somebody's.
    let _ = fs::remove_dir(folder);
    Ok(())
}

fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn run(order: &Order, scope: &Scope) -> Result<(), Fatal> {
    let output = match tools::run(&order.tool, &order.arguments) {
        Ok(output) => output,
        Err(_) if order.may_fail => return Ok(()),
        Err(fatal) => return Err(fatal),
    };
    if output.status.success() || order.may_fail {
        return Ok(());
    }
    if order.starts.is_empty() {
        return Err(Fatal::new(Exit::Unavailable, format!("{order}: {}", tools::said(&output)))
            .hint(trouble::undo(scope)));
    }
    Err(trouble::no_start(&order.starts, scope))
}

fn failed(path: &Path, error: &io::Error) -> Fatal {
    Fatal::new(Exit::Unavailable, format!("{}: {error}", path.display()))
        .hint("may this user write there? what was done so far stays")
}
