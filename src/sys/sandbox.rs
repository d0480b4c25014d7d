//! What the kernel is asked to forbid this process and all that it starts: system
//! calls by seccomp, writing by Landlock. Neither can be taken back.
//!
//! Whether to ask is decided elsewhere. Without the feature `sandbox`, and away
//! from Linux, the answer is that it cannot be had.

#[cfg(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod calls;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod writes;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

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

/// Answers system calls with EPERM that are of use to nobody but an attacker.
///
/// # Errors
/// Where it cannot be had.
pub fn deny_calls() -> Result<(), Trouble> {
    #[cfg(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return calls::deny();
    #[cfg(not(all(
        feature = "sandbox",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Err(Trouble::NotBuilt)
}

/// Confines the writing of this thread, and of all that it starts, to these directories
/// and to devices; a directory that is missing now stays closed. Reading stays free.
///
/// # Errors
/// Where it cannot be had.
pub fn confine_writes(places: &[PathBuf]) -> Result<Extent, Trouble> {
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    return writes::confine(places);
    #[cfg(not(all(feature = "sandbox", target_os = "linux")))]
    {
        let _ = places;
        Err(Trouble::NotBuilt)
    }
}

#[cfg(all(test, not(feature = "sandbox")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_nothing_can_be_had() {
        assert!(matches!(deny_calls(), Err(Trouble::NotBuilt)));
        assert!(matches!(confine_writes(&[]), Err(Trouble::NotBuilt)));
    }
}
