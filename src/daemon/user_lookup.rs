//! Whether access rules about users can be enforced on this machine.

use crate::access::permit::name_users;
use crate::config::{Mistake, Settings};
use crate::sys::peer;

/// Rejects rules that name users if the users of connections cannot be told apart here.
///
/// # Errors
/// Then, with the cause. Such a rule would never match, or deny nobody.
pub fn check_user_lookup(settings: &Settings) -> Result<(), Mistake> {
    match name_users(&settings.access).then(peer::lookup_error).flatten() {
        None => Ok(()),
        Some(cause) => Err(Mistake::new(format!(
            "entries with uid or gid cannot be enforced, because the users of connections cannot be told apart here: {cause}"
        ))
        .key("access")
        .hint("a systemd unit needs PrivateUsers=no and AF_NETLINK in RestrictAddressFamilies; otherwise remove uid and gid")),
    }
}
