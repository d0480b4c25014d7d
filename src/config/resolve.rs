//! From inputs to settings: flags over environment over file over profile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::chain::{Chain, Ground, unknown_profile, walk};
use super::inputs::Inputs;
use super::mistake::{Mistake, Mistakes, Warning};
use super::profile::{Profiles, Section};
use super::region::Locale;
use super::setting::{Keys, Setting};
use super::settings::{Listen, ListenKind, Log, RoleSettings, Settings};
use super::values;
use crate::environment::{Environment, ProfilePaths};
use crate::role::RoleArn;
use crate::sts::request::{Route, Source, Timeouts};

const READY_TIMEOUT: Duration = Duration::from_secs(30);

impl Settings {
    /// Puts the settings together.
    ///
    /// # Errors
    /// Every mistake there is, not the first only.
    pub fn resolve(inputs: &Inputs) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let profiles = Profiles::read(&inputs.shared_files, &mut mistakes);
        let mut resolution =
            Resolution { inputs, profiles: &profiles, mistakes, warnings: Vec::new() };
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
    profiles: &'a Profiles,
    mistakes: Mistakes,
    warnings: Vec<Warning>,
}

/// The role that the user asked for, as far as it is written down.
struct Draft<'a> {
    section: Option<&'a Section>,
    keys: Keys<'a>,
}

