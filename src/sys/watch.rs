//! Tells when something has been written into a folder that may not be there yet.
//!
//! For as long as it is held, and without ticking where the kernel can tell. What
//! was written, and whether it is of any use, is the caller's affair.

use std::path::Path;
use std::time::SystemTime;

pub mod file;
#[cfg(target_os = "linux")]
pub mod inotify;
pub mod slices;

#[cfg(target_os = "linux")]
pub use inotify::InotifyWatch as FolderWatch;
#[cfg(not(target_os = "linux"))]
pub use slices::SlicedWatch as FolderWatch;

/// True where a file of this folder was written at that time or later.
#[must_use]
pub fn written_since(folder: &Path, time: SystemTime) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let written = files.filter_map(|file| file.metadata().ok()?.modified().ok());
    written.into_iter().any(|written| written >= time)
}
