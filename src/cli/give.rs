//! The verbs that give a daemon what it waits for: a code, an assertion, a login.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Globals;
use super::orders::rotated;
use super::reach::{Daemon, named};
use crate::control::Refusal;
use crate::fatal::{Exit, Fatal};
use crate::secret::Secret;
use crate::status::{Needs, RoleStatus, Status};
use crate::sys::terminal;

/// How often a mistyped code is asked for again.
const TRIES: u32 = 3;
/// No SAML response is larger, nor any code.
const MOST_BYTES: u64 = 128 * 1024;

/// Hand in the MFA code that a role waits for; it is asked for where none is given
///
/// Example: assumed mfa
#[derive(Debug, Args)]
pub(super) struct Mfa {
    /// The six digits [default: typed unseen, or a line of standard input]
    code: Option<Unseen>,
    /// The role [default: the active one]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

pub(super) fn mfa(mfa: Mfa, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let role = mfa.role.as_deref();
    let hand_in = |code: &Secret| -> Result<RoleStatus, Fatal> {
        daemon.post("/v1/mfa", &with(role, "code", code))
    };
    let given = match mfa.code {
        Some(Unseen(code)) => hand_in(&code)?,
        None if io::stdin().is_terminal() => {
            let needs = needs(&daemon, role, "an MFA code", &["mfa"])?;
            asked(&needs, hand_in)?
        }
        None => hand_in(&read(io::stdin().lock())?)?,
    };
    rotated(&given, globals);
    Ok(ExitCode::SUCCESS)
}

/// Hand in the response of an identity provider, its SAMLResponse
///
/// Example: assumed saml response.txt
#[derive(Debug, Args)]
pub(super) struct Saml {
    /// The file that holds it, as base64 or XML [default: standard input]
    file: Option<PathBuf>,
    /// The role [default: the active one]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

pub(super) fn saml(saml: &Saml, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let response = match saml.file.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let file = File::open(path).map_err(|error| {
                Fatal::new(Exit::Usage, format!("cannot read {}: {error}", path.display()))
            })?;
            read(file)?
        }
        // A terminal passes on no line of this length.
        None if io::stdin().is_terminal() => {
            return Err(Fatal::new(Exit::Usage, "a SAML response is too long for a terminal")
                .hint("assumed saml FILE, or assumed saml < FILE"));
        }
        None => read(io::stdin().lock())?,
    };
    let role = saml.role.as_deref();
    let given: RoleStatus = daemon.post("/v1/saml", &with(role, "assertion", &response))?;
    rotated(&given, globals);
    Ok(ExitCode::SUCCESS)
}

/// Log in with the AWS CLI, to what a role needs, and rotate
///
/// Example: assumed login
#[derive(Debug, Args)]
pub(super) struct Login {
    /// The role [default: the active one]
    role: Option<String>,
}

pub(super) fn login(login: &Login, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let role = login.role.as_deref();
    let needs = needs(&daemon, role, "a login", &["sso", "login"])?;
    let words: &[&str] = if needs.what == "sso" { &["sso", "login"] } else { &["login"] };
    let line = format!("aws {} --profile {}", words.join(" "), needs.of);
    let status = Command::new("aws").args(words).args(["--profile", &needs.of]).status();
    let status = status.map_err(|error| {
        Fatal::new(Exit::Unavailable, format!("cannot start `{line}`: {error}"))
            .hint("the AWS CLI, version 2, has to be installed")
    })?;
    if !status.success() {
        return Err(Fatal::new(Exit::Waiting, format!("`{line}` ended with {status}"))
            .hint("what is valid is served meanwhile; try again: assumed login"));
    }
    let given: RoleStatus = daemon.post("/v1/refresh", &named(role))?;
    rotated(&given, globals);
    Ok(ExitCode::SUCCESS)
}

/// An argument that no error and no `Debug` shows.
#[derive(Clone)]
struct Unseen(Secret);

impl std::fmt::Debug for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<&str> for Unseen {
    fn from(text: &str) -> Self {
        Self(Secret::new(text))
    }
}

/// What a role wants, where it is one of these.
fn needs(daemon: &Daemon, role: Option<&str>, what: &str, kinds: &[&str]) -> Result<Needs, Fatal> {
    let status: Status = daemon.get("/v1/status")?;
    let found = status.role(role).ok_or_else(|| Refusal::no_role(role, &status))?;
    let needs = found.needs.clone().filter(|needs| kinds.contains(&needs.what.as_str()));
    needs.ok_or_else(|| {
        Fatal::new(Exit::Usage, format!("{} never wants {what}", found.name))
            .hint("`assumed status` shows where its credentials come from")
    })
}

/// Hands in the code of the active role, asked for on the terminal.
pub(super) fn ask_code(daemon: &Daemon, needs: &Needs) -> Result<(), Fatal> {
    asked(needs, |code| daemon.post("/v1/mfa", &with(None, "code", code))).map(drop)
}

/// Asks on the terminal, and again where STS does not like the answer.
fn asked(
    needs: &Needs,
    hand_in: impl Fn(&Secret) -> Result<RoleStatus, Fatal>,
) -> Result<RoleStatus, Fatal> {
    let question = format!("MFA code of {}: ", needs.of);
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match hand_in(&typed(&question)?) {
            Err(fatal) if tries > 0 && matches!(fatal.exit, Exit::Waiting | Exit::Usage) => {
                let _ = writeln!(io::stderr(), "assumed: {fatal}");
            }
            outcome => return outcome,
        }
    }
}

fn typed(question: &str) -> Result<Secret, Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let answer = runtime.and_then(|runtime| runtime.block_on(terminal::ask(question)));
    answer.map_err(|error| match error.kind() {
        ErrorKind::Interrupted | ErrorKind::UnexpectedEof => {
            Fatal::new(Exit::Waiting, "no code was given")
        }
        _ => Fatal::new(Exit::Unavailable, format!("cannot ask on the terminal: {error}"))
            .hint("name the code: assumed mfa CODE"),
    })
}

fn read(from: impl Read) -> Result<Secret, Fatal> {
    let mut text = Zeroizing::new(String::new());
    let wrong =
        |why: &dyn std::fmt::Display| Fatal::new(Exit::Usage, format!("cannot read it: {why}"));
    from.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(wrong(&"it is larger than 128 KiB"));
    }
    Ok(Secret::new(text.trim()))
}

/// The order, with what is handed in.
fn with(role: Option<&str>, member: &str, text: &Secret) -> Map<String, Value> {
    let mut order = match named(role) {
        Value::Object(order) => order,
        _ => Map::new(),
    };
    order.insert(member.to_owned(), text.expose().into());
    order
}
