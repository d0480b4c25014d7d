//! Whose signature the first call carries.
//!
//! Everything is read anew for each attempt, so that a login or an edited file
//! is seen without a restart; the SDK's own profile provider keeps a failure
//! for ever, so it is made anew as well. Never asks an IMDS or a container
//! endpoint: that might be us.

use std::sync::Arc;
use std::time::SystemTime;

use aws_config::profile::ProfileFileCredentialsProvider;
#[allow(deprecated)]
use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as Signer;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::config::Region;
use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;

use super::client::timeout_config;
use super::command::CommandRunner;
use super::login::Login;
use super::neighbour::Neighbour;
use super::network::Network;
use super::process;
use super::request::{Base, BaseKind, Source};
use super::shared_files::Excerpt;
use super::signing_time::WallTime;
use super::witness::Witness;
use crate::clock::Clock;
use crate::command::StartCommand;
use crate::config::EXCERPT;
use crate::environment::Environment;
use crate::failure::{Failure, Kind};

/// Where base credentials come from.
#[derive(Debug)]
pub(super) struct Bases {
    source: Arc<Source>,
    network: Network,
    clock: Arc<dyn Clock>,
    commands: Option<Arc<dyn StartCommand>>,
}

impl Bases {
    pub(super) const fn new(
        source: Arc<Source>,
        network: Network,
        clock: Arc<dyn Clock>,
        commands: Option<Arc<dyn StartCommand>>,
    ) -> Self {
        Self { source, network, clock, commands }
    }

    /// The base credentials as they are at this moment.
    pub(super) async fn credentials(&self, base: &Base) -> Result<Signer, Failure> {
        match base {
            Base::Environment => of_environment(&self.source.environment),
            Base::Profile { name, kind } => {
                let excerpt = Excerpt::read(&self.source.paths, name, *kind)?;
                match kind {
                    BaseKind::Keys => of_keys(&excerpt),
                    BaseKind::Process => self.of_command(&excerpt).await,
                    BaseKind::Sso | BaseKind::Login => self.of_login(&excerpt, name, *kind).await,
                }
            }
            Base::Endpoint { kind, url } => {
                let neighbour = Neighbour {
                    kind: *kind,
                    url,
                    network: &self.network,
                    timeouts: self.source.timeouts,
                    environment: &self.source.environment,
                };
                neighbour.credentials().await
            }
        }
    }

    async fn of_command(&self, excerpt: &Excerpt) -> Result<Signer, Failure> {
        let line = excerpt.need("credential_process")?;
        let runner = CommandRunner {
            starter: self.commands.as_deref(),
            limit: self.source.timeouts.process,
        };
        let signer = process::credentials(line, runner, &self.source.environment).await?;
        let wall = SystemTime::from(self.clock.now().wall);
        if signer.expiry().is_some_and(|expiry| expiry <= wall) {
            return Err(Failure::new(
                Kind::NoBase,
                "credential_process printed credentials that have already expired",
            )
            .hint("log in again with the tool that it runs"));
        }
        Ok(signer)
    }

    /// The profile's name is for people; the SDK sees the excerpt and nothing else.
    async fn of_login(
        &self,
        excerpt: &Excerpt,
        name: &str,
        kind: BaseKind,
    ) -> Result<Signer, Failure> {
        let witness = Witness::new(self.network.clone(), self.source.timeouts);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&self.provider_config(witness.clone()))
            .profile_files(only(excerpt))
            .profile_name(EXCERPT)
            .with_custom_provider("Ec2InstanceMetadata", Never)
            .with_custom_provider("EcsContainer", Never)
            .build();
        Box::pin(provider.provide_credentials()).await.map_err(|error| {
            let login = Login { name, kind, timeouts: self.source.timeouts };
            login.failed(&error, witness.decisive().as_ref())
        })
    }

    fn provider_config(&self, witness: Witness) -> ProviderConfig {
        ProviderConfig::empty()
            .with_region(Some(Region::new(self.source.region.as_str().to_owned())))
            .with_use_fips(Some(self.source.route.use_fips_endpoint))
            .with_use_dual_stack(Some(self.source.route.use_dualstack_endpoint))
            .with_http_client(witness)
            .with_time_source(WallTime(Arc::clone(&self.clock)))
            .with_sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .with_retry_config(RetryConfig::disabled())
            .with_timeout_config(timeout_config(self.source.timeouts))
    }
}

#[allow(deprecated)]
fn only(excerpt: &Excerpt) -> ProfileFiles {
    ProfileFiles::builder().with_contents(ProfileFileKind::Config, excerpt.text()).build()
}

