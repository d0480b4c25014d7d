//! The watch of Linux: an inotify on the folder, or on the closest one above it
//! that exists, until it does.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A folder under watch.
#[derive(Debug)]
pub struct InotifyWatch {
    folder: PathBuf,
    /// What is watched in its place as long as it does not exist.
    stand_in: Option<PathBuf>,
    kernel: AsyncFd<OwnedFd>,
}

impl InotifyWatch {
    /// Begins to watch, within a Tokio runtime; what was written before is not told.
    ///
    /// # Errors
    /// Where the kernel has no descriptor or watch to spare, or nothing may be read there.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let (kernel, stand_in) = watch(folder)?;
        Ok(Self { folder: folder.to_owned(), stand_in, kernel })
    }

    /// Waits for something to be written. A folder that comes into being counts, for
    /// nobody saw what it was filled with.
    ///
    /// # Errors
    /// Where it cannot be watched any longer.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let gone = self.told().await?;
            if self.stand_in.is_none() && !gone {
                return Ok(());
            }
            let before = self.stand_in.clone();
            (self.kernel, self.stand_in) = watch(&self.folder)?;
            if self.stand_in.is_none() && before.is_some() {
                return Ok(());
            }
        }
    }

    /// Waits for the kernel; true where what was watched has itself gone.
    async fn told(&self) -> io::Result<bool> {
        loop {
            let mut ready = self.kernel.readable().await?;
            match drain(self.kernel.get_ref()) {
                Ok(gone) => return Ok(gone),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Watches the folder, or the closest above it; `None` where it is the folder itself.
fn watch(folder: &Path) -> io::Result<(AsyncFd<OwnedFd>, Option<PathBuf>)> {
    loop {
        let kernel = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let closest = closest(folder);
        // A file that is made is empty yet: of the folder itself, what is told is its end.
        let news = if closest == folder { WatchFlags::CLOSE_WRITE } else { WatchFlags::CREATE };
        let end = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        match inotify::add_watch(&kernel, closest, news | WatchFlags::MOVED_TO | end) {
            Ok(_) => {}
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        }
        // Something deeper may have come into being before the watch did.
        if self::closest(folder) == closest {
            // SAFETY: an `OwnedFd` is open and names one descriptor for as long as it lives,
            // and the `AsyncFd` owns it.
            let kernel = unsafe { AsyncFd::register_with_interest(kernel, Interest::READABLE) }?;
            let stand_in = (closest != folder).then(|| closest.to_owned());
            return Ok((kernel, stand_in));
        }
    }
}

fn closest(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("/"))
}

fn drain(kernel: &OwnedFd) -> Result<bool, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(kernel, &mut buffer);
    let mut gone = false;
    let ends = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED;
    loop {
        gone |= reader.next()?.events().intersects(ends);
        if reader.is_buffer_empty() {
            return Ok(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// True where the kernel has something to tell.
    async fn rang(watch: &mut InotifyWatch) -> bool {
        tokio::select! {
            biased;
            told = watch.changed() => told.is_ok(),
            () = async { for _ in 0..100 { tokio::task::yield_now().await } } => false,
        }
    }

    #[tokio::test]
    async fn what_is_written_is_told_and_what_was_there_is_not() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("old"), "x").unwrap();
        let mut watch = InotifyWatch::new(room.path()).unwrap();
        assert!(!rang(&mut watch).await);
        fs::read(room.path().join("old")).unwrap();
        assert!(!rang(&mut watch).await, "reading is nothing new");
        fs::write(room.path().join("old"), "y").unwrap();
        assert!(rang(&mut watch).await, "in place");
        assert!(!rang(&mut watch).await);
        let aside = room.path().with_extension("aside");
        fs::write(&aside, "z").unwrap();
        fs::rename(aside, room.path().join("new")).unwrap();
        assert!(rang(&mut watch).await, "renamed");
        fs::remove_file(room.path().join("new")).unwrap();
        assert!(!rang(&mut watch).await, "a logout is no login");
    }

    #[tokio::test]
    async fn a_folder_is_awaited_from_the_closest_above_it() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join(".aws/sso/cache");
        let mut watch = InotifyWatch::new(&folder).unwrap();
        fs::write(room.path().join("beside"), "x").unwrap();
        fs::create_dir(room.path().join(".aws")).unwrap();
        assert!(!rang(&mut watch).await, "only half of the way is there");
        fs::create_dir_all(&folder).unwrap();
        assert!(rang(&mut watch).await);
        fs::write(folder.join("token"), "x").unwrap();
        assert!(rang(&mut watch).await);
        fs::remove_dir_all(&folder).unwrap();
        assert!(!rang(&mut watch).await);
        fs::create_dir_all(&folder).unwrap();
        assert!(rang(&mut watch).await);
    }
}
