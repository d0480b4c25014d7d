//! A user's home, an STS, and a clock that both go by.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assumed::clock::{self, Clock, Now, SystemClock};
use assumed::config::{
    Caller, ConfigFile, Inputs, Overrides, RoleSettings, Settings, SharedFile, SharedFiles,
};
use assumed::credentials::Grant;
use assumed::emulator::{
    self, Asked, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Emulator, Options, Script,
};
use assumed::environment::Environment;
use assumed::failure::Failure;
use assumed::rotation::port::Assume as _;
use assumed::secret::Secret;
use assumed::sts::{Reception, RoleChain};
use assumed::sys::command_helper::CommandHelper;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use tempfile::TempDir;

use crate::common::identity;

/// Starts at the present and goes on when it is told to.
#[derive(Debug)]
pub(crate) struct Wound(Mutex<Now>);

impl Clock for Wound {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

pub(crate) struct Rig {
    pub(crate) sts: Emulator,
    pub(crate) clock: Arc<Wound>,
    pub(crate) reception: Reception,
    environment: Environment,
    home: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(Wound(Mutex::new(SystemClock.now())));
        let listener = emulator::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let sts =
            emulator::start(listener, Script::default(), Options::new(clock.clone())).unwrap();
        let helper = CommandHelper::in_thread().unwrap();
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::default()
            .with("HOME", home.path().to_str().unwrap())
            .with("AWS_ENDPOINT_URL_STS", sts.endpoint_url())
            .with("AWS_REGION", "eu-central-1");
        let rig = Self {
            sts,
            clock,
            reception: Reception::default().with_commands(Some(Arc::new(helper))),
            environment,
            home,
        };
        let keys = format!(
            "[me]\naws_access_key_id = {DEMO_ACCESS_KEY_ID}\naws_secret_access_key = {DEMO_SECRET_ACCESS_KEY}\n"
        );
        rig.file(".aws/credentials", &keys);
        rig
    }

    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.environment = self.environment.with(variable, value);
        self
    }

    /// Writes a file below the home directory, and gives its whole name.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// What `assumed check` would see: a config of AWS, perhaps settings of our own.
    pub(crate) fn settings(
        &self,
        config: &str,
        profile: Option<&str>,
        file: Option<&str>,
    ) -> Result<RoleSettings, String> {
        let shared = |name: &str| {
            let path = self.home.path().join(".aws").join(name);
            fs::read(&path).ok().map(|bytes| SharedFile::new(path, bytes))
        };
        self.file(".aws/config", config);
        let inputs = Inputs {
            overrides: Overrides { profile: profile.map(str::to_owned), ..Overrides::default() },
            environment: Arc::new(self.environment.clone()),
            config_file: file
                .map(|text| ConfigFile { path: "config.toml".into(), text: Secret::new(text) }),
            shared_files: SharedFiles {
                config: shared("config"),
                credentials: shared("credentials"),
            },
            caller: Caller { user: "jane".to_owned(), host: "laptop".to_owned(), pid: 42 },
        };
        let settings = Settings::resolve(&inputs).map_err(|mistakes| mistakes.to_string())?;
        Ok(settings.roles.into_iter().next().unwrap())
    }

    pub(crate) fn chain(&self, role: RoleSettings) -> RoleChain {
        RoleChain::at(self.reception.clone(), role.source, self.clock.clone())
    }

    /// The chain of `[profile it]` with these lines.
    pub(crate) fn profile(&self, lines: &str) -> RoleChain {
        let config = format!("[profile it]\n{lines}");
        self.chain(self.settings(&config, Some("it"), None).unwrap())
    }

    /// The chain of `[role.it]` with these lines.
    pub(crate) fn table(&self, lines: &str) -> RoleChain {
        self.chain(self.settings("", None, Some(&format!("[role.it]\n{lines}"))).unwrap())
    }

    pub(crate) fn wind(&self, span: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now = Now { wall: clock::later(now.wall, span), boot: now.boot.plus(span) };
    }

    /// The last request but for what is the same in all.
    pub(crate) fn last(&self) -> (Asked, BTreeMap<String, String>) {
        let asked = self.sts.asked().pop().unwrap();
        let mut parameters = asked.parameters.clone();
        assert_eq!(parameters.remove("Version").as_deref(), Some("2011-06-15"));
        (asked, parameters)
    }

    /// The actions that were asked for, in turn.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.sts.asked().into_iter().map(|asked| asked.action).collect()
    }

    /// An OIDC token that ends so long after now.
    pub(crate) fn token(&self, life: SignedDuration) -> String {
        identity::token(self.clock.now().wall, life)
    }

    /// A SAML response that ends so long after now, as XML.
    pub(crate) fn response(&self, life: SignedDuration, pair: &str) -> String {
        identity::response(self.clock.now().wall, life, pair)
    }
}

pub(crate) fn encoded(xml: &str) -> String {
    STANDARD.encode(xml)
}

pub(crate) async fn grant(chain: &RoleChain) -> Grant {
    chain.attempt().await.unwrap()
}

pub(crate) async fn failure(chain: &RoleChain) -> Failure {
    chain.attempt().await.unwrap_err()
}

/// Names and values as a map to compare with.
pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
