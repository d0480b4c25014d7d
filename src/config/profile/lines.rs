//! One shared file, line by line.
//!
//! The rules are those of Python's `configparser`, which the AWS CLI uses, and
//! of the SDKs' own readers where those are kinder: comments after a value, and
//! sections or keys that come twice. A broken line is a mistake, and reading
//! goes on behind it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{FileKind, SharedFile, Value};
use crate::config::mistake::{Mistake, Mistakes, Place};
use crate::secret::Secret;

const BLANK: [char; 5] = [' ', '\t', '\r', '\x0b', '\x0c'];
const COMMENT: [char; 2] = ['#', ';'];

/// What a section's name says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// `bare` without the word `profile`.
    Profile {
        name: String,
        bare: bool,
    },
    SsoSession(String),
    Services(String),
    /// Would be a profile, were it named as this file wants it.
    Misplaced {
        name: String,
        hint: String,
    },
    /// Somebody else's, or broken: its keys are read and dropped.
    Foreign,
}

pub(super) struct RawSection {
    pub(super) header: Header,
    pub(super) place: Place,
    pub(super) values: BTreeMap<String, Value>,
}

/// All sections in the order of the file.
pub(super) fn read(file: &SharedFile, kind: FileKind, mistakes: &mut Mistakes) -> Vec<RawSection> {
    let mut reader = Reader {
        kind,
        file: Arc::from(file.path.as_path()),
        line: 0,
        sections: Vec::new(),
        open: None,
        indent: 0,
        mistakes,
    };
    let text = file.text.expose();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
        reader.line += 1;
        reader.read_line(line);
    }
    reader.sections
}

struct Reader<'a> {
    kind: FileKind,
    file: Arc<Path>,
    line: usize,
    sections: Vec<RawSection>,
    /// The key that an indented line continues.
    open: Option<String>,
    indent: usize,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn read_line(&mut self, line: &str) {
        let text = line.trim_matches(BLANK);
        if text.is_empty() || text.starts_with(COMMENT) {
            return;
        }
        let indent = line.chars().take_while(|c| BLANK.contains(c)).count();
        if text.contains('\u{fffd}') {
            self.broken(indent, "not UTF-8 text", "save the file as UTF-8");
        } else if indent > self.indent && self.open.is_some() {
            self.read_continuation(text, indent);
        } else {
            self.indent = indent;
            self.open = None;
            if text.starts_with('[') {
                self.read_header(text, indent);
            } else {
                self.read_property(text, indent);
            }
        }
    }

    fn read_header(&mut self, text: &str, indent: usize) {
        let header = if let Some((words, raw)) = words(text) {
            header(self.kind, &words, raw)
        } else {
            let hint = match self.kind {
                FileKind::Config => {
                    "a section begins with [profile NAME]; a NAME with blanks stands in quotes"
                }
                FileKind::Credentials => "a section begins with [NAME]",
            };
            self.broken(indent, "not a section name", hint);
            Header::Foreign
        };
        let place = self.place(indent);
        self.sections.push(RawSection { header, place, values: BTreeMap::new() });
    }

    fn read_property(&mut self, text: &str, indent: usize) {
        let Some((key, value)) = self.property(text, indent) else {
            return;
        };
        match self.sections.last_mut() {
            Some(section) => {
                self.open = Some(key.clone());
                section.values.insert(key, value);
            }
            None => self.broken(
                indent,
                "a key before any section",
                "put a line such as [default] above it",
            ),
        }
    }

    fn read_continuation(&mut self, text: &str, indent: usize) {
        let continued = self.open.clone().unwrap_or_default();
        let nested = match self.value(&continued) {
            Some(value) if value.text().is_empty() => true,
            Some(value) => {
                value.text = Secret::new(format!("{}\n{text}", value.text()));
                false
            }
            None => false,
        };
        if nested
            && let Some((key, inner)) = self.property(text, indent)
            && let Some(value) = self.value(&continued)
        {
            value.block.insert(key, inner);
        }
    }

    fn value(&mut self, key: &str) -> Option<&mut Value> {
        self.sections.last_mut()?.values.get_mut(key)
    }

    fn property(&mut self, text: &str, indent: usize) -> Option<(String, Value)> {
        let text = without_comment(text);
        let (key, value) = match text.split_once('=') {
            Some((key, _)) if key.trim_matches(BLANK).is_empty() => {
                self.broken(indent, "a value without a key", "write key = value");
                return None;
            }
            Some(parts) => parts,
            None => {
                self.broken(
                    indent,
                    "neither a section nor a key with a value",
                    "write key = value, or put a # before a comment",
                );
                return None;
            }
        };
        let trimmed = value.trim_matches(BLANK);
        let before = text.len() - value.trim_start_matches(BLANK).len();
        let column = indent + text.get(..before).unwrap_or(text).chars().count();
        let value = Value {
            text: Secret::new(trimmed),
            place: self.place(column),
            file: self.kind,
            block: BTreeMap::new(),
        };
        Some((key.trim_matches(BLANK).to_ascii_lowercase(), value))
    }

    fn place(&self, before: usize) -> Place {
        Place { file: Arc::clone(&self.file), line: self.line, column: before + 1 }
    }

    fn broken(&mut self, before: usize, what: &str, hint: &str) {
        let place = self.place(before);
        self.mistakes.push(Mistake::new(what).at(&place).hint(hint));
    }
}

