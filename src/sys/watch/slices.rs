//! The watch of systems whose kernel tells too little: looks once a second.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How late a change may be noticed.
const SLICE: Duration = Duration::from_secs(1);

/// A folder under watch.
#[derive(Debug)]
pub struct SlicedWatch {
    folder: PathBuf,
    seen: Vec<Entry>,
}

/// A file by its name, its last change, its length.
type Entry = (PathBuf, Option<SystemTime>, u64);

impl SlicedWatch {
    /// Begins to watch; what was written before is not told.
    ///
    /// # Errors
    /// None; the signature is that of the watch of Linux.
    pub fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder: folder.to_owned(), seen: entries(folder) })
    }

    /// Waits for something to be written.
    ///
    /// # Errors
    /// None; the signature is that of the watch of Linux.
    pub async fn changed(&mut self) -> io::Result<()> {
        while !self.look() {
            tokio::time::sleep(SLICE).await;
        }
        Ok(())
    }

    /// True where a file is new, or is not what it was.
    fn look(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, entries(&self.folder));
        self.seen.iter().any(|entry| !before.contains(entry))
    }
}

fn entries(folder: &Path) -> Vec<Entry> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = found.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some((entry.path(), metadata.modified().ok(), metadata.len()))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_told_and_what_is_removed_is_not() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("cache");
        let mut watch = SlicedWatch::new(&folder).unwrap();
        assert!(!watch.look());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("token"), "x").unwrap();
        watch.changed().await.unwrap();
        assert!(!watch.look());
        fs::write(folder.join("token"), "longer").unwrap();
        assert!(watch.look());
        fs::remove_file(folder.join("token")).unwrap();
        assert!(!watch.look());
    }
}
