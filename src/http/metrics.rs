//! The metrics on a connection, for Prometheus and for probes.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::Response;
use tokio::sync::watch;

use super::head::Head;
use super::mould::{Mould, Stamp};
use super::payload::{Payload, response};
use super::visitor::{Ends, Form};
use crate::clock::Clock;
use crate::imds::{HostNames, ReplyField};
use crate::status::scrape::{self, Page};
use crate::status::{Clients, Status};

/// Says how the daemon stands.
pub type Report = Box<dyn Fn() -> Status + Send + Sync>;

/// What all connections of the metrics listeners share.
pub struct MetricsSite {
    /// The names by which clients may call us.
    pub names: watch::Sender<HostNames>,
    /// Known once everything runs that it tells of.
    pub report: OnceLock<Report>,
    /// Which programs ask.
    pub clients: Arc<Clients>,
    /// The present.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for MetricsSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsSite").finish_non_exhaustive()
    }
}

impl MetricsSite {
    pub(super) fn respond(&self, head: &Head<'_>, ends: &Ends, form: Form) -> Response<Payload> {
        let page = match (head.breach(), self.report.get()) {
            (Some(breach), _) => Page::empty(breach.status().code()),
            (None, None) => Page::empty(503),
            (None, Some(report)) => {
                scrape::answer(&head.request, &self.names.borrow(), ends.local, report)
            }
        };
        // Such a caller keeps no connection.
        let closes = form.closes || page.code == 403;
        render(page, Form { closes, ..form })
    }
}

fn render(page: Page, form: Form) -> Response<Payload> {
    let length = ReplyField::ContentLength(page.body.len());
    let kind = ReplyField::ContentType(page.content_type);
    let allow = page.allow.map(ReplyField::Allow);
    let end = form.closes.then_some(ReplyField::Connection);
    let fields = [allow, Some(kind), Some(ReplyField::Date), Some(length), end];
    let now = form.now.wall;
    let stamp = Stamp { now, changed: now, closes: form.closes };
    let fields = Mould::default().cast(|| fields.iter().copied().flatten(), stamp);
    response(page.code, fields, Bytes::from(page.body))
}
