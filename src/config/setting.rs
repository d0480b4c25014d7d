//! One setting, with the name under which the user set it.
//!
//! Wherever a value comes from, it is judged by the same rules; only the
//! mistake names another place.

use std::str::FromStr;

use super::mistake::{Mistake, Place};
use super::profile::Value;
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
