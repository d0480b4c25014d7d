//! What is said about one role, in a profile or in a settings file.

use std::collections::BTreeMap;

use super::file::{Item, Table};
use super::profile::Section;
use super::setting::Setting;

/// What stands behind a key: in a profile always a text, in a settings file
/// perhaps a list or a table.
#[derive(Clone)]
struct Entry<'a> {
    /// Without a text where it is a list or a table.
    setting: Setting<'a>,
    /// The members, by name where it is a table.
    members: Option<Vec<(&'a str, Setting<'a>)>>,
}

/// What is said about one role, under the names of the shared config file.
#[derive(Clone, Default)]
pub(super) struct Keys<'a>(BTreeMap<&'a str, Entry<'a>>);

impl<'a> Keys<'a> {
    pub(super) fn of(section: &'a Section) -> Self {
        let mut keys = Self::default();
        for (key, value) in section.values() {
            keys.set(key, Setting::of(key, value));
        }
        keys
    }

    pub(super) fn of_table(table: &'a Table) -> Self {
        Self(table.items().filter_map(|(key, item)| Some((key, Entry::of(item)?))).collect())
    }

    /// A key that is set; its text is empty where a list or a table stands there.
    pub(super) fn get(&self, key: &str) -> Option<Setting<'a>> {
        self.0.get(key).map(|entry| entry.setting)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The members of a list; in a profile they are parted by commas.
    pub(super) fn list(&self, key: &str) -> Vec<Setting<'a>> {
        let Some(Entry { setting, members }) = self.0.get(key) else {
            return Vec::new();
        };
        match members {
            Some(members) => members.iter().map(|(_, member)| *member).collect(),
            None => parts(*setting).collect(),
        }
    }

    /// The words of a command, where they are parted already.
    pub(super) fn words(&self, key: &str) -> Option<Vec<&'a str>> {
        let members = self.0.get(key)?.members.as_ref()?;
        Some(members.iter().map(|(_, member)| member.text).collect())
    }

    /// The members of a table; in a profile they are written `a=1, b=2`.
    pub(super) fn pairs(&self, key: &str) -> Vec<(&'a str, Setting<'a>)> {
        let Some(Entry { setting, members }) = self.0.get(key) else {
            return Vec::new();
        };
        members.clone().unwrap_or_else(|| {
            let pair = |part: Setting<'a>| {
                let (name, value) = part.text.split_once('=').unwrap_or((part.text, ""));
                (name.trim(), Setting { text: value.trim(), ..part })
            };
            parts(*setting).map(pair).collect()
        })
    }

    /// Puts a stronger layer on top.
    pub(super) fn set(&mut self, key: &'a str, setting: Setting<'a>) {
        self.0.insert(key, Entry { setting, members: None });
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }
}

impl<'a> Entry<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        if let Some(setting) = item.setting() {
            return Some(Self { setting, members: None });
        }
        let members: Vec<_> = if let Some(table) = item.table() {
            table.settings().collect()
        } else {
            let members = item.list()?.iter().filter_map(Item::setting);
            members.map(|member| (member.key, member)).collect()
        };
        let setting = Setting { key: &item.key, text: "", place: Some(&item.place) };
        (!members.is_empty()).then_some(Self { setting, members: Some(members) })
    }
}

fn parts(setting: Setting<'_>) -> impl Iterator<Item = Setting<'_>> {
    let texts = setting.text.split([',', '\n']).map(str::trim).filter(|text| !text.is_empty());
    texts.map(move |text| Setting { text, ..setting })
}
