//! SIGHUP: the files are read again, and what changed is applied.
//!
//! All that can fail is done first; a mistake anywhere changes nothing at all.

use tracing::{error, info, warn};

use super::house::House;
use super::listeners::Change;
use super::reading::Read;
use super::role;
use super::user_lookup::check_user_lookup;
use crate::config::{self, Mistake, Mistakes, RoleSettings, Settings};
use crate::control::Event;
use crate::log::Output;
use crate::sys::detach;

/// Everything that was opened for new settings.
struct Plan {
    settings: Settings,
    listeners: Change,
    output: Output,
}

impl House {
    /// Applies what was read, or says why not.
    pub(super) fn reload(&mut self, read: Read) {
        let read = read.and_then(|mut settings| {
            self.given.settle(&mut settings);
            Ok(config::check_passed(&settings)
                .and_then(|()| check_user_lookup(&settings))
                .map(|()| settings)?)
        });
        let outcome = match read.and_then(|settings| self.plan(settings)) {
            Ok(plan) => Ok(self.apply(plan)),
            Err(mistakes) => Err(mistakes),
        };
        self.chronicle.note(self.clock.now().wall, &told(&outcome));
        match &outcome {
            Ok(changed) if changed.is_empty() => {
                info!(event = "reload", "settings read again; nothing changed");
            }
            Ok(changed) => {
                info!(event = "reload", changed = changed.join(", "), "settings applied");
            }
            Err(mistakes) => refuse(mistakes),
        }
        self.reading.tell(&outcome);
    }

    /// Does all that can fail, with nothing changed yet.
    fn plan(&self, settings: Settings) -> Result<Plan, Mistakes> {
        let mut mistakes = Mistakes::default();
        // The control socket's place follows from the state directory where nobody sets it.
        if settings.state_dir != self.settings.state_dir {
            mistakes.push(fixed("state_dir"));
        } else if settings.control != self.settings.control {
            mistakes.push(fixed("control"));
        }
        if settings.max_in_flight != self.settings.max_in_flight {
            mistakes.push(fixed("max_in_flight"));
        }
        if settings.sandbox == self.settings.sandbox {
            self.sandbox.judge(&settings, &mut mistakes);
        } else {
            mistakes.push(fixed("sandbox"));
        }
        let listeners = self.listeners.plan(&self.wanted(&settings), &mut mistakes);
        let output = mistakes.note(Output::open(&settings.log).map_err(|error| {
            let mistake = Mistake::new(error.to_string()).key("log.file");
            mistake.hint(if self.sandbox.admits_log(&settings.log) {
                "may this user write there?"
            } else {
                "the sandbox was closed without that directory: this needs a restart"
            })
        }));
        match output {
            Some(output) if mistakes.is_empty() => Ok(Plan { settings, listeners, output }),
            _ => Err(mistakes),
        }
    }

    /// Nothing here can fail. Says what changed.
    fn apply(&mut self, plan: Plan) -> Vec<String> {
        let Plan { settings, listeners, output } = plan;
        let before = std::mem::replace(&mut self.settings, settings);
        if let Some(logging) = &self.logging {
            // Always, for the file may have been moved away.
            logging.switch(&output);
        }
        if let Some(file) = output.file().filter(|_| self.detached) {
            detach::errors_to(file);
        }
        for warning in &self.settings.warnings {
            if !before.warnings.contains(warning) {
                warn!(event = "settings", "{}", warning.to_string().replace('\n', "; "));
            }
        }
        let (settings, key, since) = (&self.settings, &self.key, self.since.wall);
        let facts = |role: &RoleSettings| role::facts(settings, role, key, since);
        let told = self.roles.change(&before, settings, facts);
        self.sessions.follow(settings.roles.iter().map(|role| (role.clone(), facts(role))));
        // A listener may have a role that was not there before.
        self.renew_terms();
        let mut changed = self.listeners.apply(listeners, &self.sites);
        changed.extend(told);
        self.renew_terms();
        self.provide_for_consumers();
        self.sites.reread();
        changed.extend(others(&before, &self.settings).map(str::to_owned));
        changed
    }
}

fn told(outcome: &Result<Vec<String>, Mistakes>) -> Event {
    match outcome {
        Ok(changed) => Event::Reloaded { changed: changed.clone() },
        Err(mistakes) => {
            let mistakes = mistakes.into_iter().map(ToString::to_string).collect();
            Event::ReloadRefused { mistakes }
        }
    }
}

/// The parts of the settings, beside roles and listeners, that are not what they were.
fn others<'a>(before: &Settings, after: &Settings) -> impl Iterator<Item = &'a str> {
    [
        ("log", before.log != after.log),
        ("imds", before.imds != after.imds),
        ("pod", before.pods != after.pods),
        ("access", before.access != after.access),
        ("events", before.events != after.events),
        ("hosts", before.hosts != after.hosts),
        ("idle_after", before.idle_after != after.idle_after),
        ("exit_on_refusal", before.exit_on_refusal != after.exit_on_refusal),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
}

fn fixed(key: &str) -> Mistake {
    Mistake::new("cannot change while the daemon runs").key(key).hint("this needs a restart")
}

/// Each mistake is a line of its own.
fn refuse(mistakes: &Mistakes) {
    for mistake in mistakes {
        error!(
            event = "reload",
            hint = mistake.hint.as_deref(),
            error = mistake.to_string().split('\n').next(),
            "the settings are wrong; nothing was changed"
        );
    }
}
