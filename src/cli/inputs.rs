//! Everything that settings are made of, read from the outside world.
//!
//! Flags and environment are those of the start; files are read as often as
//! somebody asks. Relative paths mean the directory of the start for good.

use std::fmt::{Display, Write};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::secret_variables;
use crate::config::{
    self, Caller, ConfigFile, Environment, Inputs, Mistake, Mistakes, Overrides, ProfilePaths,
    Settings, SharedFile, SharedFiles, Whereabouts,
};
use crate::daemon::Reread;
use crate::fatal::{Exit, Fatal};
use crate::secret::Secret;
use crate::sts;
use crate::sys::{identity, supervisor};

/// What the log is called in the state directory, where a detached daemon keeps it.
const LOG: &str = "assumed.log";

/// The variable that names the shared credentials file.
const CREDENTIALS: &str = "AWS_SHARED_CREDENTIALS_FILE";

/// The environment of this process; what is no Unicode is no setting of ours.
pub(super) fn environment() -> Environment {
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // Keys that the service manager handed over stand for those of a home.
    match supervisor::base_keys(&environment).as_deref().and_then(Path::to_str) {
        Some(path) if environment.get(CREDENTIALS).is_none() => environment.with(CREDENTIALS, path),
        _ => environment,
    }
}

/// Where settings come from; enough to read them again.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    overrides: Overrides,
    environment: Arc<Environment>,
    config: Option<PathBuf>,
    directory: PathBuf,
    /// Without a terminal there is a log file even where none is named.
    detached: bool,
}

/// What was found in them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) inputs: Inputs,
    pub(super) settings: Settings,
}

