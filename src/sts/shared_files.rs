//! One profile of the shared files, as it stands at this moment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::config::ProfilePaths;
use crate::failure::{Failure, Kind};

/// The keys of one profile; values may be secret, so `Debug` shows names only.
pub(super) struct Section {
    profile: String,
    keys: BTreeMap<String, String>,
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.keys()).finish()
    }
}

impl Section {
    /// Reads both files; what stands in the credentials file wins.
    pub(super) fn read(paths: &ProfilePaths, profile: &str) -> Result<Self, Failure> {
        let mut keys = BTreeMap::new();
        let heading = match profile {
            "default" => "default".to_owned(),
            name => format!("profile {name}"),
        };
        let found = [
            collect(&paths.config, &heading, &mut keys)?,
            collect(&paths.credentials, profile, &mut keys)?,
        ];
        if found == [false, false] {
            return Err(Failure::new(Kind::NoBase, format!("there is no profile {profile}")));
        }
        Ok(Self { profile: profile.to_owned(), keys })
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn need(&self, key: &str) -> Result<&str, Failure> {
        self.get(key).ok_or_else(|| {
            Failure::new(Kind::NoBase, format!("profile {} has no {key}", self.profile))
        })
    }
}

fn collect(
    path: &Path,
    heading: &str,
    keys: &mut BTreeMap<String, String>,
) -> Result<bool, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(Failure::new(
                Kind::NoBase,
                format!("cannot read {}: {error}", path.display()),
            ));
        }
    };
    let mut found = false;
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.split_whitespace().eq(heading.split_whitespace());
            found |= inside;
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            keys.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    Ok(found)
}
