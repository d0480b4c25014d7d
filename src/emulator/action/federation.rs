//! `GetFederationToken`: temporary keys for somebody the user vouches for.

use super::call::{Call, Outcome};
use super::user::{long_duration, only_long_lived};
use super::{grant, policy};
use crate::clock::later;
use crate::emulator::caller::{Caller, Holder, Session};
use crate::emulator::limits::{Check, Limit, Pattern};
use crate::emulator::tags::Tags;
use crate::emulator::xml::Element;

const NAME: Limit = Limit::required("Name", (2, 32), Pattern::Name);

pub(super) fn answer(call: &Call<'_>, caller: &Caller) -> Outcome {
    let mut check = Check::new(call.parameters);
    check.text(&NAME);
    policy::limits(&mut check);
    check.tags();
    let asked = long_duration(&mut check);
    check.verdict()?;
    only_long_lived("GetFederationToken", caller)?;
    let tags = Tags::of(call.parameters);
    tags.check(&[])?;
    let packed = policy::packed(call.parameters, &tags)?;
    let name = call.parameters.get("Name").unwrap_or_default();
    let holder = Holder::Federated(name.to_owned());
    let user = vec![
        Element::text("FederatedUserId", holder.user_id()),
        Element::text("Arn", holder.arn()),
    ];
    let expires = later(call.now, call.script.session.unwrap_or(asked));
    let mut result = vec![Element::of("FederatedUser", user)];
    result.push(grant::credentials(&Session { holder, expires })?);
    result.extend(grant::packed_size(packed));
    Ok(result)
}
