//! The status as people read it: a table of at most 80 columns, or one word and
//! a number for a prompt.

use std::fmt::Write;

use jiff::Timestamp;

use super::{IssuerStatus, RoleStatus, State, Status, absolute, relative, short, span, when};

/// Columns of the table.
const WIDTH: usize = 80;
/// Columns of the names, the gap included.
const NAMES: usize = 14;
/// How many clients are worth a line.
const CLIENTS: usize = 8;

/// Whether and how words are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// The reader is a terminal, and did not say no.
    pub colour: bool,
}

impl Paint {
    /// The word in the colour of the state.
    #[must_use]
    pub fn state(self, state: State, word: &str) -> String {
        match state {
            State::Fresh => self.good(word),
            State::Waiting | State::Stale => self.doubtful(word),
            State::Resting => word.to_owned(),
            State::Expired | State::Refused | State::Locked => self.bad(word),
        }
    }

    /// In green.
    #[must_use]
    pub fn good(self, word: &str) -> String {
        self.in_colour("32", word)
    }

    /// In yellow.
    #[must_use]
    pub fn doubtful(self, word: &str) -> String {
        self.in_colour("33", word)
    }

    /// In red.
    #[must_use]
    pub fn bad(self, word: &str) -> String {
        self.in_colour("31", word)
    }

    fn in_colour(self, code: &str, word: &str) -> String {
        if self.colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

impl Status {
    /// For a prompt: the role, and how long its credentials last or what is wrong.
    #[must_use]
    pub fn short(&self) -> String {
        let Some(role) = self.role(None) else { return self.active.clone() };
        let state = if role.state == State::Fresh {
            short(role.left)
        } else if role.state == State::Stale {
            format!("{} stale", short(role.left))
        } else {
            role.state.word().to_owned()
        };
        format!("{} {state}", role.name)
    }

    /// The whole table, each line with its line feed.
    #[must_use]
    pub fn table(&self, paint: Paint) -> String {
        let mut table = Table { text: String::new(), paint };
        let uptime = span::spoken(self.uptime);
        table.line("assumed", &format!("{}, pid {}, up {uptime}", self.version, self.pid));
        for (index, listener) in self.listeners.iter().enumerate() {
            let name = if index == 0 { "listening" } else { "" };
            let own = listener.role.as_ref().map(|role| format!(", always {role}"));
            let own = own.unwrap_or_default();
            table.line(name, &format!("{} on {}{own}", listener.kind, listener.address));
        }
        for issuer in &self.issuers {
            table.issuer(issuer, self.now);
        }
        for role in &self.roles {
            table.text.push('\n');
            table.role(role, self);
        }
        if !self.clients.is_empty() {
            table.text.push('\n');
        }
        for (index, client) in self.clients.iter().take(CLIENTS).enumerate() {
            let name = if index == 0 { "clients" } else { "" };
            let last = when(client.last_seen, self.now);
            table.line(name, &format!("{}  {}, last {last}", client.user_agent, client.requests));
        }
        table.text
    }
}

impl RoleStatus {
    /// One line for a service manager: the role, how it stands, and until when.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = match (self.state, self.expires) {
            (State::Fresh | State::Stale, Some(expires)) => {
                format!("{}: credentials until {}", self.name, absolute(expires))
            }
            (State::Waiting, _) => format!("{}: no credentials yet", self.name),
            _ => format!("{}: {}", self.name, self.state.word()),
        };
        if let Some(error) = &self.last_error {
            // Writing to a string cannot fail.
            let _ = write!(line, "; {} ({})", error.message, error.code);
        }
        line
    }
}

struct Table {
    text: String,
    paint: Paint,
}

impl Table {
    fn issuer(&mut self, status: &IssuerStatus, now: Timestamp) {
        self.line("issuer", &status.issuer);
        let keys = match (status.keys, status.fetched) {
            (0, None) => "none yet".to_owned(),
            (0, Some(fetched)) => format!("none that count; fetched {}", when(fetched, now)),
            (keys, Some(fetched)) => format!("{keys}, fetched {}", when(fetched, now)),
            (keys, None) => keys.to_string(),
        };
        self.line("keys", &keys);
    }

