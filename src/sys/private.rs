//! Files that are for this user alone.
//!
//! Written aside and renamed, so that a crash leaves the old one or the new
//! one; read only where nobody else could have written or read them.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;
use thiserror::Error;

/// More than any of ours needs.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// Why a private file cannot be trusted or read.
#[derive(Debug, Error)]
pub enum Unfit {
    /// It is not as we would leave it.
    #[error("{}: {why}", .path.display())]
    Suspect {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// A file of mode 0600, or the place for one.
#[derive(Debug, Clone)]
pub struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    /// Names it; touches nothing.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Puts these bytes in the place of what was there, to the letter: no line feed is added.
    ///
    /// # Errors
    /// Where they cannot be written; what was there stands then.
    pub fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let aside = self.path.with_added_extension("new");
        // Left behind by a crash, if it is there.
        let _ = fs::remove_file(&aside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.and_then(|()| fs::rename(&aside, &self.path)).inspect_err(|_| {
            // The error above is the one to tell.
            let _ = fs::remove_file(&aside);
        })
    }

    /// What to say where its content is not ours either.
    #[must_use]
    pub fn unfit(&self, why: impl Into<String>) -> Unfit {
        Unfit::Suspect { path: self.path.clone(), why: why.into() }
    }

    /// What is in it; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it is not a file of our own that nobody else can touch.
    pub fn read(&self) -> Result<Option<String>, Unfit> {
        let trouble = |cause| Unfit::Io { path: self.path.clone(), cause };
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(error)),
        };
        if let Some(why) = suspicion(&file.metadata().map_err(trouble)?) {
            return Err(self.unfit(why));
        }
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(trouble)?;
        Ok(Some(text))
    }
}

fn suspicion(found: &fs::Metadata) -> Option<&'static str> {
    if !found.is_file() {
        return Some("not a regular file");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Some("belongs to another user");
    }
    if found.mode() & 0o077 != 0 {
        return Some("can be read or written by others");
    }
    (found.len() > MOST_BYTES).then_some("too long to be ours")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_to_the_letter() {
        let home = tempfile::tempdir().unwrap();
        let file = PrivateFile::new(home.path().join("a.txt"));
        assert!(file.read().unwrap().is_none());
        for text in ["first", "", "second\n"] {
            file.replace(text.as_bytes()).unwrap();
            assert_eq!(file.read().unwrap().as_deref(), Some(text));
        }
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing stays aside");
        assert_eq!(fs::metadata(home.path().join("a.txt")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_others_could_have_touched_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        let file = PrivateFile::new(path.clone());
        file.replace(b"x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(file.read().unwrap_err().to_string().ends_with("read or written by others"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(file.read().is_err());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(file.read().is_err());
        assert!(file.replace(b"x").is_err());
    }
}
