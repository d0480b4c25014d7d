//! A mark on the disk: there or not there, over a restart and a power cut.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file whose presence is all that it says.
#[derive(Debug, Clone)]
pub struct Mark(PathBuf);

impl Mark {
    /// The mark of this name; neither made nor looked for yet.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        Self(folder.join(name))
    }

    /// Whether it is there. What cannot be looked at counts as set, for a mark forbids.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.try_exists().unwrap_or(true)
    }

    /// Makes it, on the disk when this returns.
    ///
    /// # Errors
    /// As the system has it.
    pub fn set(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(&self.0)?.sync_all()?;
        self.settle()
    }

    /// Removes it, from the disk when this returns; one that is not there is removed.
    ///
    /// # Errors
    /// As the system has it.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.settle(),
        }
    }

    fn settle(&self) -> io::Result<()> {
        self.0.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_there_or_not() {
        let home = tempfile::tempdir().unwrap();
        let mark = Mark::new(home.path(), "locked");
        assert!(!mark.is_set());
        mark.clear().unwrap();
        mark.set().unwrap();
        mark.set().unwrap();
        assert!(mark.is_set() && Mark::new(home.path(), "locked").is_set());
        mark.clear().unwrap();
        assert!(!mark.is_set());
        assert!(Mark::new(Path::new("/nonexistent"), "locked").set().is_err());
    }
}
