//! The calls to STS, one attempt each: the SDK's own retries are off.
//!
//! Nothing is taken from the environment or from a default chain: those ask
//! IMDS, which is us. What came back is judged in `failure`.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials as Signer;
use aws_sdk_sts::Client as Sdk;
use aws_sdk_sts::config::{self, BehaviorVersion, Config};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::types::Credentials as Issued;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;

use super::failure::{self, Circumstances};
use super::network::Network;
use super::request::{AssumeRole, Source, Timeouts};
use super::signing_time::SigningTime;
use crate::clock::Clock;
use crate::credentials::{Credentials, Grant};
use crate::failure::{Failure, Kind};
use crate::role::{AccountId, RoleArn, SessionName};
use crate::secret::Secret;

/// STS at one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Client {
    sdk: Sdk,
    clock: Arc<dyn Clock>,
    time: SigningTime,
    timeouts: Timeouts,
}

impl Client {
    /// Calls nobody yet.
    pub(super) fn new(source: &Source, network: &Network, clock: Arc<dyn Clock>) -> Self {
        let time = SigningTime::new(Arc::clone(&clock));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(config::Region::new(source.region.as_str().to_owned()))
            .http_client(network.clone())
            .time_source(time.clone())
            .disable_clock_skew_correction(true)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeout_config(source.timeouts))
            .stalled_stream_protection(config::StalledStreamProtectionConfig::disabled())
            .identity_cache(config::IdentityCache::no_cache());
        config.set_app_name(config::AppName::new("assumed").ok());
        config.set_endpoint_url(source.endpoint_url.clone());
        config.set_use_fips(Some(source.route.use_fips_endpoint));
        config.set_use_dual_stack(Some(source.route.use_dualstack_endpoint));
        Self { sdk: Sdk::from_conf(config.build()), clock, time, timeouts: source.timeouts }
    }

    /// `AssumeRole`, signed by `signer`.
    pub(super) async fn assume_role(
        &self,
        role: &AssumeRole,
        signer: Signer,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let session_token = signer.session_token().map(Secret::new);
        let seconds = i32::try_from(role.duration.get().as_secs()).ok();
        let reply = self
            .sdk
            .assume_role()
            .role_arn(role.role_arn.as_str())
            .role_session_name(role.role_session_name.as_str())
            .set_duration_seconds(seconds)
            .set_external_id(role.external_id.as_ref().map(|id| id.as_str().to_owned()))
            .customize()
            .config_override(signed_by(signer))
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply)
            .await
            .map_err(|error| self.judge(&error, &postmark, session_token.as_ref()))?;
        granted(reply.credentials, &role.role_arn, &postmark)
    }

    /// `AssumeRoleWithWebIdentity`: the token speaks for itself, nothing is signed.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        role_arn: &RoleArn,
        session_name: &SessionName,
        token: &Secret,
    ) -> Result<Grant, Failure> {
        let postmark = Postmark::default();
        let reply = self
            .sdk
            .assume_role_with_web_identity()
            .role_arn(role_arn.as_str())
            .role_session_name(session_name.as_str())
            .web_identity_token(token.expose())
            .customize()
            .interceptor(postmark.clone())
            .send();
        let reply =
            Box::pin(reply).await.map_err(|error| self.judge(&error, &postmark, Some(token)))?;
        granted(reply.credentials, role_arn, &postmark)
    }

    /// `GetCallerIdentity`, which needs no permission (A10).
    pub(super) async fn caller_account(&self, signer: Signer) -> Result<AccountId, Failure> {
        let postmark = Postmark::default();
        let session_token = signer.session_token().map(Secret::new);
        let reply = self
            .sdk
            .get_caller_identity()
            .customize()
            .config_override(signed_by(signer))
            .interceptor(postmark.clone())
            .send();
        let reply = Box::pin(reply)
            .await
            .map_err(|error| self.judge(&error, &postmark, session_token.as_ref()))?;
        reply
            .account()
            .and_then(|account| account.parse().ok())
            .ok_or_else(|| Failure::new(Kind::Nonsense, "an identity without an account"))
    }

    fn judge<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        postmark: &Postmark,
        sent: Option<&Secret>,
    ) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let stamp = postmark.read();
        let circumstances = Circumstances {
            sent,
            timeouts: self.timeouts,
            wall: self.clock.now().wall,
            signed: stamp.signed,
            date: stamp.date,
        };
        let failure = failure::of(error, &circumstances);
        if let (Kind::WrongClock(_), Some(date)) = (failure.kind, stamp.date) {
            self.time.learn(date);
        }
        failure
    }
}

/// The limits of one call, for STS and for whatever a base has to ask.
pub(super) fn timeout_config(timeouts: Timeouts) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(timeouts.connect)
        .operation_attempt_timeout(timeouts.attempt)
        .operation_timeout(timeouts.operation)
        .build()
}

fn signed_by(signer: Signer) -> config::Builder {
    Config::builder().credentials_provider(signer).identity_cache(config::IdentityCache::no_cache())
}

fn granted(
    issued: Option<Issued>,
    role_arn: &RoleArn,
    postmark: &Postmark,
) -> Result<Grant, Failure> {
    let nonsense = |what: &dyn Display| {
        Failure::new(Kind::Nonsense, format!("STS answered with {what}"))
            .hint("is endpoint_url the address of an STS?")
    };
    let stamp = postmark.read();
    let Some(issued) = issued.filter(|_| stamp.whole) else {
        return Err(nonsense(&"a reply that is torn"));
    };
    let Some(expiration) = timestamp(issued.expiration) else {
        return Err(nonsense(&"credentials without an expiration"));
    };
    let credentials = Credentials::new(
        issued.access_key_id,
        Secret::new(issued.secret_access_key),
        Secret::new(issued.session_token),
        expiration,
    )
    .map_err(|hollow| nonsense(&hollow))?;
    Ok(Grant {
        credentials,
        date: stamp.date,
        account: Some(role_arn.account().clone()),
        role_arn: Some(role_arn.clone()),
    })
}

/// The epoch is what the SDK puts where there is none.
fn timestamp(time: aws_smithy_types::DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    let time = Timestamp::new(time.secs(), nanos).ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

/// When a call was signed and answered, by the clocks of either side.
#[derive(Debug, Clone, Copy, Default)]
struct Stamp {
    signed: Option<Timestamp>,
    date: Option<Timestamp>,
    /// The reply has its end tag; the SDK fills in what a torn one lacks.
    whole: bool,
}

/// Reads them off one exchange, whatever its outcome.
#[derive(Debug, Clone, Default)]
struct Postmark(Arc<Mutex<Stamp>>);

impl Postmark {
    fn read(&self) -> Stamp {
        *self.stamp()
    }

    fn stamp(&self) -> MutexGuard<'_, Stamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Postmark {
    fn name(&self) -> &'static str {
        "Postmark"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signed = context.request().headers().get("x-amz-date");
        self.stamp().signed = signed.and_then(|text| text.parse().ok());
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        self.stamp().date = date.and_then(http_date);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        self.stamp().whole = body.trim_ascii_end().ends_with(b"Response>");
        Ok(())
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}
