//! What the daemon forbids itself, and the commands that it runs.
//!
//! Only the wish: whether a kernel can grant it is found out at the start.

use super::file::Document;

/// What the settings say about the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether writing is confined to the daemon's own directories.
    pub landlock: Landlock,
    /// Whether system calls are denied that nobody here needs.
    pub seccomp: bool,
    /// Whether commands have a sandbox, too.
    pub commands: bool,
}

/// When writing is confined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Landlock {
    /// If the kernel can; commands write where they like.
    #[default]
    Auto,
    /// Always, commands included; without it there is no start.
    On,
    /// Never.
    Off,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { landlock: Landlock::Auto, seccomp: true, commands: true }
    }
}

impl Sandbox {
    pub(super) fn read(document: &Document) -> Self {
        let landlock = document.get("sandbox.landlock").map(|said| Landlock::named(said.text));
        let flag = |key| document.get(key).is_none_or(|flag| flag.text == "true");
        Self {
            landlock: landlock.unwrap_or_default(),
            seccomp: flag("sandbox.seccomp"),
            commands: flag("sandbox.commands"),
        }
    }
}

impl Landlock {
    fn named(name: &str) -> Self {
        match name {
            "on" => Self::On,
            "off" => Self::Off,
            _ => Self::Auto,
        }
    }
}
