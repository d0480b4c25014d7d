//! How a file of ours is known again, and one that somebody changed is told
//! from it: by a line with a sum of all the others.
//!
//! The sum is against mistakes, not against attackers: whoever can write these
//! files needs no trick.

const MARK: &str = "Written by `assumed service install`";
const ADVICE: &str = "Once it is changed, it is left alone";

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// As it was written by an installation.
    Ours,
    /// Written by one, and changed since.
    Changed,
    /// Somebody else's.
    Foreign,
}

impl Seal {
    /// What the text of a file tells.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let Some(line) = text.lines().find(|line| line.contains(MARK)) else {
            return Self::Foreign;
        };
        let bare = text.replacen(&format!("{line}\n"), "", 1);
        if line == mark(&bare) { Self::Ours } else { Self::Changed }
    }
}

/// The text with its line on top, or after the declaration where it is XML.
#[must_use]
pub fn seal(text: &str) -> String {
    let top = if is_xml(text) { text.find('\n').map_or(text.len(), |end| end + 1) } else { 0 };
    let (top, rest) = text.split_at(top);
    format!("{top}{}\n{rest}", mark(text))
}

fn mark(text: &str) -> String {
    let line = format!("{MARK}, sum {:016x}. {ADVICE}.", sum(text));
    if is_xml(text) { format!("<!-- {line} -->") } else { format!("# {line}") }
}

fn is_xml(text: &str) -> bool {
    text.starts_with("<?xml")
}

/// FNV-1a, 64 bits.
fn sum(text: &str) -> u64 {
    let step = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ours_is_known_until_a_byte_of_it_changes() {
        for text in ["[Unit]\nDescription=x\n", "<?xml version=\"1.0\"?>\n<plist/>\n"] {
            let sealed = seal(text);
            assert_eq!(Seal::of(&sealed), Seal::Ours, "{sealed}");
            assert_eq!(Seal::of(&sealed.replace('x', "y")), Seal::Changed, "{sealed}");
            assert_eq!(Seal::of(&format!("{sealed}\n")), Seal::Changed);
            assert_eq!(Seal::of(text), Seal::Foreign);
        }
        assert!(seal("<?xml?>\n<plist/>\n").starts_with("<?xml?>\n<!-- Written by"));
    }
}
