//! What lies between us and STS: whom to trust, and a proxy.

use std::path::PathBuf;

use super::locale::Locale;
use super::mistake::Mistake;
use super::setting::Setting;
use super::values;
use crate::secret::Secret;
use crate::sts::request::Route;

/// The environment's way, else the settings file's, else the profile's.
pub(super) fn find(locale: &Locale<'_>) -> Result<Route, Mistake> {
    let mut route = Route::of(locale.environment);
    if route.ca_bundle.is_none() {
        let bundle = locale.document.get("sts.ca_bundle");
        let bundle = bundle.or_else(|| locale.of_profile("ca_bundle"));
        route.ca_bundle = bundle.map(|bundle| PathBuf::from(bundle.text));
    }
    if let Some(proxy) = locale.document.get("sts.proxy") {
        let proxy = checked(proxy)?;
        route.proxy.get_or_insert(proxy);
    }
    Ok(route)
}

/// A proxy's URL is that of an endpoint, but may name a user.
fn checked(proxy: Setting<'_>) -> Result<Secret, Mistake> {
    let (scheme, rest) = proxy.text.split_once("://").unwrap_or(("", proxy.text));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let without_user = format!("{scheme}://{host}");
    match values::url(&without_user) {
        Ok(_) if rest.bytes().all(|b| b.is_ascii_graphic()) => Ok(Secret::new(proxy.text)),
        _ => Err(proxy
            .mistake("not the URL of a proxy")
            .hint("it looks like http://proxy.example.com:3128")),
    }
}
