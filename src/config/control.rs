//! Where the control socket is and who may use it: pinned in one order, for the
//! daemon and for the verbs.

use std::path::{Path, PathBuf};

use super::file::{Document, Item};
use super::inputs::Inputs;
use super::mistake::{Mistakes, Warning};
use super::state_dir::state_dir;
use crate::environment::Environment;

/// The socket's name in each directory, and that of the link in the state directory.
pub const SOCKET: &str = "control.sock";

/// What the settings say about the control socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// Where to bind: the first of these that can be had.
    pub places: Vec<PathBuf>,
    /// Somebody chose the place, so that no other will do.
    pub is_named: bool,
    /// Where files may be that are handed to processes, the likeliest first.
    pub folders: Vec<PathBuf>,
    /// The group whose members may open it: a name or a number.
    pub group: Option<String>,
    /// Users who are served besides owner and root.
    pub uids: Vec<u32>,
}

impl Control {
    pub(super) fn read(
        inputs: &Inputs,
        document: &Document,
        state_dir: &Path,
        warnings: &mut Vec<Warning>,
    ) -> Self {
        let named = named(inputs, document);
        let uids = document.list("control.uids");
        let group = document.get("control.group");
        if group.is_none()
            && let Some(first) = uids.first().and_then(Item::setting)
        {
            let warning = first.mistake("nobody but the owner and root can open the socket");
            warnings.push(warning.hint("set control.group too: the socket's mode is 0600 without"));
        }
        let usual = usual(&inputs.environment, state_dir);
        Self {
            folders: usual.iter().filter_map(|path| Some(path.parent()?.to_owned())).collect(),
            is_named: named.is_some(),
            places: named.map_or(usual, |path| vec![path]),
            group: group.map(|group| group.text.to_owned()),
            uids: uids.iter().filter_map(|uid| uid.setting()?.text.parse().ok()).collect(),
        }
    }
}

/// Where a verb looks for a daemon, whatever else is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Where its socket may be, the likeliest first.
    pub sockets: Vec<PathBuf>,
    /// Where its lock is; absent where nothing tells.
    pub state_dir: Option<PathBuf>,
}

impl Whereabouts {
    /// A state directory that was named goes first: it tells one of several daemons.
    #[must_use]
    pub fn of(inputs: &Inputs) -> Self {
        let document = Document::read(inputs.config_file.as_ref(), &mut Mistakes::default());
        let state_dir = state_dir(inputs, &document).ok();
        let sockets = match (named(inputs, &document), &state_dir) {
            (Some(named), _) => vec![named],
            (None, None) => runtime(&inputs.environment).collect(),
            (None, Some(state_dir)) => {
                let mut places = usual(&inputs.environment, state_dir);
                if inputs.overrides.state_dir.is_some() {
                    places.rotate_right(1);
                }
                places
            }
        };
        Self { sockets, state_dir }
    }
}

fn named(inputs: &Inputs, document: &Document) -> Option<PathBuf> {
    let environment = inputs.environment.get("ASSUMED_CONTROL").map(PathBuf::from);
    let file = || document.get("control.path").map(|path| PathBuf::from(path.text));
    inputs.overrides.control.clone().or(environment).or_else(file)
}

fn usual(environment: &Environment, state_dir: &Path) -> Vec<PathBuf> {
    runtime(environment).chain([state_dir.join(SOCKET)]).collect()
}

fn runtime(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    // The XDG specification wants relative paths ignored.
    let own = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.filter(|path| path.is_absolute());
    let folders = [own, Some(PathBuf::from("/run"))].into_iter().flatten();
    folders.map(|folder| folder.join("assumed").join(SOCKET))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{ConfigFile, Overrides};
    use crate::secret::Secret;

    const OWN: &str = "/run/user/1000/assumed/control.sock";
    const SYSTEM: &str = "/run/assumed/control.sock";
    const LAST: &str = "/state/control.sock";

    fn inputs(variables: &[(&str, &str)], file: &str) -> Inputs {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Inputs {
            environment: Arc::new(variables.collect()),
            config_file: Some(ConfigFile { path: "config.toml".into(), text: Secret::new(file) }),
            ..Inputs::default()
        }
    }

    fn read(inputs: &Inputs) -> (Control, Vec<Warning>) {
        let document = Document::read(inputs.config_file.as_ref(), &mut Mistakes::default());
        let mut warnings = Vec::new();
        let control = Control::read(inputs, &document, Path::new("/state"), &mut warnings);
        (control, warnings)
    }

    fn shown(places: &[PathBuf]) -> Vec<String> {
        places.iter().map(|place| place.display().to_string()).collect()
    }

    #[test]
    fn the_runtime_directory_comes_before_run_and_the_state_directory() {
        let mut inputs = inputs(&[("XDG_RUNTIME_DIR", "/run/user/1000")], "");
        let (control, _) = read(&inputs);
        assert_eq!(shown(&control.places), [OWN, SYSTEM, LAST]);
        assert!(!control.is_named);
        let sockets = |inputs: &Inputs| shown(&Whereabouts::of(inputs).sockets);
        assert_eq!(sockets(&inputs), [OWN, SYSTEM], "without a home");
        inputs.overrides = Overrides { state_dir: Some("/state".into()), ..Overrides::default() };
        assert_eq!(sockets(&inputs), [LAST, OWN, SYSTEM]);
    }

    #[test]
    fn a_place_that_was_named_is_the_only_one() {
        let places = |inputs: &Inputs| {
            let (control, _) = read(inputs);
            assert_eq!(control.places, Whereabouts::of(inputs).sockets);
            assert!(control.is_named);
            shown(&control.places)
        };
        let file = "[control]\npath = \"/file\"\n";
        assert_eq!(places(&inputs(&[], file)), ["/file"]);
        let mut inputs = inputs(&[("ASSUMED_CONTROL", "/variable")], file);
        assert_eq!(places(&inputs), ["/variable"]);
        inputs.overrides.control = Some("/flag".into());
        assert_eq!(places(&inputs), ["/flag"]);
    }

    #[test]
    fn users_without_a_group_cannot_even_open_the_socket() {
        let (control, warnings) = read(&inputs(&[], "[control]\ngroup = \"aws\"\nuids = [7, 8]\n"));
        assert_eq!((control.group.as_deref(), control.uids.as_slice()), (Some("aws"), &[7, 8][..]));
        assert!(warnings.is_empty());
        let (_, warnings) = read(&inputs(&[], "[control]\nuids = [7]\n"));
        assert_eq!(
            warnings[0].to_string(),
            "config.toml:2:9: control.uids: nobody but the owner and root can open the socket\n\
             hint: set control.group too: the socket's mode is 0600 without"
        );
    }
}
