//! `assumed exec`: a command with a token of its own.
//!
//! Registers this process with the daemon, and then becomes the command: its
//! terminal, signals and exit status need nothing of ours, and the daemon
//! takes the token back when the process ends, however that comes.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use super::env::{RIVALS, no_loop, unproxied};
use super::narrow::Narrow;
use super::private;
use super::reach::{Daemon, sources};
use super::{Globals, inputs};
use crate::config::{Environment, SharedFile, without_default_credentials};
use crate::control::{Minted, Wanted};
use crate::fatal::{Exit, Fatal};
use crate::sys::handout::TOKEN;

/// Run a command with credentials of its own, which end with it
///
/// Without a running daemon, one is started for as long as the command runs.
///
/// Example: assumed exec dev -- aws sts get-caller-identity
#[derive(Debug, Args)]
pub(super) struct Exec {
    /// The role [default: the active one]
    role: Option<String>,
    /// The Region that the command is told [default: the role's]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    #[command(flatten)]
    narrow: Narrow,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(super) fn main(exec: &Exec, globals: &Globals) -> Result<ExitCode, Fatal> {
    let environment = inputs::environment();
    no_loop(&environment)?;
    let narrowing = exec.narrow.narrowing()?;
    let daemon = match Daemon::find(globals) {
        Err(_) if Daemon::is_absent(globals) => {
            private::start(exec.role.as_deref(), narrowing.as_ref(), globals)?
        }
        found => found?,
    };
    let wanted = Wanted { role: exec.role.clone(), process: true, narrowing, ..Wanted::default() };
    let minted: Minted = daemon.post("/v1/tokens", &wanted)?;
    let [program, arguments @ ..] = exec.command.as_slice() else {
        return Err(Fatal::new(Exit::Usage, "no command"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in RIVALS {
        command.env_remove(name);
    }
    command.envs(variables(&minted, exec.region.as_deref(), &environment));
    command.envs(copies(&minted, globals));
    // Returns only where the command could not be had.
    let error = command.exec();
    Ok(not_run(program, &error))
}

/// What the command is told.
fn variables(
    minted: &Minted,
    region: Option<&str>,
    environment: &Environment,
) -> Vec<(&'static str, OsString)> {
    let region = region.unwrap_or(&minted.region);
    let mut set: Vec<(&str, OsString)> = vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", minted.uri.clone().into()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", minted.secret.expose().into()),
        // An SDK whose call fails must never fall through to another role.
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("AWS_REGION", region.into()),
        ("AWS_DEFAULT_REGION", region.into()),
    ];
    if let Some(folder) = &minted.folder {
        set.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder.join(TOKEN).into()));
    }
    set.extend(unproxied(environment, &minted.uri).map(|(name, spared)| (name, spared.into())));
    set
}

/// Copies of the shared files, where the default profile has credentials of its own.
fn copies(minted: &Minted, globals: &Globals) -> Vec<(&'static str, PathBuf)> {
    let files = sources(globals).shared_files();
    let files = [
        ("AWS_CONFIG_FILE", "config", files.config),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", files.credentials),
    ];
    let mut set = Vec::new();
    for (variable, name, file) in files {
        let Some(file) = file else { continue };
        let Some(bare) = without_default_credentials(&file) else { continue };
        let copy = minted.folder.as_deref().map(|folder| folder.join(name));
        let written = copy.filter(|copy| write(copy, bare.expose().as_bytes()).is_ok());
        tell(&file, written.as_deref());
        set.extend(written.map(|copy| (variable, copy)));
    }
    set
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

fn tell(file: &SharedFile, copy: Option<&Path>) {
    let path = file.path.display();
    let text = match copy {
        Some(_) => format!(
            "assumed: the default profile in {path} has credentials; the command sees a copy without them\n"
        ),
        None => format!(
            "assumed: the default profile in {path} has credentials, which some SDKs take first\n"
        ),
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

/// As shells have it: 127 where there is no such command, 126 where it cannot be run.
fn not_run(program: &OsString, error: &io::Error) -> ExitCode {
    let text = format!("assumed: {}: {error}\n", program.display());
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}
