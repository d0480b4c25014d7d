//! What a listener of kind "metrics" answers: the metrics, and whether clients
//! get credentials. It changes nothing, and nothing in it is secret.

use std::net::IpAddr;

use serde_json::json;

use super::{State, Status};
use crate::imds::{HostNames, Method, Request, guard};

/// One answer, whole but for its `Date`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The number.
    pub code: u16,
    /// Of the body.
    pub content_type: &'static str,
    /// What the path may be asked by, where it was asked by something else.
    pub allow: Option<&'static str>,
    /// What GET would carry.
    pub body: String,
}

/// The answer to one request. `status` is asked only by whoever may know it.
#[must_use]
pub fn answer(
    request: &Request<'_>,
    names: &HostNames,
    local: IpAddr,
    status: impl FnOnce() -> Status,
) -> Page {
    // A page in a browser that was rebound to us reads nothing.
    if guard::host(request, names, local).is_err() {
        return Page::empty(403);
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        let allow = Some("GET, HEAD");
        return Page { allow, ..Page::plain(405, "only GET and HEAD are answered\n") };
    }
    match request.path {
        "/metrics" => Page {
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            ..Page::plain(200, status().metrics())
        },
        "/health" => health(&status(), None),
        path => match path.strip_prefix("/health/") {
            Some(role) => health(&status(), Some(role)),
            None => Page::plain(404, "there are /metrics, /health and /health/ROLE\n"),
        },
    }
}

/// 200 while clients get credentials, or would as soon as they ask.
fn health(status: &Status, role: Option<&str>) -> Page {
    let Some(role) = status.role(role) else {
        return Page::plain(404, "no role of this name is served\n");
    };
    let serves = match role.state {
        State::Fresh | State::Stale | State::Resting => true,
        State::Waiting | State::Expired | State::Refused | State::Locked => false,
    };
    let body = json!({"role": role.name, "state": role.state});
    Page {
        content_type: "application/json",
        ..Page::plain(if serves { 200 } else { 503 }, format!("{body}\n"))
    }
}

impl Page {
    /// One without a body.
    #[must_use]
    pub fn empty(code: u16) -> Self {
        Self::plain(code, "")
    }

    fn plain(code: u16, body: impl Into<String>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { code, content_type, allow: None, body: body.into() }
    }
}
