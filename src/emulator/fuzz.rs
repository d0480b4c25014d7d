//! The fuzz target of the embedded STS: a connection, byte for byte.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::sync::Arc;

use super::control;
use super::script::Script;
use super::sts::Sts;
use super::wire::Wire;
use crate::fuzz_targets::{FixedClock, block_on};

/// More replies than there is a point in looking at.
const MOST: usize = 16;

/// A whole connection to the embedded STS, of which each request is answered; `PUT /script`
/// changes how.
///
/// No request without a signature is granted anything; a reply to one that is refused is
/// short.
pub fn sts_request(data: &[u8]) {
    let sts = Sts::new(Script::default(), Arc::new(FixedClock));
    let mut ignored = Vec::new();
    let mut wire = Wire::new(tokio::io::join(data, &mut ignored));
    for _ in 0..MOST {
        let Ok(Some(request)) = block_on(wire.request()) else { return };
        if request.method == "PUT" && block_on(control::answer(&sts, &request)).is_some() {
            continue;
        }
        let signed =
            request.field("authorization").is_some() || request.query.contains("X-Amz-Signature");
        let answer = sts.answer(&request);
        let text = String::from_utf8_lossy(&answer.reply.body);
        let granted = answer.reply.status == 200;
        assert!(
            !granted || signed || text.contains("WithWebIdentity") || text.contains("WithSAML"),
            "{text}"
        );
        assert!(granted || text.len() <= 16 * 1024, "{} bytes", text.len());
    }
}
