//! The state directory: one instance at a time, and the key of metadata tokens.
//!
//! The key outlives the daemon, for several SDKs never ask for another token
//! after a 401 (T11). A key file that looks wrong is an error, never replaced:
//! whoever changed it should know.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, OFlags};
use thiserror::Error;
use zeroize::Zeroizing;

use super::identity;
use super::private::PrivateFile;

const LOCK: &str = "lock";
const KEY: &str = "token.key";
const DAMAGED: &str = "the token key is damaged: it should have 32 bytes";

/// The bytes that metadata tokens are signed with.
pub type KeyBytes = Zeroizing<[u8; 32]>;

/// Why the state directory cannot be used.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Another instance lives here.
    #[error("another assumed uses {} (pid {pid})", .directory.display())]
    Taken {
        /// The directory both want.
        directory: PathBuf,
        /// Who holds it, as far as the lock file tells.
        pid: String,
    },
    /// The key file is not what we wrote.
    #[error("{}: {why}", .path.display())]
    BadKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// What was to be opened or made.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

impl Trouble {
    /// What the reader can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "stop that one first, or give this one its own --state-dir",
            Self::BadKey { .. } => {
                "mend its owner and mode (0600), or remove it: a new one ends all metadata tokens"
            }
            Self::Io { .. } => "is the directory yours? --state-dir chooses another",
        }
    }
}

/// The state directory, held by this instance for as long as this value lives.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    lock: File,
}

impl StateDirectory {
    /// Makes the directory (0700) where it is missing, and locks it.
    ///
    /// # Errors
    /// [`Trouble::Taken`] by another instance, [`Trouble::Io`] where it cannot be written.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let trouble = |cause| Trouble::Io { path: path.to_owned(), cause };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(trouble)?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Names this process as the one that holds the lock; a fork inherits the lock itself.
    ///
    /// # Errors
    /// Where the lock file cannot be written.
    pub fn sign(&self) -> Result<(), Trouble> {
        sign(&self.lock).map_err(|cause| Trouble::Io { path: self.path.join(LOCK), cause })
    }

    /// A file in it, which need not exist yet.
    #[must_use]
    pub fn file(&self, name: &str) -> PrivateFile {
        PrivateFile::new(self.path.join(name))
    }

    /// The token key: the one on disk, or a new one that is written there.
    ///
    /// # Errors
    /// [`Trouble::BadKey`] where it is damaged, foreign or readable by others.
    pub fn token_key(&self) -> Result<KeyBytes, Trouble> {
        let path = self.path.join(KEY);
        let trouble = |cause| Trouble::Io { path: path.clone(), cause };
        match open_key(&path) {
            Ok(file) => read_key(file, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_key(&path).map_err(trouble)
            }
            Err(error) => Err(trouble(error)),
        }
    }
}

/// What would become of the token key, were the directory opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// The one that is there is used.
    Kept,
    /// A new one is made.
    New,
    /// Nothing can be written: one that ends with the process.
    Passing,
}

/// Looks at a state directory without touching it.
///
/// # Errors
/// [`Trouble::BadKey`] and [`Trouble::Io`] as [`StateDirectory::token_key`] has them.
pub fn outlook(directory: &Path) -> Result<Outlook, Trouble> {
    let there = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
    let may = Access::WRITE_OK | Access::EXEC_OK;
    if !there.is_dir() || rustix::fs::access(there, may).is_err() {
        return Ok(Outlook::Passing);
    }
    let path = directory.join(KEY);
    match open_key(&path) {
        Ok(file) => read_key(file, &path).map(|_| Outlook::Kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outlook::New),
        Err(cause) => Err(Trouble::Io { path, cause }),
    }
}

/// The pid of the daemon that lives in a state directory, as far as its lock tells.
#[must_use]
pub fn holder(directory: &Path) -> Option<String> {
    let lock = File::open(directory.join(LOCK)).ok()?;
    // Let go at once where nobody has it.
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => match taken(directory, lock) {
            Trouble::Taken { pid, .. } => Some(pid),
            _ => None,
        },
        _ => None,
    }
}

/// A directory that goes with this value, unless it was there before.
#[derive(Debug)]
pub struct PassingDirectory {
    path: PathBuf,
    kept: bool,
}

