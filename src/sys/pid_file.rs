//! A file with the daemon's pid, there for exactly as long as the daemon is.
//!
//! It is for scripts that want to send a signal. What keeps two instances
//! apart is the lock of the state directory, never this.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::state::Trouble;

/// Removed with this value, unless somebody else's pid stands in it by then.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the pid of this process, aside and then renamed: nobody reads half of it.
    ///
    /// # Errors
    /// Where the place cannot be written.
    pub fn write(path: &Path) -> Result<Self, Trouble> {
        let aside = path.with_extension(format!("{}.new", std::process::id()));
        let written = fs::write(&aside, line())
            .and_then(|()| fs::set_permissions(&aside, fs::Permissions::from_mode(0o644)))
            .and_then(|()| fs::rename(&aside, path));
        written.map(|()| Self(path.to_owned())).map_err(|cause| {
            let _ = fs::remove_file(&aside);
            Trouble::Io { path: path.to_owned(), cause }
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.0).is_ok_and(|text| text == line()) {
            // What cannot be removed now is overwritten by the next start.
            let _ = fs::remove_file(&self.0);
        }
    }
}

fn line() -> String {
    format!("{}\n", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_its_daemon_and_leaves_nothing_beside() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("assumed.pid");
        let held = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), line());
        drop(held);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let nowhere = PidFile::write(&home.path().join("gone/assumed.pid")).unwrap_err();
        assert!(nowhere.to_string().contains("gone/assumed.pid"), "{nowhere}");
    }

    #[test]
    fn another_daemons_file_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("assumed.pid");
        let held = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(held);
        assert!(path.exists());
    }
}
