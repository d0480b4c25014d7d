//! A link in the state directory to a socket that is elsewhere, so that a verb
//! that is told the state directory finds the daemon that lives in it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Goes with this value.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Link {
    /// Makes it; whoever does, holds the lock of the directory, so what is there is stale.
    ///
    /// # Errors
    /// As the system has it.
    pub fn new(path: &Path, target: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(target, path)?;
        Ok(Self { path: path.to_owned(), target: target.to_owned() })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            // What stays is replaced by the next daemon.
            let _ = fs::remove_file(&self.path);
        }
    }
}
