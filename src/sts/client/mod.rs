//! The client of STS: one attempt each, for the SDK's own retries are off.
//!
//! Nothing is taken from the environment or from a default chain: those ask
//! IMDS, which is us. The calls themselves are in `calls`; what came back is
//! judged in `failure`.

mod calls;
mod postmark;

use std::fmt::Display;
use std::sync::Arc;

use aws_sdk_sts::Client as Sdk;
use aws_sdk_sts::config::{self, BehaviorVersion, Config};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::types::Credentials as Issued;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;

pub(super) use calls::Enclosed;
use postmark::Postmark;

use super::codes::Call;
use super::failure::{self, Circumstances};
use super::network::Network;
use super::request::{Source, Timeouts};
use super::signing_time::SigningTime;
use crate::clock::Clock;
use crate::credentials::{Credentials, Grant};
use crate::failure::{Failure, Kind};
use crate::role::{AccountId, RoleArn};
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

    fn judge<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        call: Call,
        postmark: &Postmark,
        sent: &[Option<&Secret>],
    ) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let stamp = postmark.read();
        let circumstances = Circumstances {
            call,
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

/// Whose credentials a call brings, as far as it tells.
#[derive(Debug, Default)]
struct Whose {
    account: Option<AccountId>,
    role_arn: Option<RoleArn>,
}

impl Whose {
    fn role(arn: &RoleArn) -> Self {
        Self { account: Some(arn.account().clone()), role_arn: Some(arn.clone()) }
    }
}

fn granted(issued: Option<Issued>, whose: Whose, postmark: &Postmark) -> Result<Grant, Failure> {
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
    Ok(Grant { credentials, date: stamp.date, account: whose.account, role_arn: whose.role_arn })
}

/// The epoch is what the SDK puts where there is none.
fn timestamp(time: aws_smithy_types::DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    let time = Timestamp::new(time.secs(), nanos).ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}
