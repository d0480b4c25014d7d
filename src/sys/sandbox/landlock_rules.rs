//! Rules of Landlock: where writing goes on, while it ends with EACCES everywhere else; and
//! whose memory can be read.
//!
//! Reading files is no affair of these rules: settings, profiles and tokens lie where
//! their owners put them, and are read again while the daemon runs. The memory of another
//! process is closed by being confined at all: the kernel lets nobody trace what is
//! confined less.

use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::{Extent, Trouble};

/// The newest rights that are asked for; an older kernel forbids what it knows of them.
const NEWEST: ABI = ABI::V6;
const DEVICES: [&str; 1] = ["/dev"];
/// The one place there in which programs make files.
const SHARED_MEMORY: [&str; 1] = ["/dev/shm"];

pub(super) fn confine_writes(places: &[PathBuf]) -> Result<Extent, Trouble> {
    extent(restrict_writes(places))
}

/// Nothing but tracing: moving files between directories is what every ruleset forbids, so
/// it is handled, and allowed everywhere.
pub(super) fn confine_tracing() -> Result<Extent, Trouble> {
    extent(restrict_tracing())
}

fn extent(status: Result<RulesetStatus, RulesetError>) -> Result<Extent, Trouble> {
    match status.map_err(io::Error::other)? {
        RulesetStatus::FullyEnforced => Ok(Extent::Full),
        RulesetStatus::PartiallyEnforced => Ok(Extent::Partial),
        RulesetStatus::NotEnforced => Err(Trouble::NoKernel),
    }
}

fn restrict_writes(places: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
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

fn restrict_tracing() -> Result<RulesetStatus, RulesetError> {
    let status = Ruleset::default()
        // Before Linux 5.19 it could not be allowed: then there are no rules at all.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::Refer))?
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
    use std::process::Command;

    use super::*;

    #[test]
    fn writing_ends_outside_and_goes_on_inside_and_reading_everywhere() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (kept, other) = (inside.path().to_owned(), outside.path().join("file"));
        fs::write(&other, "before").unwrap();
        // Rules hold for the thread that asks for them, and what it starts.
        let confined = std::thread::spawn(move || {
            match confine_writes(&[kept.clone(), kept.join("missing")]) {
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

    #[test]
    fn tracing_ends_outside_and_files_are_as_free_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        // One process that is not confined, and one that is.
        let mut outside = Command::new("sleep").arg("60").spawn().unwrap();
        let memory = |pid: u32| fs::File::open(format!("/proc/{pid}/mem")).map(drop);
        memory(outside.id()).unwrap();
        let pid = outside.id();
        let confined = std::thread::spawn(move || {
            match confine_tracing() {
                Err(trouble) => return eprintln!("SKIPPED: {trouble}"),
                extent => assert_eq!(extent.unwrap(), Extent::Full),
            }
            for folder in ["a", "b"] {
                fs::create_dir(path.join(folder)).unwrap();
            }
            fs::write(path.join("a/file"), "x").unwrap();
            fs::rename(path.join("a/file"), path.join("b/file")).unwrap();
            fs::hard_link(path.join("b/file"), path.join("a/file")).unwrap();
            let refused = memory(pid).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            let mut inside = Command::new("sleep").arg("60").spawn().unwrap();
            memory(inside.id()).unwrap();
            inside.kill().unwrap();
            inside.wait().unwrap();
        });
        let joined = confined.join();
        outside.kill().unwrap();
        outside.wait().unwrap();
        joined.unwrap();
    }
}
