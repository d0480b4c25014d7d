//! Other people's words, made fit to be repeated in a log.

use crate::secret::Secret;

/// One line of readable length; words too long to be words are left out.
pub(super) fn tidy(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.len() {
        0..=200 => word,
        _ => "[long]",
    });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// The text with `secrets` cut out, which a hostile server might have echoed. Goes
/// before [`tidy`], which could leave half of one.
pub(super) fn redacted(text: &str, secrets: &[Option<&Secret>]) -> String {
    let secrets = secrets.iter().flatten().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_one_line_of_words() {
        let text = format!("a\r\n\x1b[31mb {} c", "d".repeat(201));
        assert_eq!(tidy(&text), "a [31mb [long] c");
        assert_eq!(tidy(&"word ".repeat(1000)).len(), 300);
    }
}
