//! Whole resolutions: flags, environment and profiles in, settings or mistakes out.

mod file;
mod mistakes;
mod profile;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::imds::{HttpEndpoint, HttpTokens, Options};
use crate::secret::Secret;
use crate::sts::request::{Base, BaseKind, Start};

pub(super) const ARN: &str = "arn:aws:iam::123456789012:role/team/deploy";

/// Inputs under construction.
#[derive(Clone)]
pub(super) struct Given(pub(super) Inputs);

pub(super) fn config(text: &str) -> Given {
    let environment = Environment::default().with("HOME", "/home/jane");
    Given(Inputs {
        environment: Arc::new(environment),
        shared_files: SharedFiles {
            config: Some(SharedFile::new("config", text.as_bytes().to_vec())),
            credentials: Some(SharedFile::new(
                "credentials",
                b"[base]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n".to_vec(),
            )),
        },
        caller: Caller { user: "jane".to_owned(), host: "laptop".to_owned(), pid: 42 },
        ..Inputs::default()
    })
}

impl Given {
    pub(super) fn flags(mut self, set: impl FnOnce(&mut Overrides)) -> Self {
        set(&mut self.0.overrides);
        self
    }

    pub(super) fn profile(self, name: &str) -> Self {
        self.flags(|flags| flags.profile = Some(name.to_owned()))
    }

    pub(super) fn role(self, arn: &str) -> Self {
        self.flags(|flags| flags.role_arn = Some(arn.to_owned()))
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        let environment = (*self.0.environment).clone().with(name, value);
        self.0.environment = Arc::new(environment);
        self
    }

    pub(super) fn file(mut self, text: &str) -> Self {
        let text = Secret::new(text);
        self.0.config_file = Some(ConfigFile { path: "config.toml".into(), text });
        self
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::resolve(&self.0).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    pub(super) fn only_role(&self) -> RoleSettings {
        self.settings().roles.remove(0)
    }

    pub(super) fn mistakes(&self) -> String {
        Settings::resolve(&self.0).unwrap_err().to_string()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let warnings = self.settings().warnings;
        warnings.iter().map(ToString::to_string).collect()
    }
}

pub(super) fn arns(role: &RoleSettings) -> Vec<&str> {
    let hops = role.source.hops.iter();
    hops.map(|hop| hop.role_arn.as_str()).collect()
}

pub(super) fn keys_of(name: &str) -> Start {
    Base::Profile { name: name.to_owned(), kind: BaseKind::Keys }.into()
}

/// A profile `dev` with a good role and source, and `more`.
pub(super) fn dev(more: &str) -> Given {
    config(&format!(
        "[profile dev]\nrole_arn = {ARN}\nsource_profile = base\nregion = eu-west-1\n{more}"
    ))
    .profile("dev")
}

/// The same role, as a table of the settings file.
pub(super) const TABLE: &str = "[role.dev]\nrole_arn = \"arn:aws:iam::123456789012:role/team/deploy\"\nsource_profile = \"base\"\nregion = \"eu-west-1\"\n";
