//! XML as STS writes it: elements in elements, or text.
//!
//! A tree rather than a template, so that a fault can spoil a good reply
//! instead of keeping a bad one in store.

/// One element.
#[derive(Clone)]
pub(super) struct Element {
    pub(super) name: String,
    /// Only the root has one.
    pub(super) namespace: Option<&'static str>,
    pub(super) content: Content,
}

/// What an element holds.
#[derive(Clone)]
pub(super) enum Content {
    Text(String),
    Elements(Vec<Element>),
}

impl Element {
    pub(super) fn text(name: &str, text: impl Into<String>) -> Self {
        Self::new(name, Content::Text(text.into()))
    }

    pub(super) fn of(name: &str, elements: Vec<Self>) -> Self {
        Self::new(name, Content::Elements(elements))
    }

    fn new(name: &str, content: Content) -> Self {
        Self { name: name.to_owned(), namespace: None, content }
    }

    pub(super) fn namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Shows every element of the tree, the outer ones first.
    pub(super) fn each(&mut self, see: &mut impl FnMut(&mut Self)) {
        see(self);
        if let Content::Elements(elements) = &mut self.content {
            for element in elements {
                element.each(see);
            }
        }
    }

    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.extend(["<", &self.name]);
        if let Some(namespace) = self.namespace {
            out.extend([" xmlns=\"", namespace, "\""]);
        }
        out.push('>');
        match &self.content {
            Content::Text(text) => escape(text, out),
            Content::Elements(elements) => {
                for element in elements {
                    element.write(out);
                }
            }
        }
        out.extend(["</", &self.name, ">"]);
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // XML has no way at all to write these, and error texts quote what came in.
            c if c.is_control() && !"\t\n\r".contains(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_markup_is_escaped() {
        let element = Element::of("a", vec![Element::text("b", "<&>\u{1}")]).namespace("urn:x");
        assert_eq!(element.render(), "<a xmlns=\"urn:x\"><b>&lt;&amp;&gt;\u{fffd}</b></a>");
    }
}