fn of_environment(environment: &Environment) -> Result<Signer, Failure> {
    let need = |name: &str| {
        environment.secret(name).ok_or_else(|| {
            Failure::new(Kind::NoBase, format!("{name} is not set"))
                .hint("set it in the environment that the daemon is started from")
        })
    };
    let mut signer = Signer::builder()
        .access_key_id(need("AWS_ACCESS_KEY_ID")?.expose())
        .secret_access_key(need("AWS_SECRET_ACCESS_KEY")?.expose())
        .provider_name("Environment");
    let session_token = environment.secret("AWS_SESSION_TOKEN");
    signer.set_session_token(session_token.map(|token| token.expose().to_owned()));
    signer.set_account_id(environment.get("AWS_ACCOUNT_ID").map(Into::into));
    let expiration = environment.get("AWS_CREDENTIAL_EXPIRATION");
    let expiration = expiration.and_then(|text| text.parse::<Timestamp>().ok());
    signer.set_expiry(expiration.map(Into::into));
    Ok(signer.build())
}

fn of_keys(excerpt: &Excerpt) -> Result<Signer, Failure> {
    let mut signer = Signer::builder()
        .access_key_id(excerpt.need("aws_access_key_id")?)
        .secret_access_key(excerpt.need("aws_secret_access_key")?)
        .provider_name("Profile");
    signer.set_session_token(excerpt.get("aws_session_token").map(str::to_owned));
    signer.set_account_id(excerpt.get("aws_account_id").map(Into::into));
    Ok(signer.build())
}

/// Stands where the SDK would ask an instance or a container for credentials.
#[derive(Debug)]
struct Never;

impl ProvideCredentials for Never {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded(
            "an instance or container endpoint is never asked, for it might be this daemon",
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::environment::ProfilePaths;
    use crate::sts::tests::source;
    use crate::sys::command_helper::CommandHelper;

    const CONFIG: &str = "
[profile keys]
aws_access_key_id = AKIAKEYS
aws_secret_access_key = long-lived
[profile command]
credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"k\", \"Expiration\": \"2020-01-01T00:00:00Z\"}'
[profile sso]
sso_session = assumed-nobody
sso_account_id = 123456789012
sso_role_name = reader
[sso-session assumed-nobody]
sso_region = eu-central-1
sso_start_url = https://corp.awsapps.invalid/start
[profile console]
login_session = arn:aws:iam::123456789012:user/x
";

    /// Base credentials from a profile of [`CONFIG`].
    async fn of(name: &str, kind: BaseKind) -> Result<Signer, Failure> {
        let room = tempfile::tempdir().unwrap();
        let config = room.path().join("config");
        std::fs::write(&config, CONFIG).unwrap();
        let mut source = source("http://127.0.0.1:1");
        let base = Base::Profile { name: name.to_owned(), kind };
        source.paths = ProfilePaths { config, credentials: room.path().join("none") };
        let source = Arc::new(source);
        let clock = Arc::new(SystemClock);
        let network = Network::new(source.timeouts, source.route.clone());
        let helper = CommandHelper::in_thread().unwrap();
        Bases::new(source, network, clock, Some(Arc::new(helper))).credentials(&base).await
    }

    #[tokio::test]
    async fn keys_of_a_profile_are_read_from_the_file() {
        let signer = of("keys", BaseKind::Keys).await.unwrap();
        assert_eq!(signer.access_key_id(), "AKIAKEYS");
        assert_eq!(signer.session_token(), None);
        let failure = of("gone", BaseKind::Keys).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (Kind::NoBase, "profile gone is not there any more")
        );
    }

    #[tokio::test]
    async fn a_command_that_prints_what_has_expired_is_no_base() {
        let failure = of("command", BaseKind::Process).await.unwrap_err();
        assert_eq!(
            failure.message,
            "credential_process printed credentials that have already expired"
        );
    }

    #[tokio::test]
    async fn who_is_not_logged_in_is_told_what_to_type() {
        for (name, kind, hint) in [
            ("sso", BaseKind::Sso, "run `aws sso login --profile sso`"),
            ("console", BaseKind::Login, "run `aws login --profile console`"),
        ] {
            let failure = of(name, kind).await.unwrap_err();
            assert_eq!(failure.kind, Kind::NeedsHuman, "{failure}");
            assert_eq!(failure.hint.as_deref(), Some(hint), "{failure}");
        }
    }

    #[test]
    fn the_environment_has_to_have_both_keys() {
        let half = Environment::default().with("AWS_ACCESS_KEY_ID", "A");
        let failure = of_environment(&half).unwrap_err();
        assert_eq!(failure.message, "AWS_SECRET_ACCESS_KEY is not set");
    }
}
