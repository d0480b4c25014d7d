//! Files: whose they are, and who else may write or read them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Finding, Grade};
use crate::cli::inputs::Found;
use crate::fatal::Exit;
use crate::sys::state::{self, Outlook};

pub(super) fn look(read: Option<&Found>, found: &mut Vec<Finding>) {
    let Some(read) = read else { return };
    let own = read.inputs.config_file.as_ref().map(|file| &file.path);
    let shared = &read.inputs.shared_files;
    let config = shared.config.as_ref().map(|file| &file.path);
    let keys = shared.credentials.as_ref().map(|file| &file.path);
    let before = found.len();
    for path in [own, config, keys].into_iter().flatten() {
        found.extend(writable(path));
    }
    found.extend(keys.and_then(|path| readable(path)));
    if found.len() == before {
        found.push(Finding::ok("files", "nobody else can change them, or read the keys"));
    }
    found.push(state_dir(&read.settings.state_dir));
}

/// Whoever can write them has commands run, and roles chosen, in this user's name.
fn writable(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.mode();
    let grade = match mode & 0o022 {
        0 => return None,
        0o020 => Grade::Warn,
        _ => Grade::Fail(Exit::Settings),
    };
    let what = format!("{} can be written by others", path.display());
    Some(Finding::new(grade, "files", what).hint(format!("chmod go-w {}", path.display())))
}

fn readable(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.mode();
    (mode & 0o044 != 0).then(|| {
        Finding::warn("files", format!("{} can be read by others", path.display()))
            .hint(format!("chmod go-r {}", path.display()))
    })
}

fn state_dir(path: &Path) -> Finding {
    let name = path.display();
    match state::outlook(path) {
        Ok(Outlook::Kept | Outlook::New) => Finding::ok("state", format!("{name} can be used")),
        Ok(Outlook::Passing) => {
            Finding::warn("state", format!("{name} cannot be written: nothing outlives a restart"))
                .hint("--state-dir chooses another")
        }
        Err(trouble) => {
            Finding::fail(Exit::Settings, "state", trouble.to_string()).hint(trouble.hint())
        }
    }
}
