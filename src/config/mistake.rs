//! What is wrong in somebody's settings, and where.
//!
//! Reading never stops at the first mistake: whoever reads collects them in
//! [`Mistakes`], and the user gets all of them at once. A text here never
//! quotes a value, for a value may be a key that was put in the wrong place.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A spot in a file, lines and columns counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<Path>,
    /// Its line.
    pub line: usize,
    /// The character of that line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One thing that must change before the daemon can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands; absent for flags and environment variables.
    pub place: Option<Place>,
    /// What it is called there: `role_arn`, `--listen`, `AWS_REGION`.
    pub key: Option<String>,
    /// A lower-case fragment that names what is wrong.
    pub what: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

/// Something that can be lived with, yet is worth saying; it has the parts of a mistake.
pub type Warning = Mistake;

impl Mistake {
    /// A mistake that belongs to nothing in particular.
    pub fn new(what: impl Into<String>) -> Self {
        Self { place: None, key: None, what: what.into(), hint: None }
    }

    /// Adds the spot.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }

    /// Adds the name of the setting.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every mistake of one reading, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Notes one more; the same mistake met twice is told once.
    pub fn push(&mut self, mistake: Mistake) {
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    /// Notes the mistake of a failed step, and goes on without its result.
    pub fn note<T>(&mut self, step: Result<T, Mistake>) -> Option<T> {
        step.map_err(|mistake| self.push(mistake)).ok()
    }

    /// True while nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every mistake found.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.0.iter()
    }

    /// Puts them in reading order: those without a place last, as they were found.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| match (a.place.as_ref(), b.place.as_ref()) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: usize) -> Place {
        Place { file: Arc::from(Path::new("/etc/assumed/config.toml")), line, column: 9 }
    }

    #[test]
    fn a_mistake_is_a_line_and_its_hint_another() {
        let mistake =
            Mistake::new("not a duration").at(&place(3)).key("ready_timeout").hint("write 30s");
        assert_eq!(
            mistake.to_string(),
            "/etc/assumed/config.toml:3:9: ready_timeout: not a duration\nhint: write 30s"
        );
        assert_eq!(Mistake::new("no home").key("--state-dir").to_string(), "--state-dir: no home");
    }

    #[test]
    fn all_mistakes_are_told_once_in_reading_order() {
        let mut mistakes = Mistakes::default();
        mistakes.push(Mistake::new("of a flag"));
        mistakes.push(Mistake::new("second").at(&place(7)));
        mistakes.push(Mistake::new("first").at(&place(2)));
        mistakes.push(Mistake::new("second").at(&place(7)));
        mistakes.sort();
        let told: Vec<&str> = mistakes.iter().map(|m| m.what.as_str()).collect();
        assert_eq!(told, ["first", "second", "of a flag"]);
    }
}