impl PassingDirectory {
    /// A new one (0700) below the system's place for temporary files.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(prefix: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("{prefix}-{:016x}", identity::nonce()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, kept: false })
    }

    /// One that is there, or will be, and goes all the same.
    #[must_use]
    pub const fn adopted(path: PathBuf) -> Self {
        Self { path, kept: false }
    }

    /// Removes those of this prefix whose daemon was killed: each held its lock
    /// before it wrote its key, and nobody holds it now.
    pub fn sweep(prefix: &str) {
        let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
        let named = entries.filter(|it| it.file_name().to_string_lossy().starts_with(prefix));
        for path in named.map(|entry| entry.path()) {
            let own = fs::symlink_metadata(&path)
                .is_ok_and(|found| found.is_dir() && found.uid() == identity::user_id());
            if own && path.join(KEY).exists() && holder(&path).is_none() {
                drop(Self::adopted(path));
            }
        }
    }

    /// One that somebody named, and that stays.
    #[must_use]
    pub fn kept(path: &Path) -> Self {
        Self { path: path.to_owned(), kept: true }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PassingDirectory {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is left to the system's own cleaning.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A key for this process only, where no directory can be written.
#[must_use]
pub fn passing_key() -> KeyBytes {
    let mut key = KeyBytes::default();
    identity::random(key.as_mut());
    key
}

/// A key that the service manager handed over: whoever put it there set its mode.
///
/// # Errors
/// Where it cannot be read, or is none.
pub(super) fn read_passed_key(path: &Path) -> Result<KeyBytes, Trouble> {
    let trouble = |cause| Trouble::Io { path: path.to_owned(), cause };
    let bytes = Zeroizing::new(fs::read(path).map_err(trouble)?);
    let key = <[u8; 32]>::try_from(bytes.as_slice());
    key.map(Zeroizing::new).map_err(|_| Trouble::BadKey { path: path.to_owned(), why: DAMAGED })
}

fn lock(directory: &Path) -> Result<File, Trouble> {
    let path = directory.join(LOCK);
    let trouble = |cause| Trouble::Io { path: path.clone(), cause };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(trouble)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(directory, file)),
        Err(TryLockError::Error(cause)) => return Err(trouble(cause)),
    }
    sign(&file).map_err(trouble)?;
    Ok(file)
}

fn sign(lock: &File) -> io::Result<()> {
    let line = format!("{}\n", std::process::id());
    lock.write_all_at(line.as_bytes(), 0)?;
    lock.set_len(line.len().try_into().unwrap_or_default())
}

fn taken(directory: &Path, lock: File) -> Trouble {
    let mut pid = String::new();
    // Only for the message; an unreadable pid is shown as unknown.
    let _ = lock.take(16).read_to_string(&mut pid);
    let known = pid.trim().bytes().all(|b| b.is_ascii_digit()) && !pid.trim().is_empty();
    let pid = if known { pid.trim().to_owned() } else { "unknown".to_owned() };
    Trouble::Taken { directory: directory.to_owned(), pid }
}

fn open_key(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn read_key(mut file: File, path: &Path) -> Result<KeyBytes, Trouble> {
    let bad = |why| Trouble::BadKey { path: path.to_owned(), why };
    let trouble = |cause| Trouble::Io { path: path.to_owned(), cause };
    let found = file.metadata().map_err(trouble)?;
    if !found.is_file() {
        return Err(bad("the token key is not a regular file"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(bad("the token key belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(bad("the token key can be read or written by others"));
    }
    let mut key = KeyBytes::default();
    if found.len() != 32 {
        return Err(bad(DAMAGED));
    }
    file.read_exact(key.as_mut()).map_err(trouble)?;
    Ok(key)
}

/// Written aside and renamed, so that a crash leaves a whole key or none.
fn write_key(path: &Path) -> io::Result<KeyBytes> {
    let key = passing_key();
    let aside = path.with_extension("new");
    let _ = fs::remove_file(&aside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(key.as_ref())?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_stays_the_same_over_restarts() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let first = StateDirectory::open(&path).unwrap().token_key().unwrap();
        let second = StateDirectory::open(&path).unwrap().token_key().unwrap();
        assert_eq!(*first, *second);
        assert_ne!(*first, *passing_key());
        assert_eq!(fs::metadata(path.join(KEY)).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_look_tells_what_would_be_and_touches_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        assert_eq!(outlook(&path).unwrap(), Outlook::New);
        assert!(!home.path().join("a").exists());
        StateDirectory::open(&path).unwrap().token_key().unwrap();
        assert_eq!(outlook(&path).unwrap(), Outlook::Kept);
        fs::write(path.join(KEY), [7; 31]).unwrap();
        assert!(outlook(&path).is_err());
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(outlook(&file.join("below")).unwrap(), Outlook::Passing);
    }

    #[test]
    fn a_second_instance_is_told_who_is_there() {
        let home = tempfile::tempdir().unwrap();
        let held = StateDirectory::open(home.path()).unwrap();
        let told = StateDirectory::open(home.path()).unwrap_err().to_string();
        assert!(told.ends_with(&format!("(pid {})", std::process::id())), "{told}");
        drop(held);
        StateDirectory::open(home.path()).unwrap();
    }

    #[test]
    fn a_key_that_looks_wrong_is_refused_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(home.path()).unwrap();
        let path = home.path().join(KEY);
        let key = state.token_key().unwrap();
        let refusal = || state.token_key().unwrap_err().to_string();

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refusal().ends_with("can be read or written by others"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

        fs::write(&path, [7; 31]).unwrap();
        assert!(refusal().ends_with("it should have 32 bytes"));
        assert_eq!(fs::read(&path).unwrap(), [7; 31]);

        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(home.path().join(LOCK), &path).unwrap();
        assert!(state.token_key().is_err());
        drop(key);
    }
}
