//! What of an answer may be shown: never a token, a key or a session token.
//!
//! Two nets. Whatever was granted is remembered and struck out; and whatever
//! looks like such a value is struck out too, for a spoiled server sends cut,
//! doubled and unasked ones.

use std::collections::BTreeSet;

use super::answer::Answer;

const STRUCK: &str = "[redacted]";
/// Shorter values are remembered by no client as a secret either.
const SHORTEST: usize = 3;
/// A run of letters and digits from this length on may be a secret.
const SUSPICIOUS: usize = 16;
/// Longer texts are cut in a report.
const SHOWN: usize = 160;

/// The secrets that this run has been given.
#[derive(Default)]
pub(super) struct Secrets(BTreeSet<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    /// Remembers what an answer grants; `granted` where it was to a PUT.
    pub(super) fn learn(&mut self, answer: &Answer, granted: bool) {
        let text = String::from_utf8_lossy(&answer.body);
        if granted && answer.code == 200 {
            self.remember(text.trim());
        }
        for name in ["\"SecretAccessKey\"", "\"Token\"", "\"AccessKeyId\""] {
            for (at, _) in text.match_indices(name) {
                let behind = text.get(at + name.len()..).unwrap_or_default();
                self.remember(behind.split('"').nth(1).unwrap_or_default());
            }
        }
    }

    /// The text as it may be shown, and not too long.
    pub(super) fn redact(&self, text: &str) -> String {
        let known =
            self.0.iter().rev().fold(text.to_owned(), |text, secret| text.replace(secret, STRUCK));
        shorten(&strike_runs(&known))
    }

    /// True where the text holds one that was given to us.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text);
        self.0.iter().any(|secret| text.contains(secret))
    }

    fn remember(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.0.insert(secret.to_owned());
        }
    }
}

/// Strikes out runs that mix letters and digits as keys and tokens do.
fn strike_runs(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut run = String::new();
    for char in text.chars().chain(['\0']) {
        if char.is_ascii_alphanumeric() || "+/=_".contains(char) {
            run.push(char);
            continue;
        }
        shown.push_str(if is_suspicious(&run) { STRUCK } else { &run });
        run.clear();
        shown.push(char);
    }
    shown.pop();
    shown
}

fn is_suspicious(run: &str) -> bool {
    // Paths are long too, but their parts are not.
    let longest = run.split('/').map(str::len).max().unwrap_or_default();
    let has = |is: fn(&char) -> bool| run.chars().any(|char| is(&char));
    run.len() >= SUSPICIOUS
        && has(char::is_ascii_digit)
        && has(char::is_ascii_uppercase)
        && (longest >= 8 || !run.starts_with('/'))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} ...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { code: 200, body: body.as_bytes().to_vec(), ..Answer::default() }
    }

    #[test]
    fn what_was_granted_is_struck_out() {
        let mut secrets = Secrets::default();
        secrets.learn(&answer("tok-en\n"), true);
        secrets.learn(&answer("{\"AccessKeyId\":\"ASIAX\", \"SecretAccessKey\" : \"a/b+c\",\"Token\":\"zzz\" oops"), false);
        assert_eq!(
            secrets.redact("x tok-en y a/b+c, zzz ASIAX"),
            "x [redacted] y [redacted], [redacted] [redacted]"
        );
        assert!(secrets.is_in(b"--a/b+c--") && !secrets.is_in(b"role"));
    }

    #[test]
    fn what_looks_like_a_secret_is_struck_out_unasked() {
        let secrets = Secrets::default();
        for secret in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "ASIAIOSFODNN7EXAMPLE",
            "AQAEALKJASDasd7823",
            "AQAEAPm_-_==",
        ] {
            let shown = secrets.redact(&format!("a body of 40 bytes: {secret}"));
            assert!(secret.len() < SUSPICIOUS || !shown.contains(secret), "{shown}");
        }
        for plain in [
            "imds-assume-role-test",
            "/latest/meta-data/iam/security-credentials/",
            "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600",
        ] {
            assert_eq!(secrets.redact(plain), plain);
        }
    }

    #[test]
    fn what_is_long_is_cut_after_it_is_redacted() {
        let shown = Secrets::default().redact(&"a ".repeat(1000));
        assert!(shown.len() < SHOWN + 8 && shown.ends_with("..."));
    }
}
