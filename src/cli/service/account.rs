//! Users of this machine, as the system's own lookup has them.

use super::tools;
use crate::fatal::{Exit, Fatal};
use crate::installation::Account;

/// The user of this name.
pub(super) fn named(name: &str) -> Result<Account, Fatal> {
    find(name)?.ok_or_else(|| {
        Fatal::new(Exit::Usage, format!("there is no user {name:?} on this machine"))
            .hint("--for takes a name that `id` knows")
    })
}

/// The same, where there is one.
pub(super) fn find(name: &str) -> Result<Option<Account>, Fatal> {
    let (tool, word) = if cfg!(target_os = "macos") { ("id", "-P") } else { ("getent", "passwd") };
    let output = tools::run(tool, &[word.to_owned(), name.to_owned()])?;
    Ok(Account::parse(&String::from_utf8_lossy(&output.stdout)))
}
