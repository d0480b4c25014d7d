//! What a profile without a role of its own holds, and whose it is.

use super::mistake::{Mistake, Mistakes};
use super::profile::{FileKind, Profiles, Section};
use super::setting::Setting;
use super::values::nearest;
use crate::environment::Environment;
use crate::role::{AccountId, Region, RoleArn, RoleName, SessionName};
use crate::sts::request::{Base, BaseKind, Start};

/// Whose credentials are served, as far as the settings tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) role_name: RoleName,
    pub(super) role_arn: Option<RoleArn>,
    pub(super) account: Option<AccountId>,
}

impl Identity {
    pub(super) fn of_role(arn: &RoleArn) -> Self {
        Self {
            role_name: arn.name().clone(),
            role_arn: Some(arn.clone()),
            account: Some(arn.account().clone()),
        }
    }

    fn of_user(name: &str, account: Option<AccountId>) -> Self {
        Self { role_name: name_for(name), role_arn: None, account }
    }
}

/// Which of its credentials the CLI would take; a mistake where there are none.
pub(super) fn kind(
    section: &Section,
    profiles: &Profiles,
    mistakes: &mut Mistakes,
) -> Option<BaseKind> {
    let set = |key: &str| section.get(key).is_some();
    let keys_in = |file| {
        section
            .get("aws_access_key_id")
            .or_else(|| section.get("aws_secret_access_key"))
            .is_some_and(|value| value.file == file)
    };
    if set("sso_account_id") || set("sso_role_name") {
        check_sso(section, profiles, mistakes);
        Some(BaseKind::Sso)
    } else if keys_in(FileKind::Credentials) {
        check_keys(section, mistakes);
        Some(BaseKind::Keys)
    } else if set("login_session") {
        Some(BaseKind::Login)
    } else if set("credential_process") {
        Some(BaseKind::Process)
    } else if keys_in(FileKind::Config) {
        check_keys(section, mistakes);
        Some(BaseKind::Keys)
    } else {
        mistakes.push(nothing_in(section));
        None
    }
}

/// Whose credentials a start gives that is served as it is, with no role after it;
/// `name` is what users call it, `section` the profile where it has one.
pub(super) fn identity(
    start: &Start,
    name: &str,
    section: Option<&Section>,
    mistakes: &mut Mistakes,
) -> Option<Identity> {
    match start {
        Start::WebIdentity(call) => Some(Identity::of_role(&call.role_arn)),
        Start::Saml(call) => Some(Identity::of_role(&call.role_arn)),
        Start::Session(..) | Start::Federation(..) => Some(Identity::of_user(name, None)),
        Start::Base(Base::Profile { kind, .. }) => of_profile(section?, *kind, mistakes),
        Start::Base(Base::Environment | Base::Endpoint { .. }) => None,
    }
}

fn of_profile(section: &Section, kind: BaseKind, mistakes: &mut Mistakes) -> Option<Identity> {
    let setting = |key| section.get(key).map(|value| Setting::of(key, value));
    match kind {
        BaseKind::Keys => {
            mistakes.push(long_lived(section));
            None
        }
        BaseKind::Sso => Some(Identity {
            role_name: mistakes.note(setting("sso_role_name")?.parse())?,
            role_arn: None,
            account: mistakes.note(setting("sso_account_id")?.parse()),
        }),
        BaseKind::Process | BaseKind::Login => {
            let account = setting("aws_account_id").map(|account| account.parse()).transpose();
            Some(Identity::of_user(&section.name, mistakes.note(account).flatten()))
        }
    }
}

/// True where a base is known not to be the long-lived keys of a user.
pub(super) fn is_temporary(base: &Base, profiles: &Profiles, environment: &Environment) -> bool {
    match base {
        Base::Environment => environment.get("AWS_SESSION_TOKEN").is_some(),
        Base::Profile { name, kind: BaseKind::Keys } => {
            let section = profiles.profile(name);
            section.is_some_and(|section| section.get("aws_session_token").is_some())
        }
        // What a command prints is seen when it has printed it.
        Base::Profile { kind: BaseKind::Process, .. } => false,
        Base::Profile { kind: BaseKind::Sso | BaseKind::Login, .. } | Base::Endpoint { .. } => true,
    }
}

