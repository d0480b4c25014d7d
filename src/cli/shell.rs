//! Lines that a shell takes over with `eval`: assignments, and what is unset.

use std::fmt::Write;
use std::path::Path;

use clap::ValueEnum;

use crate::config::Environment;

/// Whose language is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// bash, zsh, dash and their like
    Sh,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    Pwsh,
}

impl Shell {
    /// The one that called us, by the name of its process, else by SHELL.
    pub(super) fn guess(parent: Option<&str>, environment: &Environment) -> Self {
        let login = environment.get("SHELL").map(Path::new).and_then(Path::file_name);
        let login = login.and_then(|name| name.to_str());
        let known = [parent, login].into_iter().flatten().find_map(Self::named);
        known.unwrap_or(Self::Sh)
    }

    fn named(name: &str) -> Option<Self> {
        match name.trim_start_matches('-') {
            "fish" => Some(Self::Fish),
            "pwsh" | "powershell" => Some(Self::Pwsh),
            "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "busybox" => Some(Self::Sh),
            _ => None,
        }
    }

    /// The lines: first what is unset, then what is set.
    pub(super) fn lines(self, unset: &[&str], set: &[(&str, &str)]) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for name in unset {
            let _ = match self {
                Self::Sh => writeln!(text, "unset {name}"),
                Self::Fish => writeln!(text, "set -e {name}"),
                Self::Pwsh => writeln!(text, "Remove-Item Env:{name}"),
            };
        }
        for (name, value) in set {
            let value = self.quoted(value);
            let _ = match self {
                Self::Sh => writeln!(text, "export {name}={value}"),
                Self::Fish => writeln!(text, "set -gx {name} {value}"),
                Self::Pwsh => writeln!(text, "$Env:{name} = {value}"),
            };
        }
        text
    }

    /// Within single quotes, where nothing is expanded.
    fn quoted(self, value: &str) -> String {
        let inner = match self {
            Self::Sh => value.replace('\'', "'\\''"),
            Self::Fish => value.replace('\\', "\\\\").replace('\'', "\\'"),
            // Its typographic quotes end a text, too.
            Self::Pwsh => value
                .chars()
                .flat_map(|c| match c {
                    '\'' | '\u{2018}'..='\u{201b}' => [Some(c), Some(c)],
                    c => [Some(c), None],
                })
                .flatten()
                .collect(),
        };
        format!("'{inner}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_its_own_words() {
        let lines = |shell: Shell| shell.lines(&["OLD"], &[("NEW", "it's \\ $x")]);
        assert_eq!(lines(Shell::Sh), "unset OLD\nexport NEW='it'\\''s \\ $x'\n");
        assert_eq!(lines(Shell::Fish), "set -e OLD\nset -gx NEW 'it\\'s \\\\ $x'\n");
        assert_eq!(lines(Shell::Pwsh), "Remove-Item Env:OLD\n$Env:NEW = 'it''s \\ $x'\n");
        assert_eq!(Shell::Pwsh.quoted("a’b"), "'a’’b'");
    }

    #[test]
    fn the_shell_that_calls_is_told_from_the_login_shell() {
        let fish = Environment::default().with("SHELL", "/usr/bin/fish");
        assert_eq!(Shell::guess(Some("bash"), &fish), Shell::Sh);
        assert_eq!(Shell::guess(Some("-zsh"), &fish), Shell::Sh);
        assert_eq!(Shell::guess(Some("make"), &fish), Shell::Fish);
        assert_eq!(Shell::guess(None, &Environment::default()), Shell::Sh);
        assert_eq!(Shell::guess(Some("pwsh"), &fish), Shell::Pwsh);
    }
}
