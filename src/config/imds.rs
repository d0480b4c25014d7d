//! EC2's metadata options; the words are those of its API.

use super::file::Document;
use crate::imds::{HttpEndpoint, HttpTokens, Options};

/// What the file says; its reader has checked the words.
pub(super) fn options(document: &Document) -> Options {
    let usual = Options::default();
    let says = |path, word: &str| document.get(path).map(|setting| setting.text == word);
    Options {
        http_endpoint: match says("imds.http_endpoint", "disabled") {
            Some(true) => HttpEndpoint::Disabled,
            _ => HttpEndpoint::Enabled,
        },
        http_tokens: match says("imds.http_tokens", "optional") {
            Some(true) => HttpTokens::Optional,
            _ => HttpTokens::Required,
        },
        hop_limit: document
            .get("imds.http_put_response_hop_limit")
            .and_then(|limit| limit.text.parse().ok())
            .unwrap_or(usual.hop_limit),
        account_id: says("imds.account_id", "true").unwrap_or(usual.account_id),
    }
}
