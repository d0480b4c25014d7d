//! Where writing goes on, by rules of Landlock; everywhere else it ends with EACCES.
//!
//! Reading is no affair of these rules: settings, profiles and tokens lie where
//! their owners put them, and are read again while the daemon runs.

use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};

use super::{Extent, Trouble};

/// The newest rights that are asked for; an older kernel forbids what it knows of them.
const NEWEST: ABI = ABI::V6;
const DEVICES: [&str; 1] = ["/dev"];
/// The one place there in which programs make files.
const SHARED_MEMORY: [&str; 1] = ["/dev/shm"];

pub(super) fn confine(places: &[PathBuf]) -> Result<Extent, Trouble> {
    match restrict(places).map_err(io::Error::other)? {
        RulesetStatus::FullyEnforced => Ok(Extent::Full),
        RulesetStatus::PartiallyEnforced => Ok(Extent::Partial),
        RulesetStatus::NotEnforced => Err(Trouble::NoKernel),
    }
}

fn restrict(places: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_write(NEWEST);
    let status = Ruleset::default()
        .handle_access(all)?
        // Our own children are inside; a socket of the abstract kind may be systemd's or the desktop's.
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(places, all))?
        .add_rules(path_beneath_rules(SHARED_MEMORY, all))?
        .add_rules(path_beneath_rules(DEVICES, devices()))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Terminals, `/dev/null` and their kind are used, never made.
fn devices() -> BitFlags<AccessFs> {
    AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn writing_ends_outside_and_goes_on_inside_and_reading_everywhere() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (kept, other) = (inside.path().to_owned(), outside.path().join("file"));
        fs::write(&other, "before").unwrap();
        // Rules hold for the thread that asks for them, and what it starts.
        let confined = std::thread::spawn(move || {
            match confine(&[kept.clone(), kept.join("missing")]) {
                Err(Trouble::NoKernel) => return eprintln!("SKIPPED: this kernel has no Landlock"),
                extent => drop(extent.unwrap()),
            }
            fs::create_dir(kept.join("a")).unwrap();
            fs::write(kept.join("a/file"), "x").unwrap();
            fs::rename(kept.join("a/file"), kept.join("file")).unwrap();
            fs::remove_dir(kept.join("a")).unwrap();
            fs::write("/dev/null", "x").unwrap();
            assert_eq!(fs::read_to_string(&other).unwrap(), "before");
            let refused = |result: io::Result<()>| {
                assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            };
            refused(fs::write(&other, "after"));
            refused(fs::write(other.with_extension("new"), "x"));
            refused(fs::remove_file(&other));
        });
        confined.join().unwrap();
    }
}
