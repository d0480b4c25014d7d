//! Whose home the daemon reads: one line of the machine's accounts.

use std::path::PathBuf;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it is called.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its home.
    pub home: PathBuf,
}

impl Account {
    /// From a line of `getent passwd`, or of macOS's `id -P`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        // BSD's lines have three more in the middle.
        let home = if fields.len() > 8 { 8 } else { 5 };
        Some(Self {
            name: (*fields.first()?).to_owned(),
            uid: fields.get(2)?.parse().ok()?,
            home: fields.get(home).filter(|home| home.starts_with('/'))?.into(),
        })
    }

    /// True for a name that a unit can be called after.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_either_kind_is_read() {
        let alice = Account { name: "alice".into(), uid: 1000, home: "/srv/alice".into() };
        let told = Account::parse("alice:x:1000:1000:Alice,,,:/srv/alice:/bin/sh\n");
        assert_eq!(told, Some(alice));
        let told = Account::parse("bob:********:501:20::0:0:Bob:/Users/bob:/bin/zsh").unwrap();
        assert_eq!((told.uid, told.home), (501, "/Users/bob".into()));
        assert_eq!(Account::parse("nonsense"), None);
    }

    #[test]
    fn no_name_leaves_the_name_of_a_unit() {
        assert!(Account::is_name("jane.doe-2") && Account::is_name("_svc"));
        for name in ["", "-x", "a/b", "a@b", "a b", "..", "%i"] {
            assert!(!Account::is_name(name), "{name}");
        }
    }
}
