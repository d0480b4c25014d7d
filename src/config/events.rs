//! Who else is told when a human is needed, and how early; and what happens when
//! the machine goes to sleep.

use std::time::Duration;

use super::file::{Document, Item};
use super::values;
use crate::secret::Secret;
use crate::sts::request::CommandLine;

const LEAD: Duration = Duration::from_mins(15);

/// What the settings say about events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Gets each event as JSON on its standard input.
    pub command: Option<CommandLine>,
    /// Whether the desktop shows it too.
    pub notify: bool,
    /// How long before a session ends that only a human can renew.
    pub lead: Duration,
    /// What the machine's going to sleep does.
    pub suspend: OnSuspend,
}

/// What is done before the machine sleeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnSuspend {
    /// Nothing: credentials run on, and are renewed when it wakes up.
    #[default]
    Ignore,
    /// Everything is wiped and refused until somebody unlocks.
    Lock,
    /// What a human once entered is wiped, too.
    Forget,
}

impl OnSuspend {
    fn named(name: &str) -> Self {
        match name {
            "lock" => Self::Lock,
            "forget" => Self::Forget,
            _ => Self::Ignore,
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { command: None, notify: true, lead: LEAD, suspend: OnSuspend::default() }
    }
}

impl Events {
    pub(super) fn read(document: &Document) -> Self {
        let words = document.list("events.command").iter().filter_map(Item::setting);
        let words: Vec<Secret> = words.map(|word| Secret::new(word.text)).collect();
        let lead = document.get("events.lead");
        Self {
            command: (!words.is_empty()).then_some(CommandLine::Words(words)),
            notify: document.get("events.notify").is_none_or(|flag| flag.text == "true"),
            lead: lead.and_then(|lead| values::duration(lead.text).ok()).unwrap_or(LEAD),
            suspend: document
                .get("events.suspend")
                .map(|said| OnSuspend::named(said.text))
                .unwrap_or_default(),
        }
    }
}