impl Sources {
    /// Reads the environment and nothing else yet.
    pub(super) fn new(overrides: Overrides, config: Option<&Path>, detached: bool) -> Self {
        // Gone, or closed to this user: then relative paths have no meaning anyway.
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Self {
            overrides,
            environment: Arc::new(environment()),
            config: config.map(|path| directory.join(path)),
            directory,
            detached,
        }
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The same in a process that goes on living: it keeps no key where others could find it.
    ///
    /// Call it while the process has one thread.
    pub(super) fn with_moved_secrets(self) -> Self {
        let environment = secret_variables::moved(Environment::clone(&self.environment));
        Self { environment: Arc::new(environment), ..self }
    }

    /// The same in the environment of another process.
    #[cfg(feature = "service")]
    pub(super) fn seeing(self, environment: Environment) -> Self {
        Self { environment: Arc::new(environment), ..self }
    }

    /// Reads every file and puts the settings together.
    ///
    /// # Errors
    /// Every mistake; where files cannot be read, those alone, for the rest
    /// would follow from them.
    pub(super) fn read(&self) -> Result<Found, Mistakes> {
        let inputs = self.gather()?;
        let settings = self.settle(&inputs)?;
        Ok(Found { inputs, settings })
    }

    /// The same, as often as the daemon asks for it.
    pub(super) fn reread(self) -> Reread {
        Arc::new(move || self.read().map(|found| found.settings))
    }

    /// The shared AWS files as far as they can be read.
    pub(super) fn shared_files(&self) -> SharedFiles {
        let mut paths = ProfilePaths::of(&self.environment);
        self.anchor_profiles(&mut paths);
        let file = |path: &Path| Some(SharedFile::new(path, read(path).ok().flatten()?));
        SharedFiles { config: file(&paths.config), credentials: file(&paths.credentials) }
    }

    /// Where a running daemon may be found, whatever else is wrong with the files.
    pub(super) fn whereabouts(&self) -> Whereabouts {
        let inputs = Inputs {
            overrides: self.overrides.clone(),
            environment: Arc::clone(&self.environment),
            config_file: self.config_file().ok().flatten(),
            ..Inputs::default()
        };
        let mut found = Whereabouts::of(&inputs);
        for path in found.sockets.iter_mut().chain(&mut found.state_dir) {
            *path = self.directory.join(&*path);
        }
        found
    }

    /// The same settings in a process of another pid; nothing is read again.
    pub(super) fn of_this_process(&self, mut inputs: Inputs) -> Option<Settings> {
        inputs.caller.pid = std::process::id();
        self.settle(&inputs).ok()
    }

    fn settle(&self, inputs: &Inputs) -> Result<Settings, Mistakes> {
        let mut settings = Settings::resolve(inputs)?;
        self.anchor(&mut settings);
        if self.detached && settings.log.file.is_none() {
            settings.log.file = Some(settings.state_dir.join(LOG));
        }
        let mut mistakes = Mistakes::default();
        for role in &settings.roles {
            mistakes.note(sts::check_route(&role.source.route).map_err(|failure| {
                let mistake = Mistake::new(failure.message);
                failure.hint.into_iter().fold(mistake, Mistake::hint)
            }));
        }
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    fn gather(&self) -> Result<Inputs, Mistakes> {
        let mut mistakes = Mistakes::default();
        let mut paths = ProfilePaths::of(&self.environment);
        self.anchor_profiles(&mut paths);
        let config_file = mistakes.note(self.config_file()).flatten();
        let mut shared = |path: &Path| {
            let bytes = mistakes.note(read(path)).flatten();
            bytes.map(|bytes| SharedFile::new(path, bytes))
        };
        let shared_files =
            SharedFiles { config: shared(&paths.config), credentials: shared(&paths.credentials) };
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Inputs {
            overrides: self.overrides.clone(),
            config_file,
            shared_files,
            caller: caller(&self.environment),
            environment: Arc::clone(&self.environment),
        })
    }

    /// The file that was named, else the first that is there.
    fn config_file(&self) -> Result<Option<ConfigFile>, Mistake> {
        let places = match &self.config {
            None => ConfigFile::places(&self.environment),
            Some(named) => vec![named.clone()],
        };
        for path in places {
            if self.config.is_none() && is_for_others(&path) {
                continue;
            }
            if let Some(bytes) = read(&path)? {
                return Ok(Some(ConfigFile { text: text(&path, bytes)?, path }));
            }
        }
        match &self.config {
            None => Ok(None),
            Some(path) => Err(unreadable(path, "there is no such file")),
        }
    }

    fn anchor(&self, settings: &mut Settings) {
        let anchor = |path: &mut PathBuf| *path = self.directory.join(&*path);
        anchor(&mut settings.state_dir);
        settings.log.file.iter_mut().for_each(anchor);
        settings.control.places.iter_mut().for_each(anchor);
        settings.control.folders.iter_mut().for_each(anchor);
        for role in &mut settings.roles {
            role.source.route.ca_bundle.iter_mut().for_each(anchor);
            self.anchor_profiles(&mut role.source.paths);
        }
    }

    fn anchor_profiles(&self, paths: &mut ProfilePaths) {
        for path in [&mut paths.config, &mut paths.credentials] {
            *path = self.directory.join(&*path);
        }
    }

    /// The same place, whatever the directory becomes.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

/// True for the machine's own settings where only the machine's daemon may read them.
fn is_for_others(path: &Path) -> bool {
    let closed = |error: io::Error| error.kind() == ErrorKind::PermissionDenied;
    path.starts_with("/etc") && fs::File::open(path).is_err_and(closed)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<Secret, Mistake> {
    String::from_utf8(bytes).map(Secret::new).map_err(|_| unreadable(path, "it is not UTF-8"))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Mistake> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, why: impl Display) -> Mistake {
    Mistake::new(format!("{}: {why}", path.display())).hint("may this user read it?")
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

impl Found {
    /// Drops what the settings were made of: the files may have keys in them.
    pub(super) fn into_settings(self) -> Settings {
        self.settings
    }

    /// What is legal but probably not meant, and what SDKs will prefer to us.
    pub(super) fn warnings(&self) -> Vec<Mistake> {
        let rivals = config::rivals(&self.inputs, &self.settings.listen);
        self.settings.warnings.iter().cloned().chain(rivals).collect()
    }

    /// Says them.
    pub(super) fn warn(&self) {
        for warning in self.warnings() {
            warn!(event = "settings", "{}", warning.to_string().replace('\n', "; "));
        }
    }
}
