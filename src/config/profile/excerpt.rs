//! One profile's base, written out as a shared file of its own.
//!
//! The SDK's readers of SSO sessions and logins want a file.
//! Given this one, they can neither follow `role_arn` and `credential_source`
//! (which would ask IMDS, that is us), nor stumble over what the CLI accepts
//! and they do not.

use zeroize::Zeroizing;

use super::{Profiles, Section};
use crate::secret::Secret;
use crate::sts::request::BaseKind;

/// The name of the one profile in an excerpt.
pub const EXCERPT: &str = "base";

const KEYS: &[&str] =
    &["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_account_id"];
const SSO: &[&str] = &["sso_account_id", "sso_role_name"];
const SSO_SESSION: &[&str] = &["sso_region", "sso_start_url", "sso_registration_scopes"];
const PROCESS: &[&str] = &["credential_process", "aws_account_id"];
const LOGIN: &[&str] = &["login_session"];

impl Profiles {
    /// A config file with what `kind` needs of the profile, under the name [`EXCERPT`];
    /// `None` where the profile, or the SSO session it names, is gone.
    #[must_use]
    pub fn excerpt(&self, profile: &str, kind: BaseKind) -> Option<Secret> {
        let section = self.profile(profile)?;
        let mut text = String::with_capacity(4096);
        text.extend(["[profile ", EXCERPT, "]\n"]);
        copy(section, &["region"], &mut text);
        match kind {
            BaseKind::Keys => copy(section, KEYS, &mut text),
            BaseKind::Process => copy(section, PROCESS, &mut text),
            BaseKind::Login => copy(section, LOGIN, &mut text),
            BaseKind::Sso => {
                copy(section, SSO, &mut text);
                match section.get("sso_session") {
                    None => copy(section, SSO_SESSION, &mut text),
                    Some(name) => {
                        let session = self.sso_session(name.text())?;
                        copy(section, &["sso_session"], &mut text);
                        // The name stays: the cached login is found by it.
                        text.extend(["[sso-session ", &session.name, "]\n"]);
                        copy(session, SSO_SESSION, &mut text);
                    }
                }
            }
        }
        Some(Secret::new(text))
    }
}

fn copy(section: &Section, keys: &[&str], text: &mut String) {
    for key in keys {
        if let Some(value) = section.get(key) {
            let value = Zeroizing::new(value.text().replace('\n', "\n  "));
            text.extend([key, " = ", value.as_str(), "\n"]);
        }
    }
}
