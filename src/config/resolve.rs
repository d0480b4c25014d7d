//! From inputs to settings: flags over environment over file over profile.

use std::time::Duration;

use super::access;
use super::chain::{Calls, Chain, Ground, walk};
use super::control::Control;
use super::draft::{Desk, Draft, role_flags};
use super::endpoint;
use super::events::Events;
use super::file::{Document, Item, Table};
use super::imds;
use super::inputs::Inputs;
use super::listen;
use super::locale::Locale;
use super::log::Log;
use super::metadata::{self, Metadata};
use super::mistake::{Mistake, Mistakes, Warning};
use super::neighbour;
use super::parts;
use super::pod;
use super::profile::Profiles;
use super::role_keys::Keys;
use super::sandbox::Sandbox;
use super::setting::Setting;
use super::settings::{RoleSettings, Settings};
use super::state_dir::state_dir;
use super::values;
use crate::environment::ProfilePaths;
use crate::role::{Region, RoleArn};
use crate::sts::request::{Source, Start, Timeouts};

const READY_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_IN_FLIGHT: usize = 4;
const IDLE_AFTER: Duration = Duration::from_hours(1);

impl Settings {
    /// Puts the settings together.
    ///
    /// # Errors
    /// Every mistake there is, not the first only.
    pub fn resolve(inputs: &Inputs) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let document = Document::read(inputs.config_file.as_ref(), &mut mistakes);
        let profiles = Profiles::read(&inputs.shared_files, &mut mistakes);
        let mut resolution = Resolution {
            inputs,
            document: &document,
            profiles: &profiles,
            mistakes,
            warnings: Vec::new(),
            neighbours: Vec::new(),
        };
        let settings = resolution.settings();
        let mut mistakes = resolution.mistakes;
        mistakes.sort();
        match settings {
            Some(settings) if mistakes.is_empty() => Ok(settings),
            _ => Err(mistakes),
        }
    }
}

struct Resolution<'a> {
    inputs: &'a Inputs,
    document: &'a Document,
    profiles: &'a Profiles,
    mistakes: Mistakes,
    warnings: Vec<Warning>,
    /// Endpoints that have to be somebody else's.
    neighbours: Vec<Setting<'a>>,
}

