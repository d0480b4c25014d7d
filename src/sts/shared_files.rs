//! One profile of the shared files, as it stands at this moment.

use std::io;
use std::path::Path;

use super::request::BaseKind;
use crate::config::{Mistakes, Profiles, SharedFile, SharedFiles};
use crate::environment::ProfilePaths;
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// What a base needs of its profile, as a config file of its own.
#[derive(Debug)]
pub(super) struct Excerpt {
    profile: String,
    text: Secret,
}

impl Excerpt {
    /// Reads both files. Their mistakes were told at the start; here only this profile matters.
    pub(super) fn read(
        paths: &ProfilePaths,
        profile: &str,
        kind: BaseKind,
    ) -> Result<Self, Failure> {
        let files =
            SharedFiles { config: read(&paths.config)?, credentials: read(&paths.credentials)? };
        let profiles = Profiles::read(&files, &mut Mistakes::default());
        let text = profiles.excerpt(profile, kind).ok_or_else(|| {
            Failure::new(Kind::NoBase, format!("profile {profile} is not there any more"))
                .hint("it, or the sso-session that it names, has gone from the shared files")
        })?;
        Ok(Self { profile: profile.to_owned(), text })
    }

    /// The file, for the SDK.
    pub(super) fn text(&self) -> &str {
        self.text.expose()
    }

    /// A key of the profile.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let is_it = |line: &'_ str| line.split_once(" = ").is_some_and(|(name, _)| name == key);
        let line = self.text().lines().find(|line| is_it(line))?;
        line.split_once(" = ").map(|(_, value)| value)
    }

    /// A key that this kind of profile has to have.
    pub(super) fn need(&self, key: &str) -> Result<&str, Failure> {
        self.get(key).ok_or_else(|| {
            Failure::new(Kind::NoBase, format!("profile {} has no {key} any more", self.profile))
        })
    }
}

fn read(path: &Path) -> Result<Option<SharedFile>, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(SharedFile::new(path, bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::new(Kind::NoBase, format!("cannot read {}: {error}", path.display())))
        }
    }
}
