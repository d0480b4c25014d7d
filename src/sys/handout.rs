//! What a process is handed in files, and what is taken back when it ends.
//!
//! A folder each, for its owner alone, in memory where the system has a place
//! for such things.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use super::identity;
use crate::secret::Secret;

/// Its name beside the control socket.
const FOLDER: &str = "consumers";
/// What the token is called.
pub const TOKEN: &str = "token";

/// All folders of one daemon's user.
#[derive(Debug, Clone)]
pub struct Handouts(PathBuf);

impl Handouts {
    /// In the first of these places that can be had; makes what is missing (0700).
    #[must_use]
    pub fn new(places: &[PathBuf]) -> Option<Self> {
        places.iter().map(|place| place.join(FOLDER)).find(|root| is_ours(root)).map(Self)
    }

    /// A folder of this name with the token in it, to the letter, for the user `owner`.
    ///
    /// # Errors
    /// Where it cannot be made, or not be given to that user.
    pub fn give(&self, name: &str, token: &Secret, owner: u32) -> io::Result<PathBuf> {
        self.take_back(name);
        let folder = self.0.join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        let given = fill(&folder, token, owner);
        if given.is_err() {
            self.take_back(name);
        }
        given.map(|()| folder)
    }

    /// Removes a folder with all that is in it.
    pub fn take_back(&self, name: &str) {
        // What is not there needs no removal.
        let _ = fs::remove_dir_all(self.0.join(name));
    }

    /// The folders there are, whoever left them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

fn is_ours(root: &Path) -> bool {
    // An error shows in what is found below.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(root);
    // Others must be able to walk through to what is theirs, but not to change it.
    fs::symlink_metadata(root).is_ok_and(|found| {
        found.is_dir() && found.uid() == identity::user_id() && found.mode() & 0o022 == 0
    })
}

fn fill(folder: &Path, token: &Secret, owner: u32) -> io::Result<()> {
    let path = folder.join(TOKEN);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(token.expose().as_bytes())?;
    if owner != identity::user_id() {
        chown(&path, Some(owner), None)?;
        chown(folder, Some(owner), None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_to_the_letter_and_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let missing = PathBuf::from("/proc/nowhere");
        let handouts = Handouts::new(&[missing, home.path().join("assumed")]).unwrap();
        let own = identity::user_id();
        let folder = handouts.give("exec-7-1", &Secret::new("s3cret"), own).unwrap();
        assert_eq!(fs::read(folder.join(TOKEN)).unwrap(), b"s3cret");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(TOKEN))), (0o700, 0o600));
        handouts.give("exec-7-1", &Secret::new("another"), own).unwrap();
        assert_eq!(fs::read(folder.join(TOKEN)).unwrap(), b"another");
        assert_eq!(handouts.names(), ["exec-7-1"]);
        handouts.take_back("exec-7-1");
        assert!(!folder.exists() && handouts.names().is_empty());
    }
}
