//! What a plan stands on: the facts about this machine, whoever its manager is.

use std::path::Path;

use super::manager::{Manager, present};
use super::{launchd, systemd};
use crate::fatal::Fatal;
use crate::installation::launchd::Mac;
use crate::installation::{self, Machine, Scope, Step, UnitState, Wish};

/// The facts, by manager.
pub(super) enum Ground {
    Systemd(Machine),
    Launchd(Mac),
}

impl Ground {
    /// Reads them, and changes nothing.
    pub(super) fn of(scope: &Scope) -> Result<Self, Fatal> {
        Ok(match present()? {
            Manager::Systemd => Self::Systemd(systemd::gather(scope)?),
            Manager::Launchd => Self::Launchd(launchd::gather(scope)?),
        })
    }

    /// This program, absolute.
    pub(super) fn program(&self) -> &Path {
        match self {
            Self::Systemd(machine) => &machine.program,
            Self::Launchd(mac) => &mac.program,
        }
    }

    /// The home of whom the daemon runs as.
    pub(super) fn home(&self) -> &Path {
        match self {
            Self::Systemd(machine) => &machine.home,
            Self::Launchd(mac) => &mac.home,
        }
    }

    /// Whether what listens on the address is ours.
    pub(super) fn listens(&self, scope: &Scope) -> bool {
        match self {
            Self::Systemd(machine) => {
                let socket = scope.socket();
                machine.units.iter().any(|unit| unit.name == socket && unit.is_active())
            }
            Self::Launchd(mac) => mac.jobs.last().is_some_and(UnitState::is_there),
        }
    }

    /// Another socket of ours that has the address.
    pub(super) fn rival(&self, scope: &Scope) -> Option<&str> {
        match self {
            Self::Systemd(machine) if !scope.is_user() => {
                machine.others.first().map(String::as_str)
            }
            _ => None,
        }
    }

    pub(super) fn install(&self, wish: &Wish) -> Vec<Step> {
        match self {
            Self::Systemd(machine) => installation::install(wish, machine),
            Self::Launchd(mac) => installation::launchd::install(wish, mac),
        }
    }

    pub(super) fn uninstall(&self, scope: &Scope) -> Vec<Step> {
        match self {
            Self::Systemd(machine) => installation::uninstall(scope, machine),
            Self::Launchd(mac) => installation::launchd::uninstall(scope, mac),
        }
    }
}

/// How what the manager keeps of ours stands, the daemon last.
pub(super) fn units(scope: &Scope) -> Result<Vec<UnitState>, Fatal> {
    match present()? {
        Manager::Systemd => systemd::units(scope),
        Manager::Launchd => Ok(launchd::jobs(scope)),
    }
}
