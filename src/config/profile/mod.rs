//! The shared AWS config and credentials files, as every AWS tool reads them.
//!
//! Ours, and not the SDK's reader, because a mistake has to be named with file
//! and line, and because the SDK drops what it does not use itself
//! (`mfa_serial`, `duration_seconds`). What the CLI accepts is accepted. It
//! knows sections and keys, not what they mean; that is [`super::chain`].

mod excerpt;
mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use excerpt::EXCERPT;

use super::mistake::{Mistakes, Place};
use crate::secret::Secret;

/// A file and its text; the text may hold keys.
#[derive(Debug, Clone)]
pub struct SharedFile {
    /// Its name, as mistakes show it.
    pub path: PathBuf,
    /// All of it.
    pub text: Secret,
}

impl SharedFile {
    /// Takes a file as it was read. Bytes that are no UTF-8 become a mistake of their line.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Self { path: path.into(), text: Secret::new(text) }
    }
}

/// The two shared files; an absent one is `None`.
#[derive(Debug, Clone, Default)]
pub struct SharedFiles {
    /// `~/.aws/config`
    pub config: Option<SharedFile>,
    /// `~/.aws/credentials`
    pub credentials: Option<SharedFile>,
}

/// Which of the two files something stands in; the rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Config,
    Credentials,
}

/// What a key is set to. `Debug` shows the place only.
#[derive(Debug, Clone)]
pub(super) struct Value {
    text: Secret,
    pub(super) place: Place,
    pub(super) file: FileKind,
    /// The indented `key = value` lines under a key without a value of its own.
    block: BTreeMap<String, Self>,
}

impl Value {
    pub(super) fn text(&self) -> &str {
        self.text.expose()
    }
}

/// The keys under one `[name]`, those of both files together.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) place: Place,
    values: BTreeMap<String, Value>,
}

impl Section {
    /// A key that is set; set to nothing counts as not set.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.text().is_empty())
    }

    /// A key of an indented block: `endpoint_url` under `sts =`.
    pub(super) fn nested(&self, block: &str, key: &str) -> Option<&Value> {
        self.values.get(block)?.block.get(key).filter(|value| !value.text().is_empty())
    }

    /// All keys that are set.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .filter(|(_, value)| !value.text().is_empty())
            .map(|(key, value)| (key.as_str(), value))
    }

    fn absorb(&mut self, values: BTreeMap<String, Value>) {
        self.values.extend(values);
    }
}

/// A section that every AWS tool passes over, for it bears the wrong kind of name.
#[derive(Debug, Clone)]
pub(super) struct Misplaced {
    pub(super) place: Place,
    pub(super) hint: String,
}

/// Both files, merged.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    by_name: BTreeMap<String, Section>,
    sso_sessions: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
    misplaced: BTreeMap<String, Misplaced>,
}

impl Profiles {
    /// Reads both files; where both have a key, the credentials file wins.
    pub fn read(files: &SharedFiles, mistakes: &mut Mistakes) -> Self {
        let mut profiles = Self::default();
        if let Some(file) = &files.config {
            profiles.merge(lines::read(file, FileKind::Config, mistakes));
        }
        if let Some(file) = &files.credentials {
            profiles.merge(lines::read(file, FileKind::Credentials, mistakes));
        }
        profiles
    }

    /// The names of all profiles, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// True where a profile says which role to assume.
    #[must_use]
    pub fn names_a_role(&self, profile: &str) -> bool {
        self.profile(profile).is_some_and(|section| section.get("role_arn").is_some())
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Section> {
        self.by_name.get(name)
    }

    pub(super) fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    pub(super) fn sso_sessions(&self) -> impl Iterator<Item = &str> {
        self.sso_sessions.keys().map(String::as_str)
    }

    pub(super) fn services(&self, name: &str) -> Option<&Section> {
        self.services.get(name)
    }

    pub(super) fn misplaced(&self, name: &str) -> Option<&Misplaced> {
        self.misplaced.get(name)
    }

    fn merge(&mut self, sections: Vec<lines::RawSection>) {
        // Every SDK drops `[default]` as a whole where `[profile default]` stands beside it.
        let prefixed = sections.iter().any(|section| {
            section.header == lines::Header::Profile { name: "default".to_owned(), bare: false }
        });
        for section in sections {
            let (map, name) = match section.header {
                lines::Header::Profile { bare: true, name } if prefixed && name == "default" => {
                    continue;
                }
                lines::Header::Profile { name, .. } => (&mut self.by_name, name),
                lines::Header::SsoSession(name) => (&mut self.sso_sessions, name),
                lines::Header::Services(name) => (&mut self.services, name),
                lines::Header::Misplaced { name, hint } => {
                    let place = section.place;
                    self.misplaced.insert(name, Misplaced { place, hint });
                    continue;
                }
                lines::Header::Foreign => continue,
            };
            map.entry(name.clone())
                .or_insert(Section { name, place: section.place, values: BTreeMap::new() })
                .absorb(section.values);
        }
    }
}
