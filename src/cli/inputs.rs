//! Everything that settings are made of, read from the outside world once.

use std::fmt::{Display, Write};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use crate::config::{
    self, Caller, ConfigFile, Environment, Inputs, Mistakes, Overrides, ProfilePaths, Settings,
    SharedFile, SharedFiles,
};
use crate::fatal::{Exit, Fatal};
use crate::secret::Secret;
use crate::sys::identity;

/// The environment of this process; what is no Unicode is no setting of ours.
pub(super) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the environment and every file that settings may come from.
///
/// # Errors
/// Where a file is there but cannot be read, or `config` is not there.
pub(super) fn gather(overrides: Overrides, config: Option<&Path>) -> Result<Inputs, Fatal> {
    let environment = environment();
    let paths = ProfilePaths::of(&environment);
    Ok(Inputs {
        overrides,
        config_file: config_file(config, &environment)?,
        shared_files: SharedFiles {
            config: shared_file(&paths.config)?,
            credentials: shared_file(&paths.credentials)?,
        },
        caller: caller(&environment),
        environment: Arc::new(environment),
    })
}

fn shared_file(path: &Path) -> Result<Option<SharedFile>, Fatal> {
    Ok(read(path)?.map(|bytes| SharedFile::new(path, bytes)))
}

/// The file that was named, else the first that is there.
fn config_file(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<Option<ConfigFile>, Fatal> {
    let places =
        named.map_or_else(|| ConfigFile::places(environment), |path| vec![path.to_owned()]);
    for path in places {
        if let Some(bytes) = read(&path)? {
            return Ok(Some(ConfigFile { text: text(&path, bytes)?, path }));
        }
    }
    match named {
        None => Ok(None),
        Some(path) => Err(unreadable(path, "there is no such file")),
    }
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<Secret, Fatal> {
    String::from_utf8(bytes).map(Secret::new).map_err(|_| unreadable(path, "it is not UTF-8"))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Fatal> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, why: impl Display) -> Fatal {
    Fatal::new(Exit::Settings, format!("{}: {why}", path.display())).hint("may this user read it?")
}

pub(super) fn caller(environment: &Environment) -> Caller {
    let user = environment.get("USER").or_else(|| environment.get("LOGNAME")).unwrap_or("assumed");
    Caller { user: user.to_owned(), host: identity::host_name(), pid: std::process::id() }
}

/// All mistakes at once, as the reason to end.
pub(super) fn wrong(mistakes: &Mistakes) -> Fatal {
    let mut message = String::from("the settings are wrong");
    for line in mistakes.to_string().lines() {
        // Writing to a string cannot fail.
        let _ = write!(message, "\n  {line}");
    }
    Fatal::new(Exit::Settings, message)
}

/// What is legal but probably not meant, and what SDKs will prefer to us.
pub(super) fn warn(inputs: &Inputs, settings: &Settings) {
    let rivals = config::rivals(inputs, &settings.listen);
    for warning in settings.warnings.iter().chain(&rivals) {
        warn!(event = "settings", "{}", warning.to_string().replace('\n', "; "));
    }
}
