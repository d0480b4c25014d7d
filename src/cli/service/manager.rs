//! Which service manager there is, and what to do where there is none.

use std::fs;
use std::path::Path;

use crate::fatal::{Exit, Fatal};

/// Is there where systemd is the first process, and nowhere else.
const SYSTEMD: &str = "/run/systemd/system";
const KERNEL: &str = "/proc/sys/kernel/osrelease";

/// Who keeps daemons here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    /// Linux's.
    Systemd,
    /// macOS's.
    Launchd,
}

/// The one of this machine.
pub(super) fn present() -> Result<Manager, Fatal> {
    if cfg!(target_os = "macos") {
        return Ok(Manager::Launchd);
    }
    if Path::new(SYSTEMD).is_dir() {
        return Ok(Manager::Systemd);
    }
    let kernel = fs::read_to_string(KERNEL).unwrap_or_default();
    let hint = if is_wsl(&kernel) {
        "in WSL 2, \"systemd=true\" under [boot] in /etc/wsl.conf and `wsl --shutdown` in Windows \
         give it systemd; `assumed run --daemon --profile NAME` works without"
    } else {
        "`assumed run --daemon --profile NAME` keeps the daemon in the background until the \
         machine ends; have it started with the machine, or from a login's profile"
    };
    Err(Fatal::new(Exit::Unavailable, "neither systemd nor launchd runs here").hint(hint))
}

fn is_wsl(kernel: &str) -> bool {
    kernel.to_ascii_lowercase().contains("microsoft")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wsl_is_known_by_its_kernel() {
        assert!(is_wsl("5.15.153.1-microsoft-standard-WSL2\n"));
        assert!(!is_wsl("6.1.0-40-amd64\n"));
    }
}
