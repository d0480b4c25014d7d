//! XML, as far as a SAML response needs it: elements, attributes, text.
//!
//! The tokens are `xmlparser`'s; what they mean together is decided here. A DTD
//! is refused at its first character, so there are no entities to expand but
//! the five of XML itself. Elements lie in one list, each knowing its parent:
//! nothing recurses, however deep a document is nested.

use xmlparser::{ElementEnd, StrSpan, Token, Tokenizer};

/// An honest response has a hundred elements, about ten deep.
const ELEMENTS: usize = 4096;
const DEPTH: usize = 64;
const ATTRIBUTES: usize = 64;

/// A document that is well-formed, its names resolved.
#[derive(Debug, Default)]
pub(crate) struct Document {
    elements: Vec<Element>,
}

/// One element; its text is without that of its children.
#[derive(Debug)]
pub(crate) struct Element {
    parent: Option<usize>,
    prefix: String,
    name: String,
    namespace: String,
    /// Those without a prefix, which are all that SAML has.
    attributes: Vec<(String, String)>,
    text: String,
}

/// Why a text is no document that is read here.
pub(crate) type Why = &'static str;

impl Document {
    pub(crate) fn read(text: &str) -> Result<Self, Why> {
        let mut reader = Reader::default();
        for token in Tokenizer::from(text) {
            reader.token(token.map_err(|_| "it is not well-formed XML")?)?;
        }
        if reader.open.is_empty() && !reader.document.elements.is_empty() {
            Ok(reader.document)
        } else {
            Err("it ends before its root does")
        }
    }

    /// The outermost element, where it goes by this name.
    pub(crate) fn root(&self, namespace: &str, name: &str) -> Option<Place<'_>> {
        self.elements.first().filter(|root| root.is(namespace, name)).map(|_| Place(self, 0))
    }

    /// All elements of this name, wherever they stand, in order.
    pub(crate) fn all(&self, namespace: &str, name: &str) -> impl Iterator<Item = Place<'_>> {
        let all = self.elements.iter().enumerate();
        all.filter(move |(_, e)| e.is(namespace, name)).map(|(n, _)| Place(self, n))
    }
}

/// An element in its document.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a>(&'a Document, usize);

impl<'a> Place<'a> {
    /// The children of this name, in order.
    pub(crate) fn children(self, namespace: &str, name: &str) -> impl Iterator<Item = Place<'a>> {
        let Place(document, at) = self;
        let is_child = move |e: &Element| e.parent == Some(at) && e.is(namespace, name);
        let all = document.elements.iter().enumerate();
        all.filter(move |(_, e)| is_child(e)).map(move |(n, _)| Place(document, n))
    }

    /// The only child of this name; `None` also where there are more.
    pub(crate) fn child(self, namespace: &str, name: &str) -> Option<Self> {
        let mut children = self.children(namespace, name);
        children.next().filter(|_| children.next().is_none())
    }

    pub(crate) fn attribute(self, name: &str) -> Option<&'a str> {
        let (_, value) = self.element()?.attributes.iter().find(|(n, _)| n == name)?;
        Some(value)
    }

    /// Its text, without the blanks round it.
    pub(crate) fn text(self) -> &'a str {
        self.element().map_or("", |element| element.text.trim())
    }

    fn element(self) -> Option<&'a Element> {
        self.0.elements.get(self.1)
    }
}

impl Element {
    fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

/// A start tag that is still being read.
#[derive(Default)]
struct Start {
    prefix: String,
    name: String,
    attributes: Vec<(String, String)>,
    /// Prefix and namespace, of `xmlns` and `xmlns:PREFIX`.
    namespaces: Vec<(String, String)>,
    /// Written names, for seeing that none comes twice.
    seen: Vec<String>,
}

/// An element that is still open, and the namespaces that it brings.
struct Open {
    element: usize,
    namespaces: Vec<(String, String)>,
}

#[derive(Default)]
struct Reader {
    document: Document,
    start: Start,
    open: Vec<Open>,
}

impl Reader {
    fn token(&mut self, token: Token<'_>) -> Result<(), Why> {
        match token {
            Token::DtdStart { .. }
            | Token::EmptyDtd { .. }
            | Token::EntityDeclaration { .. }
            | Token::DtdEnd { .. } => Err("it has a DTD"),
            Token::ElementStart { prefix, local, .. } => {
                self.start = Start {
                    prefix: prefix.as_str().to_owned(),
                    name: local.as_str().to_owned(),
                    ..Start::default()
                };
                Ok(())
            }
            Token::Attribute { prefix, local, value, .. } => {
                self.start.attribute(prefix, local, value)
            }
            Token::ElementEnd { end: ElementEnd::Open, .. } => self.begin(),
            Token::ElementEnd { end: ElementEnd::Empty, .. } => {
                self.begin()?;
                self.open.pop();
                Ok(())
            }
            Token::ElementEnd { end: ElementEnd::Close(prefix, name), .. } => {
                self.end(prefix.as_str(), name.as_str())
            }
            Token::Text { text } => self.text(&unescaped(text.as_str())?),
            Token::Cdata { text, .. } => self.text(text.as_str()),
            // A comment in the middle of a name must not cut it short.
            Token::Comment { .. }
            | Token::ProcessingInstruction { .. }
            | Token::Declaration { .. } => Ok(()),
        }
    }