/// The value ends where a comment begins: at a `#` or `;` behind a blank.
fn without_comment(text: &str) -> &str {
    let mut blank = false;
    for (index, c) in text.char_indices() {
        if blank && COMMENT.contains(&c) {
            return text.get(..index).unwrap_or(text).trim_end_matches(BLANK);
        }
        blank = BLANK.contains(&c);
    }
    text
}

/// The words between the brackets with their quotes taken off, and what stood there.
/// `None` where bracket or quote does not close, or something follows the bracket.
fn words(text: &str) -> Option<(Vec<String>, &str)> {
    let inside = text.strip_prefix('[')?;
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for (index, c) in inside.char_indices() {
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if BLANK.contains(&c) => words.extend(word.take()),
            (None, ']') => {
                words.extend(word.take());
                let rest = inside.get(index + 1..)?.trim_matches(BLANK);
                let named = words.iter().any(|word| !word.is_empty());
                return (named && (rest.is_empty() || rest.starts_with(COMMENT)))
                    .then_some((words, inside.get(..index)?.trim_matches(BLANK)));
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    None
}

fn header(file: FileKind, words: &[String], raw: &str) -> Header {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (file, words.as_slice()) {
        (_, ["default"]) => Header::Profile { name: "default".to_owned(), bare: true },
        (FileKind::Config, ["profile", name]) => {
            Header::Profile { name: (*name).to_owned(), bare: false }
        }
        (FileKind::Config, ["sso-session", name]) => Header::SsoSession((*name).to_owned()),
        (FileKind::Config, ["services", name]) => Header::Services((*name).to_owned()),
        (FileKind::Config, [name]) => Header::Misplaced {
            name: (*name).to_owned(),
            hint: "in the config file its line reads [profile NAME]".to_owned(),
        },
        (FileKind::Config, ["profile", many @ ..]) if many.len() > 1 => Header::Misplaced {
            name: many.join(" "),
            hint: "a name with blanks stands in quotes: [profile \"NAME\"]".to_owned(),
        },
        (FileKind::Credentials, ["profile", name]) => Header::Misplaced {
            name: (*name).to_owned(),
            hint: "in the credentials file its line reads [NAME], without profile".to_owned(),
        },
        // Here the CLI takes blanks and quotes as part of the name.
        (FileKind::Credentials, _) => Header::Profile { name: raw.to_owned(), bare: true },
        (FileKind::Config, _) => Header::Foreign,
    }
}
