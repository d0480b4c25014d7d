//! Which roles are asked for, and what is written about them.
//!
//! Flags name one, else the settings file names some, else `AWS_PROFILE` one, else
//! it is the default profile, else the web identity of the environment. Nothing is
//! judged here but the choice itself.

use super::action::Action;
use super::file::{Document, Item, Table};
use super::inputs::Inputs;
use super::mistake::{Mistake, Mistakes};
use super::profile::{Profiles, Section};
use super::role_keys::Keys;
use super::setting::Setting;
use super::unknown::unknown_profile;
use super::values::nearest;

/// The entry of `roles` that stands for every profile with a `role_arn`.
const EVERY: &str = "profile:*";

/// A role, as far as it is written down.
pub(super) struct Draft<'a> {
    /// What users call it; none where only its ARN tells.
    pub(super) name: Option<&'a str>,
    /// Its profile.
    pub(super) section: Option<&'a Section>,
    /// Its table in the settings file.
    pub(super) table: Option<&'a Table>,
    pub(super) keys: Keys<'a>,
}

/// Where a role may be written down.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) document: &'a Document,
    pub(super) profiles: &'a Profiles,
}

/// The flags that say something about a role, under the keys they beat.
pub(super) fn role_flags(inputs: &Inputs) -> Vec<(&'static str, Setting<'_>)> {
    let flags = &inputs.overrides;
    [
        ("external_id", "--external-id", &flags.external_id),
        ("duration_seconds", "--duration", &flags.duration),
        ("role_session_name", "--session-name", &flags.session_name),
    ]
    .into_iter()
    .filter_map(|(key, flag, text)| Some((key, Setting::flag(flag, text.as_deref()?))))
    .collect()
}

