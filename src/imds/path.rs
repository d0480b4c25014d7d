//! The one spelling of a path.
//!
//! Repeated slashes collapse and percent-encoding is decoded once, for every
//! method alike, before anybody compares (P10, P11). Whether the path leads
//! anywhere is not known here.

use std::borrow::Cow;

/// A path without slashes at either end: the root is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    names: Cow<'a, str>,
    slash: bool,
}

impl<'a> Path<'a> {
    /// Takes the target for one that is spelled as we would spell it; a resource
    /// found by such a path is the right one, and one that is not may yet be found
    /// when the path is read.
    pub(super) fn as_spelled(target: &'a str) -> Option<Self> {
        let inner = target.strip_prefix('/')?;
        let names = Cow::Borrowed(inner.strip_suffix('/').unwrap_or(inner));
        Some(Self { names, slash: target.ends_with('/') })
    }

    /// Reads the target of a request; `None` where no resource can have such a path (P11).
    pub(crate) fn read(target: &'a str) -> Option<Self> {
        let inner = target.strip_prefix('/')?;
        let names = if is_plain(target) {
            Cow::Borrowed(inner.strip_suffix('/').unwrap_or(inner))
        } else {
            Cow::Owned(spell_out(inner)?)
        };
        Some(Self { names, slash: target.ends_with('/') })
    }

    /// The one path that takes a `PUT`: under `latest` only, and without a final slash (P6, P7).
    pub(super) fn is_metadata_token(&self) -> bool {
        self.names == "latest/api/token" && !self.slash
    }

    /// The names, joined by single slashes; a final slash makes no difference (P8, P9).
    pub(crate) fn names(&self) -> &str {
        &self.names
    }
}

/// True where the target is spelled as we would spell it, so that nothing needs building.
fn is_plain(target: &str) -> bool {
    let bytes = target.as_bytes();
    // Each byte is looked at in any case: that takes many of them at once.
    let plain = |all, b: &u8| all & (b.is_ascii_graphic() && *b != b'%');
    let strange =
        |any, (one, next): (&u8, &u8)| any | (*one == b'/' && matches!(next, b'/' | b'.'));
    bytes.iter().fold(true, plain) && !bytes.iter().zip(bytes.iter().skip(1)).fold(false, strange)
}

fn spell_out(inner: &str) -> Option<String> {
    let mut names = String::with_capacity(inner.len());
    for segment in inner.split('/').filter(|segment| !segment.is_empty()) {
        let name = decode(segment)?;
        if name == "." || name == ".." {
            return None;
        }
        if !names.is_empty() {
            names.push('/');
        }
        names.push_str(&name);
    }
    Some(names)
}

fn decode(segment: &str) -> Option<String> {
    let mut name = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(b) = bytes.next() {
        let b = match b {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            plain => plain,
        };
        // An encoded slash does not separate, and no name of ours holds one.
        if !matches!(b, b' '..=b'~') || b == b'/' {
            return None;
        }
        name.push(char::from(b));
    }
    Some(name)
}

fn hex_digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(target: &str) -> Option<String> {
        Path::read(target).map(|path| path.names().to_owned())
    }

    #[test]
    fn ordinary_paths_are_borrowed() {
        for target in [
            "/",
            "/latest",
            "/latest/api/token",
            "/latest/meta-data/iam/security-credentials/",
            "/latest/meta-data/iam/security-credentials/my.role_+=,@-",
        ] {
            let path = Path::read(target).unwrap();
            assert!(matches!(path.names, Cow::Borrowed(_)), "{target}");
            assert_eq!(path.names(), target.trim_matches('/'));
        }
    }

    #[test]
    fn p10_repeated_slashes_collapse() {
        let path = names("/latest/meta-data/ramdisk-id");
        assert_eq!(names("/latest//meta-data/ramdisk-id"), path);
        assert_eq!(names("///latest/meta-data///ramdisk-id//"), path);
        assert_eq!(names("//"), Some(String::new()));
        assert!(Path::read("//latest//api/token").unwrap().is_metadata_token());
    }

    #[test]
    fn p11_percent_encoding_is_decoded_once_and_never_separates() {
        assert_eq!(names("/l%61test/%6Deta-data"), names("/latest/meta-data"));
        assert_eq!(names("/a%2541"), Some("a%41".to_owned()));
        assert_eq!(names("/latest%2Fmeta-data"), None);
        assert_eq!(names("/latest/%2f"), None);
    }

    #[test]
    fn p11_what_no_resource_can_be_called_is_no_path() {
        for target in [
            "",
            "*",
            "latest",
            "/.",
            "/..",
            "/latest/../latest",
            "/latest/./",
            "/%2e",
            "/%2E%2e/",
            "/%",
            "/%4",
            "/%4g",
            "/%+4",
            "/%00",
            "/a%0a",
            "/%7f",
            "/%c3%a9",
            "/é",
            "/a\tb",
            "/a\u{7f}",
        ] {
            assert_eq!(names(target), None, "{target:?}");
        }
        // Only whole segments of dots are special.
        assert_eq!(names("/.role/a..b/..."), Some(".role/a..b/...".to_owned()));
    }

    #[test]
    fn p6_p7_the_metadata_token_has_one_path() {
        let is_it = |target| Path::read(target).unwrap().is_metadata_token();
        assert!(is_it("/latest/api/token"));
        assert!(is_it("/latest/api/t%6fken"));
        for target in [
            "/latest/api/token/",
            "/latest/api/token//",
            "/2021-07-15/api/token",
            "/latest/api",
            "/latest/API/token",
            "/latest/api/token/x",
        ] {
            assert!(!is_it(target), "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(target in any::<String>(), tail in "(/|%|[0-9a-f.]){0,12}") {
            Path::read(&target);
            Path::read(&format!("/{tail}"));
        }

        #[test]
        fn one_spelling_is_its_own_spelling(target in "/(/|[a-z.]|%(41|2e|20|61)){0,16}") {
            if let Some(first) = names(&target) {
                prop_assert!(!first.contains("//") && !first.starts_with('/') && !first.ends_with('/'));
                prop_assert_eq!(names(&format!("/{first}")), Some(first));
            }
        }

        #[test]
        fn more_slashes_make_no_difference(
            segments in prop::collection::vec(("[a-z%.-]{1,6}", 1_usize..4), 1..6),
        ) {
            let single: String = segments.iter().flat_map(|(name, _)| ["/", name]).collect();
            let more: String = segments.iter().map(|(name, n)| "/".repeat(*n) + name).collect();
            prop_assert_eq!(names(&single), names(&more));
            prop_assert_eq!(names(&format!("{single}/")), names(&more));
        }
    }
}
