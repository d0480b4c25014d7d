//! The daemon's own settings file: TOML, strict.
//!
//! What comes out is well-formed and known, each text with its place. What the
//! texts mean together is decided where flags and profiles are at hand too.

mod keys;
mod reader;
#[cfg(test)]
mod tests;

pub use keys::{KEYS, Key, Kind, LEAVES};

use std::collections::BTreeMap;

use super::inputs::ConfigFile;
use super::mistake::{Mistakes, Place};
use super::setting::Setting;

/// A file, as far as it was in order.
#[derive(Default)]
pub(super) struct Document(Table);

#[derive(Default)]
pub(super) struct Table(BTreeMap<String, Item>);

/// What stands behind a key, in order as far as it goes.
pub(super) struct Item {
    /// From the top of the file, parted by dots.
    pub(super) key: String,
    pub(super) place: Place,
    shape: Shape,
}

enum Shape {
    Text(String),
    List(Vec<Item>),
    Table(Table),
    /// Something wrong, which is told already.
    Broken,
}

impl Document {
    pub(super) fn read(file: Option<&ConfigFile>, mistakes: &mut Mistakes) -> Self {
        file.map(|file| reader::read(file, mistakes)).unwrap_or_default()
    }

    /// The text at a path such as `imds.http_tokens`.
    pub(super) fn get(&self, path: &str) -> Option<Setting<'_>> {
        match path.split_once('.') {
            Some((section, key)) => self.0.table(section)?.get(key),
            None => self.0.get(path),
        }
    }

    /// The entries of the list at a path; none where there is no list.
    pub(super) fn list(&self, path: &str) -> &[Item] {
        match path.split_once('.') {
            Some((section, key)) => self.0.table(section).map_or(&[], |table| table.list(key)),
            None => self.0.list(path),
        }
    }

    /// The table at a path without dots, or of a role.
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.0.table(name)
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<Setting<'_>> {
        self.0.get(key)?.setting()
    }

    /// True where the key stands there, even with a wrong value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn list(&self, key: &str) -> &[Item] {
        match self.0.get(key).map(|item| &item.shape) {
            Some(Shape::List(items)) => items,
            _ => &[],
        }
    }

    pub(super) fn table(&self, key: &str) -> Option<&Self> {
        self.0.get(key)?.table()
    }

    /// All texts in it, by their names.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, Setting<'_>)> {
        self.0.iter().filter_map(|(name, item)| Some((name.as_str(), item.setting()?)))
    }

    /// Everything in it that is in order, by its name.
    pub(super) fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.0.iter().map(|(name, item)| (name.as_str(), item))
    }

    /// All tables in it, in the order in which they are written.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &Item)> {
        let named = self.0.iter().map(|(name, item)| (name.as_str(), item));
        let mut tables: Vec<_> = named.filter(|(_, item)| item.table().is_some()).collect();
        tables.sort_by_key(|(_, item)| &item.place);
        tables.into_iter()
    }
}

impl Item {
    /// The text, with its place.
    pub(super) fn setting(&self) -> Option<Setting<'_>> {
        match &self.shape {
            Shape::Text(text) => Some(Setting { key: &self.key, text, place: Some(&self.place) }),
            _ => None,
        }
    }

    /// The entries, where it is a list.
    pub(super) fn list(&self) -> Option<&[Self]> {
        match &self.shape {
            Shape::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) const fn table(&self) -> Option<&Table> {
        match &self.shape {
            Shape::Table(table) => Some(table),
            _ => None,
        }
    }
}