impl<'a> Desk<'a> {
    /// Finds them all, in the order in which they are written.
    pub(super) fn drafts(self, mistakes: &mut Mistakes) -> Vec<Draft<'a>> {
        let mut drafts = match self.of_command_line() {
            Some(named) => mistakes.note(named).into_iter().collect(),
            None => self.of_file(mistakes),
        };
        let several = drafts.len() > 1;
        for (key, flag) in role_flags(self.inputs) {
            if several {
                mistakes.push(
                    flag.mistake("which of the roles is meant?")
                        .hint("name it with --profile, or write this into its table"),
                );
            }
            for draft in &mut drafts {
                draft.keys.set(key, flag);
            }
        }
        drafts
    }

    /// What flags name; `None` where they name nothing.
    fn of_command_line(self) -> Option<Result<Draft<'a>, Mistake>> {
        let flags = &self.inputs.overrides;
        if let Some(name) = &flags.role {
            return Some(self.of_name(Setting::flag("ROLE", name)));
        }
        match (&flags.role_arn, &flags.profile) {
            (Some(_), Some(_)) => {
                Some(Err(Mistake::new("a role, but --profile names one as well")
                    .key("--role-arn")
                    .hint(
                        "the profile whose credentials sign the call is named by --source-profile",
                    )))
            }
            (Some(arn), None) => Some(self.of_flags(arn)),
            (None, _) if flags.source_profile.is_some() => {
                Some(Err(Mistake::new("a source without a role")
                    .key("--source-profile")
                    .hint("name the role with --role-arn, or use --profile")))
            }
            (None, Some(name)) => Some(self.of_profile(Setting::flag("--profile", name))),
            (None, None) => None,
        }
    }

    /// `--role-arn` needs no profile: its base is the one named, else keys in the
    /// environment, else the usual profile.
    fn of_flags(self, arn: &'a str) -> Result<Draft<'a>, Mistake> {
        let mut keys = Keys::default();
        keys.set("role_arn", Setting::flag("--role-arn", arn));
        if let Some(name) = &self.inputs.overrides.source_profile {
            keys.set("source_profile", Setting::flag("--source-profile", name));
        } else if self.inputs.environment.get("AWS_ACCESS_KEY_ID").is_some() {
            let source = Setting::flag("AWS_ACCESS_KEY_ID", "Environment");
            keys.set("credential_source", source);
        } else if let Some(source) = self.usual_profile() {
            keys.set("source_profile", source);
        } else {
            return Err(Mistake::new("a role, but nothing to sign the call with")
                .key("--role-arn")
                .hint("name a profile with --source-profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        }
        Ok(Draft { name: None, section: None, table: None, keys })
    }

    /// A web identity as platforms hand it to their workloads, by variables alone.
    fn of_environment(self) -> Option<Draft<'a>> {
        let mut keys = Keys::default();
        for (key, variable) in [
            ("role_arn", "AWS_ROLE_ARN"),
            ("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ] {
            keys.set(key, Setting::variable(&self.inputs.environment, variable)?);
        }
        let name = Setting::variable(&self.inputs.environment, "AWS_ROLE_SESSION_NAME");
        if let Some(name) = name {
            keys.set("role_session_name", name);
        }
        Some(Draft { name: None, section: None, table: None, keys })
    }

    /// A role of the settings file, else one of the shared config file.
    fn of_name(self, named: Setting<'a>) -> Result<Draft<'a>, Mistake> {
        match self.tables().find(|(name, _)| *name == named.text) {
            Some((name, item)) => Self::of_table(name, item),
            None => self.of_profile(named),
        }
    }

    fn of_profile(self, named: Setting<'a>) -> Result<Draft<'a>, Mistake> {
        let section = self
            .profiles
            .profile(named.text)
            .ok_or_else(|| unknown_profile(named, self.profiles))?;
        let keys = Keys::of(section);
        Ok(Draft { name: Some(&section.name), section: Some(section), table: None, keys })
    }

    /// What the settings file asks for; where it asks for no role, the usual one.
    fn of_file(self, mistakes: &mut Mistakes) -> Vec<Draft<'a>> {
        let listed: Vec<_> = self.document.list("roles").iter().filter_map(Item::setting).collect();
        if !listed.is_empty() {
            return self.of_list(&listed, mistakes);
        }
        let tables = self.tables().map(|(name, item)| Self::of_table(name, item));
        let tables: Vec<_> = tables.collect();
        let found = if tables.is_empty() { vec![self.usual()] } else { tables };
        found.into_iter().filter_map(|draft| mistakes.note(draft)).collect()
    }

    /// The entries of `roles`, each name once.
    fn of_list(self, listed: &[Setting<'a>], mistakes: &mut Mistakes) -> Vec<Draft<'a>> {
        let mut drafts: Vec<Draft<'a>> = Vec::new();
        for entry in listed {
            let found = mistakes.note(self.of_entry(*entry)).unwrap_or_default();
            for draft in found {
                let same = |known: &&Draft<'a>| known.name == draft.name;
                match drafts.iter().find(same) {
                    None => drafts.push(draft),
                    // Whoever lists a profile by name means its place.
                    Some(known) if known.table.is_none() && entry.text == EVERY => {}
                    Some(known) => mistakes.push(
                        entry
                            .mistake(format!("two roles are called {}", known.name.unwrap_or("")))
                            .hint("name each once, and call no table like a profile"),
                    ),
                }
            }
        }
        drafts
    }

    /// An entry of `roles`.
    fn of_entry(self, entry: Setting<'a>) -> Result<Vec<Draft<'a>>, Mistake> {
        if entry.text == EVERY {
            return self.of_every_profile(entry);
        }
        if let Some(profile) = entry.text.strip_prefix("profile:") {
            return self.of_profile(Setting { text: profile, ..entry }).map(|draft| vec![draft]);
        }
        if let Some((name, item)) = self.tables().find(|(name, _)| *name == entry.text) {
            return Self::of_table(name, item).map(|draft| vec![draft]);
        }
        let hint = if self.profiles.profile(entry.text).is_some() {
            format!("a profile is named with its kind: \"profile:{}\"", entry.text)
        } else if let Some(near) = nearest(entry.text, self.tables().map(|(name, _)| name)) {
            format!("did you mean {near}?")
        } else {
            "add a table [role.NAME], or write profile:NAME for a profile".to_owned()
        };
        Err(entry.mistake("there is no such role").hint(hint))
    }

    /// Every profile with a `role_arn`.
    fn of_every_profile(self, entry: Setting<'a>) -> Result<Vec<Draft<'a>>, Mistake> {
        let roles = self.profiles.names().filter(|name| self.profiles.names_a_role(name));
        let drafts = roles.map(|name| self.of_profile(Setting { text: name, ..entry }));
        let drafts = drafts.collect::<Result<Vec<_>, _>>()?;
        if drafts.is_empty() {
            return Err(entry
                .mistake("no profile has a role_arn")
                .hint("add one to ~/.aws/config, or name a profile"));
        }
        Ok(drafts)
    }

    fn tables(self) -> impl Iterator<Item = (&'a str, &'a Item)> {
        self.document.table("role").into_iter().flat_map(Table::tables)
    }

    fn of_table(name: &'a str, item: &'a Item) -> Result<Draft<'a>, Mistake> {
        let table = item.table();
        let keys = table.map(Keys::of_table).unwrap_or_default();
        let shaped = table.is_some_and(|table| table.has("role_arn") || table.has("action"));
        if !shaped && Action::of(&keys) == Ok(Action::None) {
            return Err(Mistake::new("a role without role_arn")
                .at(&item.place)
                .key(&item.key)
                .hint(
                    "add it; a profile that is served as it is stands in roles as profile:NAME",
                ));
        }
        Ok(Draft { name: Some(name), section: None, table, keys })
    }

    /// What is served where nothing is written about it.
    fn usual(self) -> Result<Draft<'a>, Mistake> {
        match self.usual_profile() {
            Some(profile) => self.of_profile(profile),
            None => self.of_environment().ok_or_else(|| self.no_role()),
        }
    }

    /// What `AWS_PROFILE` names, else the default profile, if there is one.
    fn usual_profile(self) -> Option<Setting<'a>> {
        Setting::variable(&self.inputs.environment, "AWS_PROFILE").or_else(|| {
            self.profiles.profile("default").map(|_| Setting::flag("--profile", "default"))
        })
    }

    fn no_role(self) -> Mistake {
        let roles: Vec<&str> =
            self.profiles.names().filter(|name| self.profiles.names_a_role(name)).collect();
        Mistake::new("no role to serve").hint(if roles.is_empty() {
            "name one with --role-arn, or write a profile for it and name that with --profile"
                .to_owned()
        } else {
            format!("name one with --profile: {}", roles.join(", "))
        })
    }
}
