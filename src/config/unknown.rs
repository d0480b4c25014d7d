//! What to say of a source that is not there, and which one may have been meant.

use super::mistake::Mistake;
use super::profile::Profiles;
use super::role_keys::Keys;
use super::setting::Setting;
use super::values::nearest;

/// The mistake of a call that nobody signs, with what may have been meant.
pub(super) fn without_source(keys: &Keys<'_>) -> Mistake {
    let mistake = match (keys.get("role_arn"), keys.get("action")) {
        (Some(arn), _) => arn.mistake("a role without a source"),
        (None, Some(action)) => action.mistake("a session without a source"),
        (None, None) => Mistake::new("a role without a source"),
    };
    for written in keys.names() {
        for known in ["source_profile", "credential_source"] {
            if nearest(written, [known]).is_some()
                && let Some(place) = keys.get(written).and_then(|value| value.place)
            {
                return mistake.hint(format!("line {} may mean {known}", place.line));
            }
        }
    }
    mistake.hint("add source_profile = NAME, or credential_source = Environment")
}

/// The mistake of naming a profile that is not there, with what may have been meant.
pub(super) fn unknown_profile(named: Setting<'_>, profiles: &Profiles) -> Mistake {
    if let Some(misplaced) = profiles.misplaced(named.text) {
        let place = &misplaced.place;
        return named
            .mistake(format!(
                "the section at {}:{} is no profile",
                place.file.display(),
                place.line
            ))
            .hint(misplaced.hint.clone());
    }
    let mistake = named.mistake("there is no such profile");
    if let Some(near) = nearest(named.text, profiles.names()) {
        return mistake.hint(format!("did you mean {near}?"));
    }
    let known: Vec<&str> = profiles.names().collect();
    mistake.hint(if known.is_empty() {
        "there is no profile at all; aws configure makes the first".to_owned()
    } else {
        format!("known ones are {}", known.join(", "))
    })
}
