//! Fuzz targets of what users write: the AWS files and the settings file.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::sync::Arc;

use super::{
    Caller, ConfigFile, Environment, Inputs, Overrides, Settings, SharedFile, SharedFiles,
};
use crate::fuzz_targets::{SECRET_KEY, SESSION_TOKEN, assert_no_secret};
use crate::secret::Secret;

/// Keys that a mistake elsewhere must not repeat.
fn credentials() -> String {
    format!(
        "[base]\naws_access_key_id = ASIAEXAMPLE\naws_secret_access_key = {SECRET_KEY}\n\
         aws_session_token = {SESSION_TOKEN}\n"
    )
}

fn inputs(profile: Option<&str>) -> Inputs {
    Inputs {
        overrides: Overrides { profile: profile.map(str::to_owned), ..Overrides::default() },
        environment: Arc::new(Environment::default().with("HOME", "/home/jane")),
        caller: Caller { user: "jane".to_owned(), host: "laptop".to_owned(), pid: 42 },
        ..Inputs::default()
    }
}

/// Resolves twice, compares, and checks what holds for every outcome.
fn resolve(inputs: &Inputs, data: &[u8]) {
    let outcome = Settings::resolve(inputs);
    assert_eq!(outcome, Settings::resolve(inputs), "the same twice");
    let told = match &outcome {
        Ok(settings) => {
            assert!(!settings.roles.is_empty() && !settings.listen.is_empty());
            settings.warnings.clone()
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            mistakes.iter().cloned().collect()
        }
    };
    let lines = 8 + data.iter().filter(|b| matches!(b, b'\n' | b'\r')).count();
    for one in told {
        assert_no_secret(&one.to_string(), data);
        if let Some(place) = &one.place {
            assert!((1..=lines).contains(&place.line) && place.column > 0, "{one}");
        }
    }
}

/// `~/.aws/config`, and after the first NUL `~/.aws/credentials`.
///
/// The outcome is settings that can be used or at least one mistake, which names a line that
/// exists and repeats no key.
pub fn aws_files(data: &[u8]) {
    let nul = data.iter().position(|b| *b == 0);
    let (config, more) = nul.map_or((data, &[][..]), |at| {
        let (config, rest) = data.split_at(at);
        (config, rest.strip_prefix(&[0]).unwrap_or_default())
    });
    let own = [credentials().as_bytes(), more].concat();
    for profile in [None, Some("dev")] {
        let mut inputs = inputs(profile);
        inputs.shared_files = SharedFiles {
            config: Some(SharedFile::new("config", config.to_vec())),
            credentials: Some(SharedFile::new("credentials", own.clone())),
        };
        resolve(&inputs, data);
    }
}

/// The settings file; what holds for [`aws_files`] holds here too.
pub fn settings_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut inputs = inputs(None);
    inputs.shared_files.credentials =
        Some(SharedFile::new("credentials", credentials().into_bytes()));
    inputs.config_file = Some(ConfigFile { path: "config.toml".into(), text: Secret::new(text) });
    resolve(&inputs, data);
}