/// Only a user's own keys may ask for some things (A6).
pub(super) fn no_user(source: Setting<'_>) -> Mistake {
    source
        .mistake("GetSessionToken and GetFederationToken take the long-lived keys of an IAM user")
        .hint("name a profile that holds such keys")
}

/// A profile's name, made to look like a role's.
fn name_for(profile: &str) -> RoleName {
    profile.parse().unwrap_or_else(|_| {
        SessionName::nearest(profile)
            .as_str()
            .parse()
            .expect("a role name may hold what a session name holds, and as much of it")
    })
}

fn check_keys(section: &Section, mistakes: &mut Mistakes) {
    const ID: &str = "aws_access_key_id";
    const SECRET: &str = "aws_secret_access_key";
    for (there, gone) in [(ID, SECRET), (SECRET, ID)] {
        if section.get(gone).is_none() {
            mistakes.push(missing(section, there, gone));
        }
    }
}

fn check_sso(section: &Section, profiles: &Profiles, mistakes: &mut Mistakes) {
    for (there, gone) in [("sso_role_name", "sso_account_id"), ("sso_account_id", "sso_role_name")]
    {
        if section.get(gone).is_none() {
            mistakes.push(missing(section, there, gone));
        }
    }
    if let Some(account) = section.get("sso_account_id") {
        mistakes.note(Setting::of("sso_account_id", account).parse::<AccountId>());
    }
    let Some(home) = mistakes.note(sso_home(section, profiles)) else {
        return;
    };
    for key in ["sso_start_url", "sso_region"] {
        if home.get(key).is_none() {
            mistakes.push(
                Mistake::new(format!("has no {key}"))
                    .at(&home.place)
                    .key(&home.name)
                    .hint("aws configure sso writes all that is needed"),
            );
        }
    }
    if let Some(region) = home.get("sso_region") {
        mistakes.note(Setting::of("sso_region", region).parse::<Region>());
    }
}

/// Where the login itself is described: in a session that profiles share, or in the profile.
fn sso_home<'a>(section: &'a Section, profiles: &'a Profiles) -> Result<&'a Section, Mistake> {
    let Some(name) = section.get("sso_session") else {
        return Ok(section);
    };
    profiles.sso_session(name.text()).ok_or_else(|| {
        let hint = match nearest(name.text(), profiles.sso_sessions()) {
            Some(near) => format!("did you mean {near}?"),
            None => "add a section [sso-session NAME] to the config file".to_owned(),
        };
        Setting::of("sso_session", name).mistake("there is no such SSO session").hint(hint)
    })
}

fn missing(section: &Section, there: &str, gone: &str) -> Mistake {
    let place = section.get(there).map_or(&section.place, |value| &value.place);
    Mistake::new(format!("stands without {gone}"))
        .at(place)
        .key(there)
        .hint(format!("add {gone} to the same profile"))
}

fn nothing_in(section: &Section) -> Mistake {
    let mistake = Mistake::new("a profile without credentials and without a role")
        .at(&section.place)
        .key(&section.name);
    let known = [
        "role_arn",
        "credential_process",
        "aws_access_key_id",
        "sso_account_id",
        "web_identity_token_file",
        "login_session",
    ];
    for (written, value) in section.values() {
        if let Some(near) = nearest(written, known) {
            return mistake.hint(format!("line {} may mean {near}", value.place.line));
        }
    }
    if let Some(source) = section.get("credential_source").or_else(|| section.get("source_profile"))
    {
        return mistake.hint(format!("line {} needs a role_arn beside it", source.place.line));
    }
    mistake.hint("it needs role_arn with source_profile, sso_session, credential_process, or keys")
}

/// Long-lived keys are never served themselves, only a session of their user.
fn long_lived(section: &Section) -> Mistake {
    let place = section.get("aws_access_key_id").map_or(&section.place, |value| &value.place);
    let what = if section.get("aws_session_token").is_some() {
        "keys that end at an unknown time cannot be rotated, so they are not served"
    } else {
        "long-lived keys are never served as they are"
    };
    Mistake::new(what).at(place).key("aws_access_key_id").hint(format!(
        "have a role assumed with them: --role-arn ARN --source-profile {}",
        section.name
    ))
}
