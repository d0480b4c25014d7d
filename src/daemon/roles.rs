//! All roles that are served, and which of them is active: what listeners
//! without a role of their own serve.
//!
//! The active role and eager ones rotate always. Every other is assumed when
//! somebody asks for it, and rests when nobody has for long.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attendance::Attendance;
use super::role::{Known, Role};
use crate::config::{RoleSettings, Settings};
use crate::http::ServedRole;
use crate::imds::Facts;
use crate::pulse::Pulse;

/// All of them; never empty.
#[derive(Debug)]
pub(super) struct Roles {
    all: Vec<Role>,
    active: String,
    attendance: Attendance,
}

impl Roles {
    /// Those of the settings; the first is the active one.
    pub(super) fn open(
        settings: &Settings,
        facts: impl Fn(&RoleSettings) -> Facts,
        attendance: Attendance,
    ) -> Self {
        let active = settings.roles.first().map(|role| role.name.clone()).unwrap_or_default();
        let mut roles = Self { all: Vec::new(), active, attendance };
        for role in &settings.roles {
            roles.add(role, facts(role), settings.idle_after);
        }
        roles
    }

    /// The active one.
    pub(super) fn active(&self) -> &Role {
        let found = self.find(&self.active).or_else(|| self.all.first());
        found.unwrap_or_else(|| unreachable!("settings name at least one role"))
    }

    /// The one of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Role> {
        self.all.iter().find(|role| role.name() == name)
    }

    /// All of them, as everybody in the house knows them.
    pub(super) fn known(&self) -> Vec<Known> {
        self.all.iter().map(Role::known).collect()
    }

    /// All of them, as connections see them.
    pub(super) fn served(&self) -> BTreeMap<String, ServedRole> {
        self.all.iter().map(|role| (role.name().to_owned(), role.served())).collect()
    }

    /// Makes another one active, which rotates from now on.
    pub(super) fn activate(&mut self, name: &str, idle_after: Duration) {
        name.clone_into(&mut self.active);
        self.let_rest(idle_after);
    }

    /// Takes other settings over: the active one stays so where it may, unless they
    /// name another than before. Says what changed.
    pub(super) fn change(
        &mut self,
        before: &Settings,
        settings: &Settings,
        facts: impl Fn(&RoleSettings) -> Facts,
    ) -> Vec<String> {
        let mut changed = self.dismiss_others(settings);
        for role in &settings.roles {
            let facts = facts(role);
            if let Some(known) = self.all.iter_mut().find(|known| known.name() == role.name) {
                changed.extend(known.change(role.clone(), facts));
            } else {
                self.add(role, facts, settings.idle_after);
                changed.push(format!("role {}: assumed anew", role.name));
            }
        }
        let first = |settings: &Settings| settings.roles.first().map(|role| role.name.clone());
        let may_stay =
            settings.roles.iter().any(|role| role.name == self.active && !role.protected);
        if !may_stay || first(before) != first(settings) {
            self.active = first(settings).unwrap_or_default();
        }
        self.let_rest(settings.idle_after);
        changed
    }

    /// Has each tried that does not rest.
    pub(super) fn refresh(&self) {
        for role in &self.all {
            if !role.bell.standing().borrow().resting {
                role.bell.refresh();
            }
        }
    }

    /// Wipes what is held, and serves nothing until it is unlocked.
    pub(super) fn lock(&self) {
        self.all.iter().for_each(Role::lock);
    }

    /// Of each rotation.
    pub(super) fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.all.iter().map(|role| role.bell.pulse())
    }

    /// Ends all rotation; attempts in flight are dropped.
    pub(super) async fn stop(&mut self) {
        for role in &mut self.all {
            role.stop().await;
        }
    }

    fn add(&mut self, settings: &RoleSettings, facts: Facts, idle_after: Duration) {
        let rest = (!self.always_rotates(settings)).then_some(idle_after);
        let locked = self.all.first().is_some_and(|known| known.store.read().locked);
        let role = Role::new(settings.clone(), facts, self.attendance.makings.clone(), rest);
        if locked {
            role.lock();
        }
        let attendants = self.attendance.of(&role.known());
        self.all.push(role.attended_by(attendants));
    }

    fn dismiss_others(&mut self, settings: &Settings) -> Vec<String> {
        let stays = |role: &Role| settings.roles.iter().any(|known| known.name == role.name());
        let (stay, gone) = std::mem::take(&mut self.all).into_iter().partition(stays);
        self.all = stay;
        let gone: Vec<Role> = gone;
        gone.into_iter()
            .map(|role| {
                let told = format!("role {}: no longer served", role.name());
                role.dismiss();
                told
            })
            .collect()
    }

    fn let_rest(&self, idle_after: Duration) {
        for role in &self.all {
            let always = self.always_rotates(&role.known().settings.borrow());
            role.bell.rest_after((!always).then_some(idle_after));
        }
    }

    fn always_rotates(&self, role: &RoleSettings) -> bool {
        role.eager || role.name == self.active
    }
}
