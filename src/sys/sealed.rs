//! Bytes that lie in memory and in no file system, that nobody can change any more,
//! and that outlive the process where somebody else holds their descriptor.
//!
//! What comes back is believed only if it is just that, and ours. What the bytes
//! mean is another's business.

use std::io;
use std::os::fd::OwnedFd;

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a descriptor is not read.
#[derive(Debug, Error)]
pub enum Foreign {
    /// Somebody could have written it since, or still can.
    #[error("it is no sealed memory")]
    Unsealed,
    /// Of another user.
    #[error("it is not ours")]
    Owner,
    /// Longer than what we write.
    #[error("it is too long")]
    Length,
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Puts bytes there, and seals them.
///
/// # Errors
/// Where the system has no such memory.
#[cfg(target_os = "linux")]
pub fn seal(bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::io::Write as _;

    let mut file = std::fs::File::from(linux::memory()?);
    file.write_all(bytes)?;
    rustix::fs::fcntl_add_seals(&file, linux::SEALS)?;
    Ok(file.into())
}

/// The bytes, where they are what [`seal`] made, under this very user.
///
/// # Errors
/// Where they could be anything else.
#[cfg(target_os = "linux")]
pub fn read(descriptor: OwnedFd) -> Result<Zeroizing<Vec<u8>>, Foreign> {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    // Only such memory has seals at all.
    let seals = rustix::fs::fcntl_get_seals(&descriptor).map_err(|_| Foreign::Unsealed)?;
    if !seals.contains(linux::SEALS) {
        return Err(Foreign::Unsealed);
    }
    let file = std::fs::File::from(descriptor);
    let found = file.metadata()?;
    if found.uid() != super::identity::user_id() {
        return Err(Foreign::Owner);
    }
    let length = Some(found.len()).filter(|length| *length <= linux::LONGEST);
    let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(Foreign::Length)?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::fs::{MemfdFlags, SealFlags, memfd_create};

    /// More than anybody seals.
    pub(super) const LONGEST: u64 = 256 * 1024;
    /// Neither the bytes, nor their number, nor these seals change any more.
    pub(super) const SEALS: SealFlags =
        SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

    pub(super) fn memory() -> io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know the first, some later ones want it.
        let memory = memfd_create("assumed", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| memfd_create("assumed", flags))?;
        Ok(memory)
    }
}

/// Never succeeds.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn seal(_: &[u8]) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never succeeds.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn read(_: OwnedFd) -> Result<Zeroizing<Vec<u8>>, Foreign> {
    Err(Foreign::Unsealed)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    fn refused(descriptor: impl Into<OwnedFd>) -> String {
        read(descriptor.into()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_sealed_comes_back_and_cannot_be_changed() {
        let sealed = File::from(seal(b"hush").unwrap());
        assert!((&sealed).write_all(b"!").is_err());
        assert!(sealed.set_len(0).is_err());
        assert_eq!(**read(sealed.into()).unwrap(), *b"hush");
    }

    #[test]
    fn what_somebody_can_still_write_is_refused() {
        let open = linux::memory().unwrap();
        assert_eq!(refused(open.try_clone().unwrap()), "it is no sealed memory");
        rustix::fs::fcntl_add_seals(&open, rustix::fs::SealFlags::SHRINK).unwrap();
        assert_eq!(refused(open), "it is no sealed memory");
    }

    #[test]
    fn what_is_no_such_memory_is_refused() {
        assert_eq!(refused(tempfile::tempfile().unwrap()), "it is no sealed memory");
        assert_eq!(refused(File::open("/dev/null").unwrap()), "it is no sealed memory");
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(refused(reader), "it is no sealed memory");
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(refused(socket), "it is no sealed memory");
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let bytes = vec![0; usize::try_from(linux::LONGEST).unwrap() + 1];
        assert_eq!(refused(seal(&bytes).unwrap()), "it is too long");
    }
}
