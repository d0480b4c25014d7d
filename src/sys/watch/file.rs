//! Tells when a file may have changed, whichever link on its path leads elsewhere since.
//!
//! A `ConfigMap` of Kubernetes is a directory in which `NAME` is a link to `..data/NAME`, and `..data` one to the
//! directory of a version: an update replaces `..data` and touches neither `NAME` nor the file.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

use super::FolderWatch;

/// As many links as the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// A file under watch, which may not be there yet.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    folders: Vec<FolderWatch>,
}

impl FileWatch {
    /// Begins to watch, within a Tokio runtime; earlier changes are not reported.
    ///
    /// # Errors
    /// If the kernel has no descriptor or watch to spare, or a directory cannot be read.
    pub fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), folders: watches(path)? })
    }

    /// Waits until the file may have changed; others in its directory are reported, too. Read
    /// it afterwards: what comes later is reported by the next call. Its removal is not.
    ///
    /// # Errors
    /// If it cannot be watched any longer.
    pub async fn changed(&mut self) -> io::Result<()> {
        any(&mut self.folders).await?;
        self.folders = watches(&self.path)?;
        Ok(())
    }
}

/// A link that is replaced between the look and the watch is looked at again, a few times.
fn watches(path: &Path) -> io::Result<Vec<FolderWatch>> {
    let mut folders = folders(path);
    for _ in 0..MAX_LINKS {
        let watches = folders.iter().map(|folder| FolderWatch::new(folder)).collect();
        let after = self::folders(path);
        if after == folders {
            return watches;
        }
        folders = after;
    }
    Err(io::Error::other("the links on its path change all the time"))
}

async fn any(folders: &mut [FolderWatch]) -> io::Result<()> {
    let mut changes: Vec<Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>> = Vec::new();
    for folder in folders {
        changes.push(Box::pin(folder.changed()));
    }
    poll_fn(|context| {
        let ready = changes.iter_mut().find_map(|change| match change.as_mut().poll(context) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Each directory in which a link on the path lies, and the one in which the file does.
fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    let mut rest: VecDeque<OsString> = parts(path).collect();
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let link = std::fs::read_link(&next).ok().filter(|_| links < MAX_LINKS);
        if (link.is_some() || rest.is_empty()) && !found.contains(&here) {
            found.push(here.clone());
        }
        match link {
            None => here = next,
            Some(target) => {
                links += 1;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
            }
        }
    }
    found
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    /// True if a change is reported. On macOS a directory is looked at once a second.
    async fn is_reported(watch: &mut FileWatch) -> bool {
        let limit = if cfg!(target_os = "linux") { 300 } else { 2000 };
        tokio::time::timeout(Duration::from_millis(limit), watch.changed())
            .await
            .is_ok_and(|it| it.is_ok())
    }

    /// A `ConfigMap` as kubelet mounts it, in its first version.
    fn config_map() -> (tempfile::TempDir, PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let volume = fs::canonicalize(scratch.path()).unwrap().join("volume");
        fs::create_dir(&volume).unwrap();
        version(&volume, "..1");
        symlink("..1", volume.join("..data")).unwrap();
        symlink("..data/jwks.json", volume.join("jwks.json")).unwrap();
        (scratch, volume)
    }

    fn version(volume: &Path, name: &str) {
        fs::create_dir(volume.join(name)).unwrap();
        fs::write(volume.join(name).join("jwks.json"), name).unwrap();
    }

    /// kubelet's way: the new version beside the old one, then the link in one step.
    fn update(volume: &Path, old: &str, new: &str) {
        version(volume, new);
        symlink(new, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        fs::remove_dir_all(volume.join(old)).unwrap();
    }

    #[test]
    fn every_directory_with_a_link_on_the_path_is_watched() {
        let (_scratch, volume) = config_map();
        assert_eq!(folders(&volume.join("jwks.json")), [volume.clone(), volume.join("..1")]);
        let outer = volume.parent().unwrap();
        symlink("volume", outer.join("keys")).unwrap();
        symlink(outer.join("keys/jwks.json"), outer.join("jwks.json")).unwrap();
        let all = [outer.to_owned(), volume.clone(), volume.join("..1")];
        assert_eq!(folders(&outer.join("jwks.json")), all);
        assert_eq!(folders(&outer.join("gone/jwks.json")), [outer.join("gone")]);
        symlink("round", outer.join("round")).unwrap();
        assert_eq!(folders(&outer.join("round")), [outer.to_owned()], "it ends");
    }

    #[tokio::test]
    async fn each_version_of_a_config_map_is_reported() {
        let (_scratch, volume) = config_map();
        let file = volume.join("jwks.json");
        let mut watch = FileWatch::new(&file).unwrap();
        assert!(!is_reported(&mut watch).await);
        for (old, new) in [("..1", "..2"), ("..2", "..3"), ("..3", "..4")] {
            update(&volume, old, new);
            // Its old directory has gone: the last report comes when all is done.
            assert!(is_reported(&mut watch).await, "{new}");
            while is_reported(&mut watch).await {}
            assert_eq!(fs::read_to_string(&file).unwrap(), new);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_or_written_or_linked_elsewhere_is_reported() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, other) = (scratch.path().join("a/jwks.json"), scratch.path().join("b"));
        let mut watch = FileWatch::new(&file).unwrap();
        fs::create_dir(scratch.path().join("a")).unwrap();
        assert!(is_reported(&mut watch).await, "its directory came into being");
        fs::write(&file, "one").unwrap();
        assert!(is_reported(&mut watch).await, "written");
        fs::write(scratch.path().join("a/new"), "two").unwrap();
        fs::rename(scratch.path().join("a/new"), &file).unwrap();
        assert!(is_reported(&mut watch).await, "replaced");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("real"), "three").unwrap();
        symlink(other.join("real"), scratch.path().join("a/new")).unwrap();
        fs::rename(scratch.path().join("a/new"), &file).unwrap();
        assert!(is_reported(&mut watch).await, "linked");
        while is_reported(&mut watch).await {}
        fs::write(other.join("real"), "four").unwrap();
        assert!(is_reported(&mut watch).await, "written at the end of the link");
    }
}
