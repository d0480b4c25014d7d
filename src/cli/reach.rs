//! How a verb reaches the daemon, and what to say when none answers.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Globals;
use super::inputs::Sources;
use crate::config::{Overrides, Whereabouts};
use crate::control::Refusal;
use crate::control::client::{Answer, Client, Silence};
use crate::fatal::{Exit, Fatal};
use crate::sys::state;

/// The daemon that these flags and this environment mean.
pub(super) struct Daemon {
    client: Client,
    state_dir: Option<PathBuf>,
}

impl Daemon {
    /// Finds it.
    pub(super) fn find(globals: &Globals) -> Result<Self, Fatal> {
        let Whereabouts { sockets, state_dir } = sources(globals).whereabouts();
        match Client::find(sockets) {
            Ok(client) => Ok(Self { client, state_dir }),
            Err(silence) => Err(unheard(&silence, state_dir.as_deref())),
        }
    }

    /// The one at this place.
    pub(super) fn at(socket: PathBuf) -> Result<Self, Fatal> {
        let client = Client::find(vec![socket]);
        let client = client.map_err(|silence| unheard(&silence, None))?;
        Ok(Self { client, state_dir: None })
    }

    /// True where none runs, rather than one that cannot be reached.
    pub(super) fn is_absent(globals: &Globals) -> bool {
        let Whereabouts { sockets, state_dir } = sources(globals).whereabouts();
        let holder = state_dir.as_deref().and_then(state::holder);
        holder.is_none() && matches!(Client::find(sockets), Err(Silence::Nobody(_)))
    }

    /// Has something below this path removed.
    pub(super) fn delete(&self, path: &str, name: &str) -> Result<(), Fatal> {
        let path = format!("{path}{}", escaped(name));
        self.heard::<Value>(self.client.delete(&path)).map(drop)
    }

    /// What it says to a question.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fatal> {
        self.heard(self.client.get(path))
    }

    /// What it says to an order.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        members: &impl Serialize,
    ) -> Result<T, Fatal> {
        self.heard(self.client.post(path, members))
    }

    /// What it says to an order that replaces something.
    pub(super) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        members: &impl Serialize,
    ) -> Result<T, Fatal> {
        self.heard(self.client.put(path, members))
    }

    /// What it says to an order, as the bytes that came.
    pub(super) fn post_raw(&self, path: &str, members: &impl Serialize) -> Result<Answer, Fatal> {
        let answer = self.client.post(path, members);
        let answer = answer.map_err(|silence| unheard(&silence, self.state_dir.as_deref()))?;
        answer.body().map_err(Fatal::from)?;
        Ok(answer)
    }

    fn heard<T: DeserializeOwned>(&self, answer: Result<Answer, Silence>) -> Result<T, Fatal> {
        let answer = answer.map_err(|silence| unheard(&silence, self.state_dir.as_deref()))?;
        answer.read().map_err(|refusal: Refusal| refusal.into())
    }
}

/// `{"role": NAME}`, or nothing where none is named.
pub(super) fn named(role: Option<&str>) -> Value {
    let mut members = Map::new();
    if let Some(role) = role {
        members.insert("role".to_owned(), role.into());
    }
    Value::Object(members)
}

/// As a part of a path or a query; all but letters and digits escaped.
pub(super) fn escaped(name: &str) -> String {
    let escaped = name.bytes().map(|b| match b {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    });
    escaped.collect()
}

pub(super) fn sources(globals: &Globals) -> Sources {
    serving(None, globals)
}

/// The same, for a daemon that is told this profile.
pub(super) fn serving(profile: Option<&str>, globals: &Globals) -> Sources {
    let profile = profile.map(str::to_owned);
    let overrides = Overrides { profile, ..globals.overrides(None) };
    Sources::new(overrides, globals.config.as_deref(), false)
}

/// The same, for a daemon that serves one process this role.
pub(super) fn private(role: Option<&str>, globals: &Globals) -> Sources {
    let role = role.map(str::to_owned);
    let overrides = Overrides { role, alone: true, ..globals.overrides(None) };
    Sources::new(overrides, globals.config.as_deref(), false)
}

/// Writes data; whoever closed the pipe has seen enough.
pub(super) fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// One line of JSON.
pub(super) fn say_json(value: &impl Serialize) {
    // What is said here has no maps with odd keys.
    let text = serde_json::to_string(value).unwrap_or_default();
    say(&format!("{text}\n"));
}

/// Whether a daemon runs, and what to type.
fn unheard(silence: &Silence, state_dir: Option<&Path>) -> Fatal {
    match silence {
        Silence::Nobody(_) => nobody(state_dir.and_then(state::holder), state_dir),
        Silence::Closed { .. } => Fatal::new(Exit::Unavailable, silence.to_string()).hint(
            "it belongs to another user: be that user or root, or let [control] admit this one",
        ),
        Silence::Broken { .. } => Fatal::new(Exit::Unavailable, silence.to_string())
            .hint("its log says why; `assumed status` tells whether it still runs"),
    }
}

fn nobody(holder: Option<String>, state_dir: Option<&Path>) -> Fatal {
    let folder = state_dir.map(|path| path.display().to_string()).unwrap_or_default();
    match holder {
        Some(pid) => Fatal::new(
            Exit::Unavailable,
            format!("a daemon runs (pid {pid}, in {folder}), but takes no orders here"),
        )
        .hint("its log says where its control socket is; name it with --control"),
        None => Fatal::new(Exit::Unavailable, "no daemon runs")
            .hint("start one: assumed run --daemon --profile NAME"),
    }
}
