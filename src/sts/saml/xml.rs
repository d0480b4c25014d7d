//! As much of XML as it takes to look into an assertion, and no more.
//!
//! No document type, so no entities but the five of XML itself: nothing can
//! grow or be fetched. Names lose their prefix. What is not well-formed ends the
//! reading; what is deeper than any assertion does too.

use std::borrow::Cow;

/// Deeper than any identity provider nests.
const DEEPEST: usize = 64;

/// Why a text could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// What stands next in the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `<name ...>`; of `<name/>` an end follows.
    Start { name: &'a str, attributes: Vec<(&'a str, Cow<'a, str>)> },
    /// `</name>`
    End { name: &'a str },
    /// Text that is more than blanks.
    Text(Cow<'a, str>),
}

/// Reads a text from its beginning to its end.
pub(super) struct Reader<'a> {
    rest: &'a str,
    open: Vec<&'a str>,
    /// An element without content has to be ended yet.
    closing: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, open: Vec::new(), closing: None }
    }

    /// What stands next; `None` at the proper end.
    pub(super) fn next(&mut self) -> Result<Option<Event<'a>>, Unreadable> {
        if let Some(name) = self.closing.take() {
            return Ok(Some(Event::End { name }));
        }
        while !self.rest.is_empty() {
            let event = if self.rest.starts_with('<') { self.markup()? } else { self.text()? };
            if event.is_some() {
                return Ok(event);
            }
        }
        if self.open.is_empty() { Ok(None) } else { Err(Unreadable("it ends too soon")) }
    }

    fn markup(&mut self) -> Result<Option<Event<'a>>, Unreadable> {
        if self.rest.starts_with("<?") {
            self.until("?>").map(|_| None)
        } else if self.rest.starts_with("<!--") {
            self.until("-->").map(|_| None)
        } else if let Some(data) = self.rest.strip_prefix("<![CDATA[") {
            let text = self.until("]]>")?;
            let inside = text.len() - "<![CDATA[".len();
            Ok(data.get(..inside).map(|text| Event::Text(text.into())))
        } else if self.rest.starts_with("<!") {
            Err(Unreadable("it has a document type, which no assertion has"))
        } else if self.rest.starts_with("</") {
            let tag = self.until(">")?;
            let name = local(tag.trim_start_matches("</").trim());
            if self.open.pop() == Some(name) {
                Ok(Some(Event::End { name }))
            } else {
                Err(Unreadable("its tags do not match"))
            }
        } else {
            self.start().map(Some)
        }
    }

    fn start(&mut self) -> Result<Event<'a>, Unreadable> {
        let broken = Unreadable("it has a broken tag");
        let mut rest = self.rest.strip_prefix('<').ok_or(broken)?;
        let name = word(&mut rest).ok_or(broken)?;
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(behind) = rest.strip_prefix("/>") {
                self.rest = behind;
                self.closing = Some(name);
                break;
            } else if let Some(behind) = rest.strip_prefix('>') {
                self.rest = behind;
                self.open.push(name);
                break;
            }
            attributes.push(attribute(&mut rest).ok_or(broken)?);
        }
        if self.open.len() > DEEPEST {
            return Err(Unreadable("it is nested too deeply"));
        }
        Ok(Event::Start { name, attributes })
    }

    fn text(&mut self) -> Result<Option<Event<'a>>, Unreadable> {
        let end = self.rest.find('<').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if text.trim().is_empty() {
            return Ok(None);
        }
        if self.open.is_empty() {
            return Err(Unreadable("it is no XML"));
        }
        let text = unescaped(text).ok_or(Unreadable("it has an entity that XML does not know"))?;
        Ok(Some(Event::Text(text)))
    }

    /// Goes behind `mark`, and gives what stood before it.
    fn until(&mut self, mark: &str) -> Result<&'a str, Unreadable> {
        let (before, behind) = self.rest.split_once(mark).ok_or(Unreadable("it ends too soon"))?;
        self.rest = behind;
        Ok(before)
    }
}

/// A name at the start of `rest`, without its prefix.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let is_part = |c: char| c.is_alphanumeric() || "_:.-".contains(c);
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    *rest = behind;
    Some(local(name)).filter(|name| !name.is_empty())
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn attribute<'a>(rest: &mut &'a str) -> Option<(&'a str, Cow<'a, str>)> {
    let name = word(rest)?;
    let behind = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, behind) = behind.strip_prefix(quote)?.split_once(quote)?;
    *rest = behind;
    Some((name, unescaped(value).filter(|_| !value.contains('<'))?))
}

/// The text with the entities of XML itself put in; `None` where there is another.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('&') {
        return Some(text.into());
    }
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('&');
    out.push_str(parts.next()?);
    for part in parts {
        let (name, behind) = part.split_once(';')?;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => char::from_u32(code(number.strip_prefix('#')?)?)?,
        });
        out.push_str(behind);
    }
    Some(out.into())
}

fn code(number: &str) -> Option<u32> {
    match number.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, &'static str> {
        let mut reader = Reader::new(text);
        let mut events = Vec::new();
        while let Some(event) = reader.next().map_err(|wrong| wrong.0)? {
            events.push(match event {
                Event::Start { name, attributes } => format!("<{name}{attributes:?}"),
                Event::End { name } => format!(">{name}"),
                Event::Text(text) => text.into_owned(),
            });
        }
        Ok(events)
    }

    #[test]
    fn elements_attributes_and_texts_are_read_without_prefixes() {
        let text = "<?xml version='1.0'?>\n<!-- a --><s:A x:b = \"1 &amp; 2\" c='\"'>\n <D/> t&#x41;&lt;<![CDATA[<x>]]></s:A>\n";
        let expected =
            ["<A[(\"b\", \"1 & 2\"), (\"c\", \"\\\"\")]", "<D[]", ">D", " tA<", "<x>", ">A"];
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_lit() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert!(read(bomb).unwrap_err().contains("document type"));
        assert!(read("<a>&c;</a>").unwrap_err().contains("entity"));
        assert!(read(&"<a>".repeat(100)).unwrap_err().contains("deeply"));
    }

    #[test]
    fn what_is_not_well_formed_ends_the_reading() {
        for text in [
            "<a>",
            "<a></b>",
            "</a>",
            "<a b></a>",
            "<a b=c/>",
            "<a b=\"<\"/>",
            "<",
            "text",
            "<a",
            "<!--",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_to_an_end(text in any::<String>(), more in
            "(<|>|/|a|:|b=|\"|'|&|;|#|x|41|!--|-->|<!\\[CDATA\\[|\\]\\]>|\\?| |é){0,60}"
        ) {
            let _ = read(&text);
            let _ = read(&more);
        }
    }
}
