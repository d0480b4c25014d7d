//! Where the token key, the lock and what else outlives the daemon are kept.

use std::path::PathBuf;

use super::file::Document;
use super::inputs::Inputs;
use super::mistake::Mistake;

/// Where the state is: flag, file, service manager, XDG, home.
pub(super) fn state_dir(inputs: &Inputs, document: &Document) -> Result<PathBuf, Mistake> {
    if let Some(path) = &inputs.overrides.state_dir {
        return Ok(path.clone());
    }
    if let Some(path) = document.get("state_dir") {
        return Ok(PathBuf::from(path.text));
    }
    let environment = &inputs.environment;
    // systemd names several, parted by colons, where a unit has several.
    let systemd = environment.get("STATE_DIRECTORY");
    if let Some(first) = systemd.and_then(|several| several.split(':').next()) {
        return Ok(PathBuf::from(first));
    }
    // A relative path is to be ignored, as the XDG specification has it.
    let xdg = environment.get("XDG_STATE_HOME").map(PathBuf::from);
    if let Some(state_home) = xdg.filter(|path| path.is_absolute()) {
        return Ok(state_home.join("assumed"));
    }
    match environment.home() {
        Some(home) => Ok(home.join(".local/state/assumed")),
        None => Err(Mistake::new("nowhere to keep the token key and the lock")
            .key("--state-dir")
            .hint("name a directory, for HOME is not set")),
    }
}
