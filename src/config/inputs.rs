//! Everything that settings are made of, gathered by the caller.

use std::path::PathBuf;
use std::sync::Arc;

use super::profile::SharedFiles;
use crate::environment::Environment;
use crate::secret::Secret;

/// What the flags say, as typed.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--profile`
    pub profile: Option<String>,
    /// The only role to serve, by its table in the settings file or else its profile.
    pub role: Option<String>,
    /// One process is served, on the container endpoint: what the settings say of
    /// listeners, callers and pods is about others.
    pub alone: bool,
    /// `--role-arn`
    pub role_arn: Option<String>,
    /// `--source-profile`
    pub source_profile: Option<String>,
    /// `--external-id`
    pub external_id: Option<String>,
    /// `--duration`
    pub duration: Option<String>,
    /// `--session-name`
    pub session_name: Option<String>,
    /// `--region`
    pub region: Option<String>,
    /// `--listen`, as often as given; instead of all others.
    pub listen: Vec<String>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--control`
    pub control: Option<PathBuf>,
    /// `--log-level`
    pub log_level: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
    /// `--log-file`
    pub log_file: Option<PathBuf>,
    /// `--exit-on-refusal`
    pub exit_on_refusal: bool,
}

/// Who runs the daemon; fills the placeholders of a session name.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// `{user}`
    pub user: String,
    /// `{host}`
    pub host: String,
    /// `{pid}`
    pub pid: u32,
}

/// The daemon's own settings file, as it was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Its name, as mistakes show it.
    pub path: PathBuf,
    /// All of it.
    pub text: Secret,
}

impl ConfigFile {
    /// Where it is looked for without `--config`: the first that exists is taken.
    #[must_use]
    pub fn places(environment: &Environment) -> Vec<PathBuf> {
        let xdg = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let own = xdg
            .filter(|path| path.is_absolute())
            .or_else(|| environment.home().map(|home| home.join(".config")));
        [own, Some(PathBuf::from("/etc"))]
            .into_iter()
            .flatten()
            .map(|folder| folder.join("assumed/config.toml"))
            .collect()
    }
}

/// What there is to resolve.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The flags.
    pub overrides: Overrides,
    /// The environment as it was at the start.
    pub environment: Arc<Environment>,
    /// The settings file, where there is one.
    pub config_file: Option<ConfigFile>,
    /// `~/.aws/config` and `~/.aws/credentials`.
    pub shared_files: SharedFiles,
    /// Who runs the daemon.
    pub caller: Caller,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_file_is_looked_for_at_home_and_then_in_etc() {
        let places = |environment: Environment| -> Vec<String> {
            let places = ConfigFile::places(&environment);
            places.iter().map(|path| path.display().to_string()).collect()
        };
        let etc = "/etc/assumed/config.toml";
        let home = Environment::default().with("HOME", "/home/jane");
        assert_eq!(places(home.clone()), ["/home/jane/.config/assumed/config.toml", etc]);
        let xdg = home.with("XDG_CONFIG_HOME", "/xdg");
        assert_eq!(places(xdg), ["/xdg/assumed/config.toml", etc]);
        assert_eq!(places(Environment::default()), [etc]);
    }
}
