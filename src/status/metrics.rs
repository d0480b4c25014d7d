//! The status as Prometheus reads it. Nothing here is secret, and no account
//! number appears.

use std::fmt::Write;

use super::{RoleStatus, State, Status};

const STATES: [State; 7] = [
    State::Waiting,
    State::Fresh,
    State::Stale,
    State::Expired,
    State::Refused,
    State::Resting,
    State::Locked,
];

impl Status {
    /// In the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut page = Page(String::new());
        page.family("assumed_build_info", "gauge", "Which version runs.");
        page.sample("assumed_build_info", &[("version", &self.version)], 1);
        page.family("assumed_uptime_seconds", "gauge", "How long the daemon runs.");
        page.sample("assumed_uptime_seconds", &[], self.uptime.as_secs());
        page.family("assumed_locked", "gauge", "1 while everything is refused.");
        page.sample("assumed_locked", &[], u64::from(self.locked));
        self.roles(&mut page);
        self.issuers(&mut page);
        page.0
    }

    fn issuers(&self, page: &mut Page) {
        if self.issuers.is_empty() {
            return;
        }
        let keys = "assumed_issuer_keys";
        page.family(keys, "gauge", "Keys of an issuer of pods' tokens that verify tokens now.");
        for status in &self.issuers {
            page.sample(
                keys,
                &[("issuer", &status.issuer)],
                status.keys.try_into().unwrap_or(u64::MAX),
            );
        }
        let fetched = "assumed_issuer_keys_fetched_timestamp_seconds";
        page.family(fetched, "gauge", "When they were fetched last.");
        for status in &self.issuers {
            if let Some(at) = status.fetched {
                let seconds = at.as_second().try_into().unwrap_or_default();
                page.sample(fetched, &[("issuer", &status.issuer)], seconds);
            }
        }
    }

    fn roles(&self, page: &mut Page) {
        type Value = fn(&RoleStatus) -> u64;
        let families: [(&str, &str, &str, Value); 5] = [
            ("assumed_expires_in_seconds", "gauge", "Life left in what is served.", |r| {
                r.left.as_secs()
            }),
            ("assumed_rotations_total", "counter", "Sets of credentials obtained.", |r| {
                r.generation
            }),
            (
                "assumed_failures_in_a_row",
                "gauge",
                "Attempts failed since the last success.",
                |r| r.failures.into(),
            ),
            ("assumed_human_needed", "gauge", "1 where only a human can help.", |r| {
                r.human_needed.into()
            }),
            ("assumed_attempt_in_flight", "gauge", "1 while STS is asked.", |r| {
                r.attempting.into()
            }),
        ];
        for (name, kind, help, value) in families {
            page.family(name, kind, help);
            for role in &self.roles {
                page.sample(name, &[("role", &role.name)], value(role));
            }
        }
        page.family("assumed_active", "gauge", "1 for the role that shared listeners serve.");
        for role in &self.roles {
            let active = role.name == self.active;
            page.sample("assumed_active", &[("role", &role.name)], u64::from(active));
        }
        page.family("assumed_state", "gauge", "1 for the state that a role is in.");
        for role in &self.roles {
            for state in STATES {
                let labels = [("role", role.name.as_str()), ("state", state.word())];
                page.sample("assumed_state", &labels, u64::from(role.state == state));
            }
        }
        page.family("assumed_failed_attempts_total", "counter", "Attempts failed, by code.");
        for role in &self.roles {
            for (code, count) in &role.failed_attempts {
                let labels = [("role", role.name.as_str()), ("code", code)];
                page.sample("assumed_failed_attempts_total", &labels, *count);
            }
        }
    }
}

struct Page(String);

// Writing to a string cannot fail.
impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escaped(text))).collect();
        let _ = match labels.as_slice() {
            [] => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{}}} {value}", labels.join(",")),
        };
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
