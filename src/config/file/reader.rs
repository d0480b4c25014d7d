//! Walks a parsed file along the table of keys, and collects every mistake.
//!
//! By hand, not by derive: derive stops at the first mistake and knows neither
//! the nearest key nor what to write instead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeArray, DeTable, DeValue};
use toml::{Spanned, de};

use super::keys::{self, Key, Kind};
use super::{Document, Item, Shape, Table};
use crate::config::cidr::Cidr;
use crate::config::inputs::ConfigFile;
use crate::config::mistake::{Mistake, Mistakes, Place};
use crate::config::values::{duration, listen_address, nearest};
use crate::role::Malformed;

/// Reads a file as far as it can be read.
pub(super) fn read(file: &ConfigFile, mistakes: &mut Mistakes) -> Document {
    let text = file.text.expose();
    let mut reader = Reader {
        file: Arc::from(file.path.as_path()),
        text: text.strip_prefix('\u{feff}').unwrap_or(text),
        broken: BTreeSet::new(),
        mistakes,
    };
    let (table, errors) = DeTable::parse_recoverable(reader.text);
    for error in &errors {
        reader.syntax(error);
    }
    Document(reader.table(table.get_ref(), "", ""))
}

struct Reader<'a> {
    file: Arc<Path>,
    text: &'a str,
    /// Lines whose syntax is wrong; what seems to stand there is a guess.
    broken: BTreeSet<usize>,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn syntax(&mut self, error: &de::Error) {
        let place = self.place(error.span().map_or(self.text.len(), |span| span.start));
        if self.broken.insert(place.line) {
            self.mistakes.push(
                Mistake::new(error.message().to_owned())
                    .at(&place)
                    .hint("this file is TOML: key = \"text\", or [section]"),
            );
        }
    }

    /// `pattern` is where the table stands in the table of keys, `path` in the file.
    fn table(&mut self, table: &DeTable<'_>, pattern: &str, path: &str) -> Table {
        let mut items = BTreeMap::new();
        for (name, value) in table {
            let here = keys::join(path, name.get_ref());
            let Some(pattern) = keys::child(pattern, name.get_ref()) else {
                self.unknown(name, pattern, &here);
                continue;
            };
            let item = self.item(value, &pattern, &here);
            if let Some(item) = item {
                items.insert(name.get_ref().to_string(), item);
            }
        }
        Table(items)
    }

    fn item(&mut self, value: &Spanned<DeValue<'_>>, pattern: &str, path: &str) -> Option<Item> {
        let place = self.place(value.span().start);
        let key = keys::find(pattern);
        let list = format!("{pattern}[]");
        let shape = match (value.get_ref(), key) {
            (DeValue::Array(array), _) if keys::find(&list).is_some() || keys::is_parent(&list) => {
                Shape::List(self.list(array, &list, path))
            }
            (DeValue::Table(table), _) if keys::is_parent(pattern) => {
                Shape::Table(self.table(table, pattern, path))
            }
            (value, Some(key)) => match scalar(key, value) {
                Ok(text) if text.is_empty() && key.kind != Kind::Verbatim => return None,
                Ok(text) => Shape::Text(text),
                Err(wrong) => {
                    self.say(wrong.at(&place).key(path));
                    Shape::Broken
                }
            },
            (value, None) => {
                let is_list = keys::find(&list).is_some() || keys::is_parent(&list);
                self.say(misshapen(value, is_list, path).at(&place).key(path));
                Shape::Broken
            }
        };
        Some(Item { key: path.to_owned(), place, shape })
    }

    fn list(&mut self, array: &DeArray<'_>, pattern: &str, path: &str) -> Vec<Item> {
        array.iter().filter_map(|value| self.item(value, pattern, path)).collect()
    }

    fn unknown(&mut self, name: &Spanned<de::DeString<'_>>, pattern: &str, path: &str) {
        let known = keys::names(pattern);
        let hint = if name.get_ref().starts_with("aws_") {
            "keys do not belong here: put them into a profile, and name it as source_profile"
                .to_owned()
        } else if let Some(near) = nearest(name.get_ref(), known.iter().copied()) {
            format!("did you mean {near}?")
        } else {
            format!("known ones here are {}", known.join(", "))
        };
        let place = self.place(name.span().start);
        self.say(Mistake::new("no such key").at(&place).key(path).hint(hint));
    }

    /// Says it, unless its line is broken anyway.
    fn say(&mut self, mistake: Mistake) {
        let line = mistake.place.as_ref().map(|place| place.line);
        if !line.is_some_and(|line| self.broken.contains(&line)) {
            self.mistakes.push(mistake);
        }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        Place {
            file: Arc::clone(&self.file),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

fn misshapen(value: &DeValue<'_>, is_list: bool, path: &str) -> Mistake {
    let (wanted, hint) = if is_list {
        ("a list", format!("write {} = [ … ]", last(path)))
    } else {
        ("a table", format!("write [{path}] on a line of its own"))
    };
    Mistake::new(format!("{}, where {wanted} belongs", shape_of(value))).hint(hint)
}

/// The value as text, where it is of the key's kind.
fn scalar(key: &Key, value: &DeValue<'_>) -> Result<String, Mistake> {
    let malformed =
        |wrong: Malformed| Mistake::new(format!("not {}", wrong.expected)).hint(wrong.why);
    match (key.kind, value) {
        (Kind::Text | Kind::Verbatim | Kind::Leaf, DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Span, DeValue::String(text)) => {
            duration(text).map(|_| text.to_string()).map_err(malformed)
        }
        (Kind::Span, DeValue::Integer(_)) => {
            let seconds = whole(value).and_then(|number| u64::try_from(number).ok());
            seconds.map(|seconds| seconds.to_string()).ok_or_else(|| {
                Mistake::new("not a duration").hint("write whole seconds, or 90s, 15m, 1h")
            })
        }
        (Kind::Number(least, most), DeValue::Integer(_)) => whole(value)
            .filter(|number| (least..=most).contains(number))
            .map(|number| number.to_string())
            .ok_or_else(|| {
                Mistake::new("out of range").hint(format!("write a number from {least} to {most}"))
            }),
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(flag.to_string()),
        (Kind::Choice(known), DeValue::String(text)) => {
            if text.is_empty() || known.contains(&text.as_ref()) {
                return Ok(text.to_string());
            }
            let hint = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known ones are {}", known.join(", ")),
            };
            Err(Mistake::new("not one of the choices").hint(hint))
        }
        (Kind::Address, DeValue::String(text)) => {
            listen_address(text).map(|_| text.to_string()).map_err(malformed)
        }
        (Kind::Network, DeValue::String(text)) => {
            text.parse::<Cidr>().map(|_| text.to_string()).map_err(malformed)
        }
        (kind, value) => {
            Err(Mistake::new(format!("{}, where {} belongs", shape_of(value), shape_for(kind)))
                .hint(format!("write it as in {} = {}", last(key.path), key.example)))
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn last(path: &str) -> &str {
    path.trim_end_matches("[]").trim_end_matches(".*").rsplit('.').next().unwrap_or(path)
}

const fn shape_for(kind: Kind) -> &'static str {
    match kind {
        Kind::Number(..) => "a number",
        Kind::Flag => "true or false",
        Kind::Span => "a duration",
        _ => "a text",
    }
}

const fn shape_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