impl<'a> Resolution<'a> {
    fn settings(&mut self) -> Option<Settings> {
        let role = self.role();
        let listen = self.listen();
        let log = self.log();
        let state_dir =
            state_dir(self.inputs.overrides.state_dir.as_deref(), &self.inputs.environment);
        Some(Settings {
            state_dir: self.mistakes.note(state_dir)?,
            roles: vec![role?],
            listen,
            hosts: Vec::new(),
            ready_timeout: READY_TIMEOUT,
            log: log?,
            exit_on_refusal: self.inputs.overrides.exit_on_refusal,
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    fn role(&mut self) -> Option<RoleSettings> {
        let draft = self.draft();
        let draft = self.mistakes.note(draft)?;
        let ground = Ground {
            profiles: self.profiles,
            environment: &self.inputs.environment,
            caller: &self.inputs.caller,
        };
        let chain = walk(ground, draft.section, &draft.keys, &mut self.mistakes)?;
        if chain.hops.is_empty() {
            self.refuse_idle_flags();
        }
        let name = draft
            .section
            .map_or_else(|| chain.identity.role_name.to_string(), |section| section.name.clone());
        self.role_settings(name, chain)
    }

    fn role_settings(&mut self, name: String, chain: Chain<'a>) -> Option<RoleSettings> {
        let environment = &self.inputs.environment;
        let locale = Locale {
            flag: self.inputs.overrides.region.as_deref(),
            environment,
            profiles: self.profiles,
            sections: &chain.sections,
        };
        let partition = chain.identity.role_arn.as_ref().map(RoleArn::partition);
        let region = locale.region(partition, &mut self.mistakes, &mut self.warnings)?;
        let endpoint = locale.endpoint(region.clone(), &mut self.mistakes, &mut self.warnings)?;
        Some(RoleSettings {
            name,
            role_name: chain.identity.role_name,
            role_arn: chain.identity.role_arn,
            account: chain.identity.account,
            region,
            source: Source {
                base: chain.base,
                hops: chain.hops,
                region: endpoint.region,
                endpoint_url: endpoint.url,
                route: Route::of(environment),
                timeouts: Timeouts::default(),
                paths: ProfilePaths::of(environment),
                environment: environment.clone(),
            },
        })
    }

    fn draft(&self) -> Result<Draft<'a>, Mistake> {
        let flags = &self.inputs.overrides;
        match (&flags.role_arn, &flags.profile) {
            (Some(_), Some(_)) => Err(Mistake::new("a role, but --profile names one as well")
                .key("--role-arn")
                .hint("the profile whose credentials sign the call is named by --source-profile")),
            (Some(arn), None) => self.draft_of_flags(arn),
            (None, _) if flags.source_profile.is_some() => {
                Err(Mistake::new("a source without a role")
                    .key("--source-profile")
                    .hint("name the role with --role-arn, or use --profile"))
            }
            (None, _) => self.draft_of_profile(),
        }
    }

    /// `--role-arn` needs no profile: its base is the one named, else keys in the
    /// environment, else the default profile.
    fn draft_of_flags(&self, arn: &'a str) -> Result<Draft<'a>, Mistake> {
        let mut keys = Keys::default();
        keys.set("role_arn", Setting::flag("--role-arn", arn));
        self.put_flags(&mut keys);
        let source = &self.inputs.overrides.source_profile;
        if let Some(name) = source {
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
        Ok(Draft { section: None, keys })
    }

    fn draft_of_profile(&self) -> Result<Draft<'a>, Mistake> {
        let named = match &self.inputs.overrides.profile {
            Some(name) => Setting::flag("--profile", name),
            None => self.usual_profile().ok_or_else(|| self.no_role())?,
        };
        let section = self
            .profiles
            .profile(named.text)
            .ok_or_else(|| unknown_profile(named, self.profiles))?;
        let mut keys = Keys::of(section);
        self.put_flags(&mut keys);
        Ok(Draft { section: Some(section), keys })
    }

    /// What `AWS_PROFILE` names, else the default profile, if there is one.
    fn usual_profile(&self) -> Option<Setting<'a>> {
        Setting::variable(&self.inputs.environment, "AWS_PROFILE").or_else(|| {
            self.profiles.profile("default").map(|_| Setting::flag("--profile", "default"))
        })
    }

    fn no_role(&self) -> Mistake {
        let roles: Vec<&str> =
            self.profiles.names().filter(|name| self.profiles.names_a_role(name)).collect();
        Mistake::new("no role to serve").hint(if roles.is_empty() {
            "name one with --role-arn, or write a profile for it and name that with --profile"
                .to_owned()
        } else {
            format!("name one with --profile: {}", roles.join(", "))
        })
    }

    fn put_flags(&self, keys: &mut Keys<'a>) {
        for (key, flag) in self.role_flags() {
            if let Some(flag) = flag {
                keys.set(key, flag);
            }
        }
    }

    fn role_flags(&self) -> [(&'static str, Option<Setting<'a>>); 3] {
        let flags = &self.inputs.overrides;
        let flag =
            |name, text: &'a Option<String>| text.as_deref().map(|text| Setting::flag(name, text));
        [
            ("external_id", flag("--external-id", &flags.external_id)),
            ("duration_seconds", flag("--duration", &flags.duration)),
            ("role_session_name", flag("--session-name", &flags.session_name)),
        ]
    }

    fn refuse_idle_flags(&mut self) {
        for flag in self.role_flags().into_iter().filter_map(|(_, flag)| flag) {
            self.mistakes.push(
                flag.mistake("without effect, for this profile is served as it is")
                    .hint("leave it out, or name a profile with a role_arn and a source"),
            );
        }
    }

    fn listen(&mut self) -> Vec<Listen> {
        let mut listen = Vec::new();
        for text in &self.inputs.overrides.listen {
            let flag = Setting::flag("--listen", text);
            let address = values::listen_address(text).map_err(|wrong| flag.malformed(&wrong));
            let Some(address) = self.mistakes.note(address) else {
                continue;
            };
            if listen.iter().any(|other: &Listen| other.address == address && address.port() != 0) {
                self.mistakes.push(flag.mistake(format!("{address} comes twice")));
            }
            listen.push(Listen { address, kind: ListenKind::Imds });
        }
        if listen.is_empty() {
            listen.push(Listen::default());
        }
        listen
    }

    fn log(&mut self) -> Option<Log> {
        let flags = &self.inputs.overrides;
        let level = flags.log_level.as_deref();
        let level = level.map(|text| Setting::flag("--log-level", text).parse());
        let format = flags.log_format.as_deref();
        let format = format.map(|text| Setting::flag("--log-format", text).parse());
        let level = self.mistakes.note(level.transpose());
        let format = self.mistakes.note(format.transpose());
        Some(Log {
            level: level?.unwrap_or_default(),
            format: format?.unwrap_or_default(),
            file: flags.log_file.clone(),
        })
    }
}

fn state_dir(flag: Option<&Path>, environment: &Environment) -> Result<PathBuf, Mistake> {
    if let Some(path) = flag {
        return Ok(path.to_owned());
    }
    // systemd names several, parted by colons, where a unit has several.
    let systemd = environment.get("STATE_DIRECTORY");
    if let Some(first) = systemd.and_then(|several| several.split(':').next()) {
        return Ok(PathBuf::from(first));
    }
    // A relative path is to be ignored, as the XDG specification has it.
    let xdg = environment.get("XDG_STATE_HOME").map(PathBuf::from);
    if let Some(state_home) = xdg.filter(|path| path.is_absolute()) {
        return Ok(state_home.join("assumed"));
    }
    match environment.home() {
        Some(home) => Ok(home.join(".local/state/assumed")),
        None => Err(Mistake::new("nowhere to keep the token key and the lock")
            .key("--state-dir")
            .hint("name a directory, for HOME is not set")),
    }
}