    fn begin(&mut self) -> Result<(), Why> {
        if self.open.len() >= DEPTH || self.document.elements.len() >= ELEMENTS {
            return Err("it has too many elements");
        }
        let start = std::mem::take(&mut self.start);
        let element = self.document.elements.len();
        let parent = self.open.last().map(|open| open.element);
        self.open.push(Open { element, namespaces: start.namespaces });
        let namespace = self.namespace(&start.prefix).ok_or("a prefix has no namespace")?;
        self.document.elements.push(Element {
            parent,
            namespace: namespace.to_owned(),
            prefix: start.prefix,
            name: start.name,
            attributes: start.attributes,
            text: String::new(),
        });
        Ok(())
    }

    fn end(&mut self, prefix: &str, name: &str) -> Result<(), Why> {
        let open = self.open.pop().and_then(|open| self.document.elements.get(open.element));
        match open {
            Some(open) if open.prefix == prefix && open.name == name => Ok(()),
            _ => Err("an end tag closes what is not open"),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Why> {
        let at = self.open.last().map(|open| open.element);
        match at.and_then(|at| self.document.elements.get_mut(at)) {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("there is text outside of the root"),
        }
        Ok(())
    }

    /// What a prefix stands for, the innermost declaration first.
    fn namespace(&self, prefix: &str) -> Option<&str> {
        let mut declared = self.open.iter().rev().flat_map(|open| &open.namespaces);
        let found = declared.find(|(p, _)| p == prefix).map(|(_, namespace)| namespace.as_str());
        found.or_else(|| prefix.is_empty().then_some(""))
    }
}

impl Start {
    fn attribute(
        &mut self,
        prefix: StrSpan<'_>,
        local: StrSpan<'_>,
        value: StrSpan<'_>,
    ) -> Result<(), Why> {
        let (prefix, local) = (prefix.as_str(), local.as_str());
        let value = unescaped(value.as_str())?;
        let written = format!("{prefix}:{local}");
        if self.seen.len() >= ATTRIBUTES {
            return Err("an element has too many attributes");
        }
        if self.seen.contains(&written) {
            return Err("an attribute comes twice");
        }
        self.seen.push(written);
        match (prefix, local) {
            ("", "xmlns") => self.namespaces.push((String::new(), value)),
            ("xmlns", prefix) => self.namespaces.push((prefix.to_owned(), value)),
            ("", name) => self.attributes.push((name.to_owned(), value)),
            _ => {}
        }
        Ok(())
    }
}

/// Text with its references resolved: the five of XML, and characters by number.
fn unescaped(text: &str) -> Result<String, Why> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').ok_or("a reference has no end")?;
        out.push_str(before);
        out.push(referred(name).ok_or("it refers to an entity")?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn referred(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?).filter(|c| !c.is_control() || "\t\n\r".contains(*c))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> Why {
        Document::read(text).err().unwrap_or("")
    }

    #[test]
    fn names_are_those_of_their_namespaces() {
        let document = Document::read(
            "<?xml version=\"1.0\"?><a:r xmlns:a=\"urn:a\" xmlns=\"urn:b\" x=\"&lt;1\" a:x=\"2\">\
             <c/><b:c xmlns:b=\"urn:a\">t</b:c><c xmlns=\"\"/></a:r>",
        )
        .unwrap();
        assert!(document.root("urn:b", "r").is_none());
        let root = document.root("urn:a", "r").unwrap();
        assert_eq!(root.attribute("x"), Some("<1"));
        assert_eq!(root.children("urn:b", "c").count(), 1);
        assert_eq!(document.all("urn:a", "c").count(), 1);
        assert_eq!(root.child("urn:a", "c").unwrap().text(), "t");
        assert!(root.child("", "c").is_some());
    }

    #[test]
    fn a_comment_does_not_cut_a_text_short() {
        let document =
            Document::read("<a> admin<!-- x -->@corp<![CDATA[.<evil>]]>&#x41;&amp; </a>").unwrap();
        assert_eq!(document.root("", "a").unwrap().text(), "admin@corp.<evil>A&");
    }

    #[test]
    fn a_dtd_is_refused_whatever_is_in_it() {
        for text in [
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e0 \"x\"><!ENTITY e1 \"&e0;&e0;\">]><a>&e1;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"http://[::1]/\">]><a>&x;</a>",
        ] {
            assert_eq!(why(text), "it has a DTD", "{text}");
        }
        assert_eq!(why("<a>&e;</a>"), "it refers to an entity");
        assert_eq!(why("<a b=\"&e;\"/>"), "it refers to an entity");
        assert_eq!(why("<a>&#0;</a>"), "it refers to an entity");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in ["", "text", "<a>", "<a></b>", "<a/><b/>", "<a b=\"1\" b=\"2\"/>", "<a></p:a>"]
        {
            assert_ne!(why(text), "", "{text}");
        }
        assert_eq!(why("<p:a/>"), "a prefix has no namespace");
    }

    #[test]
    fn a_huge_document_is_refused_before_it_is_read_to_its_end() {
        assert_eq!(why(&"<a>".repeat(1 << 16)), "it has too many elements");
        let wide = format!("<a>{}</a>", "<b/>".repeat(1 << 16));
        assert_eq!(why(&wide), "it has too many elements");
        let attributes: Vec<_> = (0..1 << 16).map(|n| format!("a{n}=\"\"")).collect();
        let broad = format!("<a {}/>", attributes.join(" "));
        assert_eq!(why(&broad), "an element has too many attributes");
    }
}
