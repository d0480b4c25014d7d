//! What a reply tells besides its body: when it was asked for and given, and
//! whether it is whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;

/// When a call was signed and answered, by the clocks of either side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stamp {
    pub(super) signed: Option<Timestamp>,
    pub(super) date: Option<Timestamp>,
    /// The reply has its end tag; the SDK fills in what a torn one lacks.
    pub(super) whole: bool,
}

/// Reads them off one exchange, whatever its outcome.
#[derive(Debug, Clone, Default)]
pub(super) struct Postmark(Arc<Mutex<Stamp>>);

impl Postmark {
    pub(super) fn read(&self) -> Stamp {
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
