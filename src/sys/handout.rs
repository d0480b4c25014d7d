//! What a process is handed in files, and what is taken back when it ends.
//!
//! A folder each, for its owner alone, in memory where the system has a place
//! for such things.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::identity;
use crate::secret::Secret;

/// Its name beside the control socket.
const FOLDER: &str = "consumers";
/// What the token is called.
pub const TOKEN: &str = "token";

/// All folders of one daemon's user; nothing is made before something is given.
#[derive(Debug, Clone)]
pub struct Handouts(Vec<PathBuf>);

impl Handouts {
    /// In the first of these places that can be had.
    #[must_use]
    pub fn new(places: &[PathBuf]) -> Self {
        Self(places.iter().map(|place| place.join(FOLDER)).collect())
    }

    /// A folder of this name with the token in it, to the letter; for this user's own processes.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn give(&self, name: &str, token: &Secret) -> io::Result<PathBuf> {
        self.take_back(name);
        let root = self.0.iter().find(|root| {
            // An error shows in what is found then.
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(root);
            is_ours(root)
        });
        let root = root.ok_or_else(|| io::Error::other("no place for files of consumers"))?;
        let folder = root.join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        let given = fill(&folder, token);
        if given.is_err() {
            self.take_back(name);
        }
        given.map(|()| folder)
    }

    /// Removes a folder with all that is in it, and the one around it if that was the last.
    pub fn take_back(&self, name: &str) {
        for root in self.0.iter().filter(|root| is_ours(root)) {
            // What is not there needs no removal, and what is in use stays.
            let _ = fs::remove_dir_all(root.join(name));
            let _ = fs::remove_dir(root);
        }
    }

    /// The folders there are, whoever left them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = self.0.iter().filter(|root| is_ours(root)).flat_map(fs::read_dir).flatten();
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    }
}

/// Nobody else may put something there.
fn is_ours(root: &PathBuf) -> bool {
    fs::symlink_metadata(root).is_ok_and(|found| {
        found.is_dir() && found.uid() == identity::user_id() && found.mode() & 0o022 == 0
    })
}

fn fill(folder: &Path, token: &Secret) -> io::Result<()> {
    let path = folder.join(TOKEN);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(token.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_to_the_letter_and_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let missing = PathBuf::from("/proc/nowhere");
        let handouts = Handouts::new(&[missing, home.path().join("assumed")]);
        let folder = handouts.give("exec-7-1", &Secret::new("s3cret")).unwrap();
        assert_eq!(fs::read(folder.join(TOKEN)).unwrap(), b"s3cret");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(TOKEN))), (0o700, 0o600));
        handouts.give("exec-7-1", &Secret::new("another")).unwrap();
        assert_eq!(fs::read(folder.join(TOKEN)).unwrap(), b"another");
        assert_eq!(handouts.names(), ["exec-7-1"]);
        handouts.take_back("exec-7-1");
        assert!(!folder.parent().unwrap().exists() && handouts.names().is_empty());
    }
}
