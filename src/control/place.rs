//! Where the socket is: pinned in one order, for the daemon and for the verbs.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// Its name in the state directory, where a link to it stands if it is elsewhere.
pub(super) const NAME: &str = "control.sock";

/// Where a daemon binds: the first of these that can be had.
#[must_use]
pub fn places(environment: &Environment, state_dir: &Path) -> Vec<PathBuf> {
    // The XDG specification wants relative paths ignored.
    let runtime = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|path| path.is_absolute());
    [runtime, Some(PathBuf::from("/run"))]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("assumed").join(NAME))
        .chain([state_dir.join(NAME)])
        .collect()
}

/// Where a verb looks: the same, but a state directory that was named goes first,
/// for it tells one of several daemons.
#[must_use]
pub fn candidates(
    environment: &Environment,
    state_dir: Option<&Path>,
    was_named: bool,
) -> Vec<PathBuf> {
    let Some(state_dir) = state_dir else {
        let mut places = places(environment, Path::new(""));
        places.pop();
        return places;
    };
    let mut places = places(environment, state_dir);
    if was_named {
        places.rotate_right(1);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(places: &[PathBuf]) -> Vec<String> {
        places.iter().map(|place| place.display().to_string()).collect()
    }

    #[test]
    fn the_runtime_directory_comes_before_run_and_the_state_directory() {
        let environment = Environment::default().with("XDG_RUNTIME_DIR", "/run/user/1000");
        let (own, system) = ("/run/user/1000/assumed/control.sock", "/run/assumed/control.sock");
        let state = Path::new("/home/jane/state");
        let last = "/home/jane/state/control.sock";
        assert_eq!(shown(&places(&environment, state)), [own, system, last]);
        assert_eq!(shown(&candidates(&environment, Some(state), true)), [last, own, system]);
        assert_eq!(shown(&candidates(&environment, None, false)), [own, system]);
        let relative = Environment::default().with("XDG_RUNTIME_DIR", "run");
        assert_eq!(shown(&places(&relative, state)), [system, last]);
    }
}
