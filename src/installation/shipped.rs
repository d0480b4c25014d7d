//! The units as they are shipped, and which of them a scope has.

use std::path::{Path, PathBuf};

use super::Scope;

/// The unit that puts the address on `lo`; the machine and developers share it.
pub(super) const LINK: &str = "assumed-link.service";
/// The unit that locks before sleep; shared in the same way, and enabled with the others.
pub(super) const SUSPEND: &str = "assumed-suspend.service";
/// Makes the daemon's own user.
pub(super) const SYSUSERS: &str = "/etc/sysusers.d/assumed.conf";
/// Makes the folder of its settings.
pub(super) const TMPFILES: &str = "/etc/tmpfiles.d/assumed.conf";
/// Where the shipped units expect the program.
pub(super) const PROGRAM: &str = "/usr/bin/assumed";

/// The first version that has `Type=notify-reload`.
const NOTIFY_RELOAD: u32 = 253;

/// One file of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shipped {
    /// Where it goes.
    pub(super) path: PathBuf,
    /// What is in it, for a program at [`PROGRAM`].
    pub(super) text: &'static str,
    /// The unit that it makes; a template makes that of one developer.
    pub(super) unit: Option<String>,
}

/// Every file of this scope, in the order in which they are written.
pub(super) fn files(scope: &Scope, folder: &Path, version: u32) -> Vec<Shipped> {
    let unit = |file: &str, text| {
        let name = match scope {
            Scope::Developer(developer) => file.replace("@.", &format!("@{developer}.")),
            _ => file.to_owned(),
        };
        Shipped { path: folder.join(file), text, unit: Some(name) }
    };
    let other = |path: &str, text| Shipped { path: folder.join(path), text, unit: None };
    let link = || unit(LINK, include_str!("../../systemd/assumed-link.service"));
    let suspend = || other(SUSPEND, include_str!("../../systemd/assumed-suspend.service"));
    let mut files = match scope {
        Scope::User => vec![
            unit("assumed.socket", include_str!("../../systemd/user/assumed.socket")),
            unit("assumed.service", include_str!("../../systemd/user/assumed.service")),
        ],
        Scope::Machine => vec![
            other(SYSUSERS, include_str!("../../systemd/sysusers.conf")),
            other(TMPFILES, include_str!("../../systemd/tmpfiles.conf")),
            link(),
            suspend(),
            unit("assumed.socket", include_str!("../../systemd/assumed.socket")),
            unit("assumed.service", include_str!("../../systemd/assumed.service")),
        ],
        Scope::Developer(_) => vec![
            link(),
            suspend(),
            unit("assumed@.socket", include_str!("../../systemd/assumed@.socket")),
            unit("assumed@.service", include_str!("../../systemd/assumed@.service")),
        ],
    };
    if version >= NOTIFY_RELOAD {
        let text = include_str!("../../systemd/notify-reload/assumed.conf");
        files.push(other(&format!("{}.d/notify-reload.conf", template(scope)), text));
    }
    files
}

/// The file of the service, which all developers share.
fn template(scope: &Scope) -> &'static str {
    match scope {
        Scope::Developer(_) => "assumed@.service",
        _ => "assumed.service",
    }
}

/// Where what was chosen at installation goes: for one developer, not for all.
pub(super) fn choices(scope: &Scope, folder: &Path) -> PathBuf {
    folder.join(format!("{}.d", scope.service())).join("service-install.conf")
}
