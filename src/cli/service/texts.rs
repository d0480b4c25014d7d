//! Files as a plan wants to know them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is in a file; nothing where there is none.
pub(super) fn text(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Those of these files that are there.
pub(super) fn texts(places: Vec<PathBuf>) -> BTreeMap<PathBuf, String> {
    places.into_iter().filter_map(|place| Some((place.clone(), text(&place)?))).collect()
}

/// What a folder holds; nothing where there is none.
pub(super) fn listing(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
