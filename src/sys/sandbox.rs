//! What the kernel is asked to forbid this process and all that it starts: system
//! calls by seccomp, writing and tracing by Landlock. Neither can be taken back.
//!
//! Whether to ask is decided elsewhere. Without the feature `sandbox`, and away
//! from Linux, the answer is that it cannot be had.

#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod landlock_rules;
#[cfg(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod seccomp;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

#[cfg(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use seccomp::Misses;

/// What was tried and denied; nothing, where nothing is.
#[cfg(not(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[derive(Debug)]
pub enum Misses {}

#[cfg(not(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
impl Misses {
    /// Never tells anything.
    ///
    /// # Errors
    /// Never.
    #[allow(clippy::unused_async)]
    pub async fn tell(self, _: impl FnMut(usize)) -> io::Result<()> {
        match self {}
    }
}

/// Why it cannot be had.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Without the feature, or for a system or an architecture that is not provided for.
    #[error("this program was built without it")]
    NotBuilt,
    /// The kernel is too old, was told to do without, or a sandbox around us forbids to ask.
    #[error("this kernel has none, or gives us none")]
    NoKernel,
    /// It has, and says no.
    #[error(transparent)]
    Refused(#[from] io::Error),
}

impl Trouble {
    /// What whoever insists can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotBuilt => {
                "write \"auto\": a container's runtime, and systemd, have sandboxes of their own"
            }
            Self::NoKernel => {
                "write \"auto\", or boot Linux 5.13 or later with landlock in its lsm="
            }
            Self::Refused(_) => "write \"auto\" to do without",
        }
    }
}

/// How much of what was asked for a kernel forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All.
    Full,
    /// What a kernel of its age can.
    Partial,
}

/// Denies every thread, and all that they start, system calls that are of use to an attacker
/// alone: they end with EPERM.
///
/// # Errors
/// Where it cannot be had.
pub fn deny_calls() -> Result<(), Trouble> {
    #[cfg(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return seccomp::deny();
    #[cfg(not(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Err(Trouble::NotBuilt)
}

/// Denies every thread all system calls but those that the daemon needs: they end with EPERM,
/// and the first try of each is told.
///
/// # Errors
/// Where it cannot be had.
pub fn allow_calls() -> Result<Misses, Trouble> {
    #[cfg(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return seccomp::allow();
    #[cfg(not(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Err(Trouble::NotBuilt)
}

/// The name of the system call with this number, where it is known here.
#[must_use]
pub fn call_name(number: usize) -> Option<&'static str> {
    #[cfg(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return seccomp::name(number);
    #[cfg(not(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        let _ = number;
        None
    }
}

/// Confines the writing of this thread, and of all that it starts, to these directories
/// and to devices; a directory that is missing now stays closed. Reading stays free, except
/// of the memory of processes that are not confined by this.
///
/// # Errors
/// Where it cannot be had.
pub fn confine_writes(places: &[PathBuf]) -> Result<Extent, Trouble> {
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    return landlock_rules::confine_writes(places);
    #[cfg(not(all(feature = "sandbox", target_os = "linux")))]
    {
        let _ = places;
        Err(Trouble::NotBuilt)
    }
}

/// Keeps this thread, and all that it starts, from the memory of every process that is not
/// confined by this, as by `ptrace` or `/proc/PID/mem`. All else stays free.
///
/// # Errors
/// Where it cannot be had.
pub fn confine_tracing() -> Result<Extent, Trouble> {
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    return landlock_rules::confine_tracing();
    #[cfg(not(all(feature = "sandbox", target_os = "linux")))]
    Err(Trouble::NotBuilt)
}

#[cfg(all(test, not(feature = "sandbox")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_nothing_can_be_had() {
        assert!(matches!(deny_calls(), Err(Trouble::NotBuilt)));
        assert!(matches!(allow_calls(), Err(Trouble::NotBuilt)));
        assert!(matches!(confine_writes(&[]), Err(Trouble::NotBuilt)));
        assert!(matches!(confine_tracing(), Err(Trouble::NotBuilt)));
    }
}