impl<'a> Resolution<'a> {
    fn settings(&mut self) -> Option<Settings> {
        let (roles, names) = self.roles();
        let served: Option<Vec<&str>> =
            names.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let (mistakes, warnings) = (&mut self.mistakes, &mut self.warnings);
        let served = served.as_deref();
        let (listen, access, pods) = if self.inputs.overrides.alone {
            (vec![listen::Listen::for_consumers()], Vec::new(), Vec::new())
        } else {
            let listen = listen::find(self.inputs, self.document, served, mistakes, warnings);
            let access = access::find(self.document, &listen, served, mistakes, warnings);
            let pods = pod::find(&self.inputs.environment, self.document, served, mistakes);
            (listen, access, pods)
        };
        for endpoint in std::mem::take(&mut self.neighbours) {
            self.mistakes.note(neighbour::check(endpoint, &listen));
        }
        let hosts = self.hosts();
        let log = Log::read(self.inputs, self.document, &mut self.mistakes);
        let state_dir = self.mistakes.note(state_dir(self.inputs, self.document))?;
        let control = Control::read(self.inputs, self.document, &state_dir, &mut self.warnings);
        Some(Settings {
            roles: roles?,
            max_in_flight: self.number("max_in_flight").unwrap_or(MAX_IN_FLIGHT),
            idle_after: self.span("idle_after").unwrap_or(IDLE_AFTER),
            access,
            pods,
            listen,
            state_dir,
            control,
            imds: imds::options(self.document),
            hosts,
            ready_timeout: self.span("ready_timeout").unwrap_or(READY_TIMEOUT),
            events: Events::read(self.document),
            sandbox: Sandbox::read(self.document),
            log: log?,
            exit_on_refusal: self.inputs.overrides.exit_on_refusal,
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    /// All of them, the active one first, where none is wrong; and their names as far as
    /// these are known all the same.
    fn roles(&mut self) -> (Option<Vec<RoleSettings>>, Option<Vec<String>>) {
        let desk = Desk { inputs: self.inputs, document: self.document, profiles: self.profiles };
        let before = self.mistakes.iter().count();
        let drafts = desk.drafts(&mut self.mistakes);
        let complete = self.mistakes.iter().count() == before;
        let roles: Vec<_> = drafts.iter().map(|draft| self.role(draft)).collect();
        let called = |(draft, role): (&Draft<'_>, &Option<RoleSettings>)| {
            draft.name.map(str::to_owned).or_else(|| Some(role.as_ref()?.name.clone()))
        };
        let names = drafts.iter().zip(&roles).map(called).collect::<Option<Vec<_>>>();
        let names = names.filter(|_| complete);
        let Some(mut roles) = roles.into_iter().collect::<Option<Vec<_>>>() else {
            self.judge_active(names.as_deref());
            return (None, names);
        };
        let place = self.active(&roles);
        if let Some(up_to) = place.and_then(|place| roles.get_mut(..=place)) {
            up_to.rotate_right(1);
        }
        (place.map(|_| roles), names)
    }

    /// Whether `active` names one of them, where more than that cannot be told.
    fn judge_active(&mut self, names: Option<&[String]>) {
        if let (Some(named), Some(names)) = (self.named_active(), names)
            && !names.iter().any(|name| name == named.text)
        {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            self.mistakes.push(listen::not_served(named, &names));
        }
    }

    fn role(&mut self, draft: &Draft<'a>) -> Option<RoleSettings> {
        let ground = Ground {
            profiles: self.profiles,
            environment: &self.inputs.environment,
            caller: &self.inputs.caller,
        };
        let chain = walk(ground, draft, &mut self.mistakes);
        let as_it_is =
            |calls: &Calls| calls.hops.is_empty() && matches!(calls.start, Start::Base(_));
        if chain.calls.as_ref().is_some_and(as_it_is) {
            self.refuse_idle_flags();
        }
        self.neighbours.extend(chain.neighbour);
        self.role_settings(draft, chain)
    }

    fn role_settings(&mut self, draft: &Draft<'a>, chain: Chain<'a>) -> Option<RoleSettings> {
        let environment = &self.inputs.environment;
        let locale = Locale {
            flag: self.inputs.overrides.region.as_deref(),
            environment,
            document: self.document,
            table: draft.table,
            profiles: self.profiles,
            sections: &chain.sections,
        };
        let (mistakes, warnings) = (&mut self.mistakes, &mut self.warnings);
        let partition = chain.calls.as_ref().and_then(|calls| calls.identity.role_arn.as_ref());
        let partition = partition.map(RoleArn::partition);
        let region = locale.region(partition, mistakes, warnings)?;
        let asked = locale.sts_region(&region, mistakes)?;
        let endpoint = endpoint::find(&locale, asked, mistakes, warnings)?;
        let timeouts = self.timeouts(&draft.keys);
        let metadata = self.metadata(draft.table, &region);
        let [eager, protected] = ["eager", "protected"].map(|key| self.flag(&draft.keys, key));
        let name = draft.name.map(str::to_owned);
        let Calls { start, hops, identity } = chain.calls?;
        Some(RoleSettings {
            name: name.unwrap_or_else(|| identity.role_name.to_string()),
            role_name: identity.role_name,
            role_arn: identity.role_arn,
            account: identity.account,
            region,
            metadata,
            eager,
            protected,
            source: Source {
                start,
                hops,
                region: endpoint.region,
                endpoint_url: endpoint.url,
                route: endpoint.route,
                timeouts,
                paths: ProfilePaths::of(environment),
                environment: environment.clone(),
            },
        })
    }

    /// Whether a key says yes, in a profile as in a table.
    fn flag(&mut self, keys: &Keys<'_>, key: &str) -> bool {
        let Some(setting) = keys.get(key) else { return false };
        if !["true", "false"].contains(&setting.text) {
            self.mistakes
                .push(setting.mistake("not true or false").hint("write true, or leave it out"));
        }
        setting.text == "true"
    }

    fn refuse_idle_flags(&mut self) {
        for (_, flag) in role_flags(self.inputs) {
            self.mistakes.push(
                flag.mistake("without effect, for this profile is served as it is")
                    .hint("leave it out, or name a profile with a role_arn and a source"),
            );
        }
    }

    /// What `active` says, unless a flag chooses.
    fn named_active(&self) -> Option<Setting<'a>> {
        let flags = &self.inputs.overrides;
        let chosen =
            [&flags.profile, &flags.role_arn, &flags.role].into_iter().any(Option::is_some);
        self.document.get("active").filter(|_| !chosen)
    }

    /// Which of them listeners without a role of their own serve at first.
    fn active(&mut self, roles: &[RoleSettings]) -> Option<usize> {
        if self.inputs.overrides.role.is_some() {
            // The only one there is, and protected from others, of whom there are none.
            return Some(0);
        }
        let Some(named) = self.named_active() else {
            let first = roles.iter().position(|role| !role.protected);
            if first.is_none() && !roles.is_empty() {
                self.mistakes.push(
                    Mistake::new("every role is protected, so that none can be the active one")
                        .key("roles")
                        .hint("take protected from one of them, or add another role"),
                );
            }
            return first;
        };
        let found = roles.iter().position(|role| role.name == named.text);
        match found.and_then(|place| roles.get(place)) {
            None => {
                let served: Vec<_> = roles.iter().map(|role| &*role.name).collect();
                self.mistakes.push(listen::not_served(named, &served));
            }
            Some(role) if role.protected => self.mistakes.push(
                named
                    .mistake("a protected role is never the active one")
                    .hint("give it a listener of its own, or take protected from it"),
            ),
            Some(_) => {}
        }
        found
    }

    fn metadata(&mut self, table: Option<&Table>, region: &Region) -> Metadata {
        let own = table.and_then(|table| table.table("metadata"));
        let tables = [self.document.table("metadata"), own];
        metadata::find(tables.into_iter().flatten(), region, &mut self.mistakes)
    }

    fn timeouts(&mut self, keys: &Keys<'_>) -> Timeouts {
        let usual = Timeouts::default();
        let process = self.mistakes.note(parts::process_timeout(keys)).flatten();
        let timeouts = Timeouts {
            connect: self.span("sts.connect_timeout").unwrap_or(usual.connect),
            attempt: self.span("sts.attempt_timeout").unwrap_or(usual.attempt),
            operation: self.span("sts.operation_timeout").unwrap_or(usual.operation),
            process: process.unwrap_or(usual.process),
        };
        self.check_spans(&timeouts);
        timeouts
    }

    fn check_spans(&mut self, timeouts: &Timeouts) {
        let outer = [
            ("sts.connect_timeout", timeouts.connect, "attempt_timeout", timeouts.attempt),
            ("sts.attempt_timeout", timeouts.attempt, "operation_timeout", timeouts.operation),
        ];
        for (path, span, around, limit) in outer {
            // Whichever of the two is set is the one to blame.
            let other = format!("sts.{around}");
            let Some(setting) = self.document.get(path).or_else(|| self.document.get(&other))
            else {
                continue;
            };
            if span.is_zero() || limit < span {
                self.mistakes.push(
                    setting.mistake("these limits leave no time").hint(
                        "connect_timeout ≤ attempt_timeout ≤ operation_timeout, none of them 0",
                    ),
                );
            }
        }
    }

    fn hosts(&mut self) -> Vec<String> {
        let named = self.document.list("imds.hosts").iter().filter_map(Item::setting);
        named
            .filter_map(|name| {
                let name = values::host(name.text).map_err(|wrong| name.malformed(&wrong));
                self.mistakes.note(name).map(str::to_owned)
            })
            .collect()
    }

    /// A number whose bounds the file's reader has checked.
    fn number(&self, path: &str) -> Option<usize> {
        self.document.get(path)?.text.parse().ok()
    }

    fn span(&self, path: &str) -> Option<Duration> {
        self.document.get(path).and_then(span_of)
    }
}

/// A span whose form the file's reader has checked.
fn span_of(setting: Setting<'_>) -> Option<Duration> {
    values::duration(setting.text).ok()
}
