//! Shapes of values, such as `i-[0-9a-f]{8,17}`: the few signs that a case needs.
//!
//! Literal bytes, `.`, classes, `\` before a sign, and `?`, `*`, `+`, `{n}`,
//! `{n,m}` behind each. The whole text must fit. Written for texts that a
//! hostile server chose: no recursion, and no text over 4 KiB is looked at.

/// Longer texts fit no pattern.
const LONGEST: usize = 4096;

/// One sign and how often it may stand.
struct Piece {
    sign: Sign,
    least: usize,
    most: usize,
}

enum Sign {
    Any,
    Byte(u8),
    Class { ranges: Vec<(u8, u8)>, inverted: bool },
}

impl Sign {
    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::Any => byte != b'\n',
            Self::Byte(own) => *own == byte,
            Self::Class { ranges, inverted } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != *inverted
            }
        }
    }
}

/// True where the whole text has this shape; `None` where the pattern is none.
pub(super) fn fits(pattern: &str, text: &[u8]) -> Option<bool> {
    let pieces = pieces(pattern)?;
    if text.len() > LONGEST {
        return Some(false);
    }
    // Where the pieces so far can end. Each piece moves every end to the right.
    let mut ends = vec![false; text.len() + 1];
    *ends.first_mut()? = true;
    for piece in &pieces {
        ends = advance(piece, text, &ends);
    }
    ends.last().copied()
}

fn advance(piece: &Piece, text: &[u8], ends: &[bool]) -> Vec<bool> {
    let mut next = vec![false; ends.len()];
    for start in (0..ends.len()).filter(|at| ends.get(*at) == Some(&true)) {
        let run = text.iter().skip(start).take(piece.most);
        let longest = run.take_while(|byte| piece.sign.fits(**byte)).count();
        for length in piece.least..=longest {
            if let Some(end) = next.get_mut(start + length) {
                *end = true;
            }
        }
    }
    next
}

fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut found = Vec::new();
    let mut rest = pattern.as_bytes();
    while let Some((first, mut after)) = rest.split_first() {
        let sign = match first {
            b'.' => Sign::Any,
            b'[' => class(&mut after)?,
            b'\\' => Sign::Byte(escaped(&mut after)?),
            b'*' | b'+' | b'?' | b'{' => return None,
            byte => Sign::Byte(*byte),
        };
        let (least, most) = count(&mut after)?;
        found.push(Piece { sign, least, most });
        rest = after;
    }
    Some(found)
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// Behind a backslash: a line's end by its letter, anything else itself.
fn escaped(rest: &mut &[u8]) -> Option<u8> {
    Some(match take(rest)? {
        b'n' => b'\n',
        b'r' => b'\r',
        byte => byte,
    })
}

fn class(rest: &mut &[u8]) -> Option<Sign> {
    let inverted = rest.first() == Some(&b'^');
    if inverted {
        take(rest)?;
    }
    let mut ranges = Vec::new();
    loop {
        let low = match take(rest)? {
            b']' => return Some(Sign::Class { ranges, inverted }),
            b'\\' => escaped(rest)?,
            byte => byte,
        };
        let is_range = rest.first() == Some(&b'-') && rest.get(1) != Some(&b']');
        let high = if is_range {
            take(rest)?;
            take(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn count(rest: &mut &[u8]) -> Option<(usize, usize)> {
    let (least, most) = match rest.first() {
        Some(b'?') => (0, 1),
        Some(b'*') => (0, usize::MAX),
        Some(b'+') => (1, usize::MAX),
        Some(b'{') => return braces(rest),
        _ => return Some((1, 1)),
    };
    take(rest)?;
    Some((least, most))
}

fn braces(rest: &mut &[u8]) -> Option<(usize, usize)> {
    let close = rest.iter().position(|byte| *byte == b'}')?;
    let (inside, after) = rest.split_at_checked(close + 1)?;
    *rest = after;
    let inside = str::from_utf8(inside.get(1..close)?).ok()?;
    match inside.split_once(',') {
        Some((least, "")) => Some((least.parse().ok()?, usize::MAX)),
        Some((least, most)) => Some((least.parse().ok()?, most.parse().ok()?)),
        None => inside.parse().ok().map(|exactly| (exactly, exactly)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_fit_or_do_not() {
        for (pattern, text, expected) in [
            ("i-[0-9a-f]{8,17}", "i-0123abcd", true),
            ("i-[0-9a-f]{8,17}", "i-0123abc", false),
            ("i-[0-9a-f]{8}", "i-0123abcd\n", false),
            ("[a-z]+[0-9]?", "abc", true),
            ("[a-z]+[0-9]?", "abc12", false),
            ("a.*c", "abcbc", true),
            ("[^/]+", "a/b", false),
            ("x\\.[a-z-]*", "x.a-b", true),
            ("x\\.y", "xzy", false),
            ("a\\n[^\\n]", "a\nb", true),
            ("", "", true),
            ("a{2,}", "aaaa", true),
            ("[A-Za-z0-9_=-]{4}", "a_-=", true),
        ] {
            assert_eq!(fits(pattern, text.as_bytes()), Some(expected), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_so() {
        for pattern in ["*a", "[a-z", "a{x}", "a{1", "\\"] {
            assert_eq!(fits(pattern, b"a"), None, "{pattern}");
        }
    }

    #[test]
    fn a_long_text_costs_nothing() {
        assert_eq!(fits("[a-z]*[a-z]*[a-z]*x", &vec![b'a'; 100_000]), Some(false));
        assert_eq!(fits("[a-z]*[a-z]*[a-z]*x", &[b'a'; LONGEST]), Some(false));
    }
}
