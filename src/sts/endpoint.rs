//! Where STS would be asked, as the SDK itself has it (A15 to A17).

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

use super::request::Source;

/// The URL that calls would go to; `None` where the SDK knows of none.
#[must_use]
pub fn endpoint(source: &Source) -> Option<String> {
    let params = Params::builder()
        .region(source.region.as_str())
        .use_fips(source.route.use_fips_endpoint)
        .use_dual_stack(source.route.use_dualstack_endpoint)
        .set_endpoint(source.endpoint_url.clone())
        .build()
        .ok()?;
    let resolver = DefaultResolver::new();
    // Rules that wait for nothing: the first look finds them done.
    let mut found = pin!(resolver.resolve_endpoint(&params));
    match found.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(endpoint)) => Some(endpoint.url().to_owned()),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    }
}
