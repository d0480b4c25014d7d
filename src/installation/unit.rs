//! What of a unit depends on this machine and on what was chosen, written as
//! systemd reads it.
//!
//! Knows systemd's quoting; the units themselves it takes as they are.

use std::fmt::Write as _;
use std::path::Path;

use super::shipped::PROGRAM;
use super::{Scope, Wish};

/// A shipped text for a program that may be elsewhere.
pub(super) fn rendered(text: &str, program: &Path) -> String {
    let program = word(&program.display().to_string(), false);
    let line = |line: &str| match line.strip_prefix("Exec") {
        Some(_) => line.replacen(PROGRAM, &program, 1),
        None => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// What was chosen, as a drop-in for the service whose text is given.
pub(super) fn choices(wish: &Wish, service: &str, home: &Path) -> Option<String> {
    let mut text = String::new();
    for key in ["ExecStart=", "ExecReload="] {
        let command = service.lines().find_map(|line| line.strip_prefix(key));
        let chosen = command.map(|command| chosen(command, key == "ExecStart=", wish));
        if let Some(chosen) = chosen.filter(|chosen| Some(chosen.as_str()) != command) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}\n{key}{chosen}");
        }
    }
    for (name, value) in &wish.variables {
        let _ = writeln!(text, "Environment={}", quoted(&format!("{name}={value}"), false));
    }
    if let Scope::Developer(name) = &wish.scope
        && home != Path::new("/home").join(name)
    {
        let aws = home.join(".aws").display().to_string();
        let _ = writeln!(text, "ReadWritePaths=-{}", aws.replace('%', "%%"));
    }
    (!text.is_empty()).then(|| format!("[Service]\n{text}"))
}

/// A command line of a unit, with the flags that were chosen.
fn chosen(command: &str, starts: bool, wish: &Wish) -> String {
    if wish.profile.is_none() && wish.config.is_none() {
        return command.to_owned();
    }
    let mut words = Vec::new();
    let mut given = command.split_whitespace();
    while let Some(word) = given.next() {
        if word == "--config" {
            // What was chosen now takes its place.
            given.next();
        } else {
            words.push(word.to_owned());
        }
    }
    if let Some(config) = &wish.config {
        words.extend(["--config".to_owned(), word(&config.display().to_string(), true)]);
    }
    if let Some(profile) = wish.profile.as_ref().filter(|_| starts) {
        words.extend(["--profile".to_owned(), word(profile, true)]);
    }
    words.join(" ")
}

/// One word of a command line; only arguments have variables filled in.
fn word(text: &str, is_argument: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.+:@=,".contains(c);
    if text.chars().all(plain) && !text.is_empty() {
        text.to_owned()
    } else {
        quoted(text, is_argument)
    }
}

fn quoted(text: &str, is_argument: bool) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' | '"' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            '$' if is_argument => quoted.push_str("$$"),
            c if c.is_ascii_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_as_systemd_reads_them() {
        assert_eq!(quoted(r#"A=b "c" \d 100% $e"#, false), r#""A=b \"c\" \\d 100%% $e""#);
        assert_eq!(quoted("A=b\nc", false), r#""A=b\x0ac""#);
        assert_eq!(word("dev$1 ü", true), r#""dev$$1 ü""#);
        assert_eq!(word("/opt/my tools/assumed", false), r#""/opt/my tools/assumed""#);
        assert_eq!(word("dev-1.eu", true), "dev-1.eu");
    }

    #[test]
    fn only_commands_name_the_program() {
        let text = "# /usr/bin/assumed\nExecStart=/usr/bin/assumed run\nExecReload=/usr/bin/assumed reload\n";
        let expected =
            "# /usr/bin/assumed\nExecStart=/opt/assumed run\nExecReload=/opt/assumed reload\n";
        assert_eq!(rendered(text, Path::new("/opt/assumed")), expected);
    }

    #[test]
    fn what_is_chosen_takes_the_place_of_the_settings_in_the_unit() {
        let wish = |profile: Option<&str>, config: Option<&str>| Wish {
            scope: Scope::Machine,
            profile: profile.map(str::to_owned),
            config: config.map(Into::into),
            variables: Vec::new(),
        };
        let run = "/usr/bin/assumed run --config /etc/assumed/config.toml --exit-on-refusal";
        let told = chosen(run, true, &wish(None, Some("/etc/my own")));
        assert_eq!(told, "/usr/bin/assumed run --exit-on-refusal --config \"/etc/my own\"");
        let told = chosen(run, true, &wish(Some("dev"), None));
        assert_eq!(told, "/usr/bin/assumed run --exit-on-refusal --profile dev");
        let reload = "/usr/bin/assumed reload --config /etc/assumed/config.toml";
        assert_eq!(chosen(reload, false, &wish(Some("dev"), None)), "/usr/bin/assumed reload");
        assert_eq!(choices(&wish(None, None), run, Path::new("/var/lib/assumed")), None);
    }
}