    fn role(&mut self, role: &RoleStatus, status: &Status) {
        let active = if role.name == status.active { "" } else { " (not active)" };
        self.line("role", &format!("{}{active}", role.name));
        self.line("identity", role.role_arn.as_deref().unwrap_or(&role.role_name));
        if let Some(account) = &role.account {
            self.line("account", account);
        }
        self.line("region", &role.region);
        for (index, step) in role.source.iter().enumerate() {
            let arrow = if index == 0 { "" } else { "→ " };
            self.line(if index == 0 { "source" } else { "" }, &format!("{arrow}{step}"));
        }
        self.state(role);
        self.line("generation", &role.generation.to_string());
        let moments = [
            ("obtained", role.obtained),
            ("expires", role.expires),
            ("next attempt", role.next_attempt),
        ];
        for (name, moment) in moments {
            if let Some(at) = moment {
                self.line(name, &format!("{}  {}", absolute(at), relative(at, status.now)));
            }
        }
        if role.attempting {
            self.line("next attempt", "under way");
        }
        if let Some(error) = &role.last_error {
            let row = if role.failures > 1 {
                format!(", {} in a row", role.failures)
            } else {
                String::new()
            };
            self.line("last error", &format!("{} ({}{row})", error.message, error.code));
            if let Some(hint) = &error.hint {
                self.line("hint", hint);
            }
        }
        match &role.needs {
            Some(needs) if needs.awaited => {
                self.line("needs you", &format!("type: {}", needs.order));
            }
            _ if role.human_needed => {
                self.line("needs you", "this does not get better by itself");
            }
            _ => {}
        }
        if let Some((needs, ends)) =
            role.needs.as_ref().and_then(|needs| Some((needs, needs.ends?)))
        {
            let ends = format!("{}  {}", absolute(ends), relative(ends, status.now));
            self.line(&format!("{} until", needs.what), &ends);
        }
    }

    fn state(&mut self, role: &RoleStatus) {
        let word = self.paint.state(role.state, role.state.word());
        let meaning = match role.state {
            State::Waiting => "no credentials yet",
            State::Fresh => "credentials are valid",
            State::Stale => "credentials are valid, but due for rotation",
            State::Expired => "nothing valid to serve",
            State::Refused => "nothing valid to serve, and STS refuses",
            State::Resting => "assumed when somebody asks for it",
            State::Locked => "wiped; `assumed unlock` assumes anew",
        };
        // Not by way of `line`, which would count the colour as width.
        let _ = writeln!(self.text, "{:<NAMES$}{word}: {meaning}", "state");
    }

    /// A name and its text, which goes on under itself where it is long.
    fn line(&mut self, name: &str, text: &str) {
        for (index, part) in wrapped(text, WIDTH - NAMES).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "{name:<NAMES$}{part}");
        }
    }
}

/// The text in lines of at most `width`, cut between words where that can be.
/// What could steer a terminal is left out.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let text: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
    let mut lines = Vec::new();
    let mut rest = text.as_slice();
    while rest.len() > width {
        let (line, after) = rest.split_at(width);
        let cut = line.iter().rposition(|c| *c == ' ').filter(|cut| *cut > 0);
        match cut.and_then(|cut| Some((line.get(..cut)?, rest.get(cut + 1..)?))) {
            // A line that may end exactly here needs no earlier cut.
            _ if after.first() == Some(&' ') => {
                lines.push(line.iter().collect());
                rest = after.get(1..).unwrap_or_default();
            }
            Some((line, after)) => {
                lines.push(line.iter().collect());
                rest = after;
            }
            None => {
                lines.push(line.iter().collect());
                rest = after;
            }
        }
    }
    lines.push(rest.iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_words_and_else_anywhere() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 9), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("a\u{1b}[31mb", 80), ["a[31mb"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
