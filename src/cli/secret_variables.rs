//! Environment variables that hold AWS keys, in a process that lives for long.
//!
//! They are needed again after `assumed unlock`, so they are kept: sealed, in memory that
//! is not mapped, and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::environment::{Environment, ReadSecret, is_aws_key};
use crate::secret::Secret;
use crate::sys::{process_environment, sealed};

/// Moves AWS keys and tokens out of the heap and out of the environment of this process, which
/// its children would inherit and `/proc/PID/environ` would show.
pub(super) fn moved(environment: Environment) -> Environment {
    let environment = match sealed_secrets(&environment) {
        Some(read) => environment.with_moved_secrets(read),
        None => environment,
    };
    process_environment::wipe_variables(is_aws_key);
    environment
}

/// Seals the secrets in memory that no address leads to; `None` if the system has none.
fn sealed_secrets(environment: &Environment) -> Option<ReadSecret> {
    let secrets: Vec<_> = environment.secrets().collect();
    let values: BTreeMap<_, _> =
        secrets.iter().map(|(name, value)| (*name, value.expose())).collect();
    if values.is_empty() {
        return None;
    }
    let bytes = Zeroizing::new(serde_json::to_vec(&values).ok()?);
    let sealed = sealed::seal(&bytes).ok()?;
    Some(Arc::new(move |name| {
        let bytes = sealed::read(sealed.try_clone().ok()?).ok()?;
        let mut values: BTreeMap<String, String> = serde_json::from_slice(&bytes).ok()?;
        values.remove(name).map(Secret::new)
    }))
}
