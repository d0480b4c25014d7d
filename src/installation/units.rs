//! What systemd says of units, as `systemctl show` prints it.

use std::path::PathBuf;

use serde::Serialize;

/// How one unit stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// What it is called.
    pub name: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `failed`, ...
    pub active: String,
    /// `running`, `listening`, ...
    pub sub: String,
    /// `enabled`, `disabled`, `indirect`, ...
    pub enabled: String,
    /// The file that it is in.
    pub file: Option<PathBuf>,
    /// What the daemon says of itself.
    pub status: Option<String>,
    /// What its process ended with, where it has ended by itself.
    pub exit: Option<i32>,
}

/// What is asked for; `systemctl show -p` takes it.
pub const PROPERTIES: &str =
    "Id,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,StatusText,ExecMainStatus";

impl UnitState {
    /// All that were asked for: a paragraph for each.
    #[must_use]
    pub fn all(text: &str) -> Vec<Self> {
        text.split("\n\n").map(Self::one).filter(|unit| !unit.name.is_empty()).collect()
    }

    fn one(paragraph: &str) -> Self {
        let mut unit = Self::default();
        for (key, value) in paragraph.lines().filter_map(|line| line.split_once('=')) {
            let value = value.to_owned();
            match key {
                "Id" => unit.name = value,
                "LoadState" => unit.load = value,
                "ActiveState" => unit.active = value,
                "SubState" => unit.sub = value,
                "UnitFileState" => unit.enabled = value,
                "FragmentPath" => unit.file = told(value).map(PathBuf::from),
                "StatusText" => unit.status = told(value),
                "ExecMainStatus" => unit.exit = value.parse().ok(),
                _ => {}
            }
        }
        unit
    }

    /// True where systemd has such a unit.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.load != "not-found"
    }

    /// True where it runs, listens, or has done its one thing.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "activating")
    }

    /// True where it ended badly.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.active == "failed"
    }

    /// True where it starts by itself.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled == "enabled"
    }
}

fn told(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

/// Which of these units are sockets of ours on the address of IMDS.
pub fn holders(names: impl Iterator<Item = String>) -> Vec<String> {
    let is_ours = |name: &str| {
        name.strip_suffix(".socket")
            .and_then(|stem| stem.strip_prefix("assumed"))
            .is_some_and(|instance| instance.is_empty() || instance.starts_with('@'))
    };
    names.filter(|name| is_ours(name)).collect()
}

/// The developer whose socket this is.
#[must_use]
pub fn developer(socket: &str) -> Option<&str> {
    socket.strip_prefix("assumed@")?.strip_suffix(".socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_a_unit() {
        let text = "Id=assumed.socket\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nFragmentPath=/etc/systemd/system/assumed.socket\n\nId=assumed.service\nLoadState=not-found\nActiveState=inactive\nStatusText=\nExecMainStatus=77\nFragmentPath=\n";
        let units = UnitState::all(text);
        let [socket, service] = units.as_slice() else { panic!("{units:?}") };
        assert!(socket.is_there() && socket.is_active() && socket.is_enabled());
        assert_eq!(socket.file, Some("/etc/systemd/system/assumed.socket".into()));
        assert!(!service.is_there() && !service.is_active() && !service.is_enabled());
        assert_eq!((&service.file, &service.status, service.exit), (&None, &None, Some(77)));
    }

    #[test]
    fn sockets_of_ours_are_told_from_others() {
        let names = ["assumed.socket", "assumed@bob.socket", "dbus.socket", "assumed-x.socket"];
        let ours = holders(names.iter().map(ToString::to_string));
        assert_eq!(ours, ["assumed.socket", "assumed@bob.socket"]);
        assert_eq!(developer("assumed@bob.socket"), Some("bob"));
        assert_eq!(developer("assumed.socket"), None);
    }
}
