//! One setting, with the name under which the user set it.
//!
//! Wherever a value comes from, it is judged by the same rules; only the
//! mistake names another place.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::file::{Item, Table};
use super::mistake::{Mistake, Place};
use super::profile::{Section, Value};
use crate::environment::Environment;
use crate::role::Malformed;

/// A text that somebody set. No `Debug`: it may be a key in the wrong place.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) key: &'a str,
    pub(super) text: &'a str,
    pub(super) place: Option<&'a Place>,
}

impl<'a> Setting<'a> {
    /// What a flag or the program itself says.
    pub(super) const fn flag(key: &'a str, text: &'a str) -> Self {
        Self { key, text, place: None }
    }

    /// What an environment variable says.
    pub(super) fn variable(environment: &'a Environment, name: &'a str) -> Option<Self> {
        environment.get(name).map(|text| Self::flag(name, text))
    }

    /// What a key of a profile says.
    pub(super) fn of(key: &'a str, value: &'a Value) -> Self {
        Self { key, text: value.text(), place: Some(&value.place) }
    }

    /// A mistake about this setting.
    pub(super) fn mistake(&self, what: impl Into<String>) -> Mistake {
        Mistake {
            place: self.place.cloned(),
            key: Some(self.key.to_owned()),
            what: what.into(),
            hint: None,
        }
    }

    /// The value, where the text is one.
    pub(super) fn parse<T: FromStr<Err = Malformed>>(&self) -> Result<T, Mistake> {
        self.text.parse().map_err(|malformed| self.malformed(&malformed))
    }

    pub(super) fn malformed(&self, malformed: &Malformed) -> Mistake {
        self.mistake(format!("not {}", malformed.expected)).hint(malformed.why)
    }
}

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
