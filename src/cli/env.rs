//! `assumed env` and `assumed credential-process`: credentials by way of a
//! shell, or of `~/.aws/config`.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Globals;
use super::inputs;
use super::reach::{Daemon, named, say, say_json};
use super::shell::Shell;
use crate::config::{self, Environment};
use crate::control::{Code, Minted, Refusal, Wanted};
use crate::fatal::{Exit, Fatal};
use crate::status::{ListenerStatus, Status};

/// What an SDK would take before our endpoint, if it is set.
pub(super) const RIVALS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
];

/// Print what a shell needs to use the endpoint, for `eval`
///
/// Example: eval "$(assumed env)"
#[derive(Debug, Args)]
pub(super) struct Env {
    /// The role [default: the active one]
    role: Option<String>,
    /// A token for the container endpoint, instead of the metadata endpoint
    #[arg(long, conflicts_with = "keys")]
    container: bool,
    /// How long that token counts
    #[arg(long, value_name = "SPAN", default_value = "12h", requires = "container", value_parser = config::duration)]
    lifetime: Duration,
    /// Print the keys themselves; they will not be rotated
    #[arg(long)]
    keys: bool,
    /// Whose words to use [default: those of the calling shell]
    #[arg(long, value_enum, value_name = "SHELL")]
    shell: Option<Shell>,
}

pub(super) fn env(env: &Env, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let environment = inputs::environment();
    let status: Status = daemon.get("/v1/status")?;
    let mut set = if env.keys {
        keys(env, &daemon, &status)?
    } else if env.container {
        container(env, &daemon)?
    } else {
        endpoint(env, &status)?
    };
    if let Some(uri) = set.iter().map(|(_, value)| value).find(|it| it.starts_with("http://")) {
        set.extend(unproxied(&environment, &uri.clone()));
    }
    let set: Vec<(&str, &str)> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let is_set = |name: &&str| environment.get(name).is_some();
    let anew = |name: &&str| set.iter().any(|(other, _)| other == name);
    let unset: Vec<&str> =
        RIVALS.iter().copied().filter(|name| is_set(name) && !anew(name)).collect();
    if globals.json {
        let gone = unset.iter().map(|name| ((*name).to_owned(), Value::Null));
        let kept = set.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        say_json(&gone.chain(kept).collect::<Map<_, _>>());
        return Ok(ExitCode::SUCCESS);
    }
    let shell = env.shell.unwrap_or_else(|| Shell::guess(parent().as_deref(), &environment));
    say(&shell.lines(&unset, &set));
    Ok(ExitCode::SUCCESS)
}

type Variables = Vec<(&'static str, String)>;

fn endpoint(env: &Env, status: &Status) -> Result<Variables, Fatal> {
    let wanted = env.role.as_deref();
    let role = status.role(wanted).ok_or_else(|| Refusal::no_role(wanted, status))?;
    let listener = metadata_endpoint(status, &role.name)?;
    Ok(vec![
        ("AWS_REGION", role.region.clone()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}/", reached_at(listener.address))),
    ])
}

/// A listener that serves this role: the one of its own first, for that goes on doing so.
fn metadata_endpoint<'a>(status: &'a Status, role: &str) -> Result<&'a ListenerStatus, Fatal> {
    let imds = || status.listeners.iter().filter(|listener| listener.kind == "imds");
    let own = imds().find(|listener| listener.role.as_deref() == Some(role));
    let shared = || imds().find(|listener| listener.role.is_none() && role == status.active);
    own.or_else(shared).ok_or_else(|| {
        if imds().next().is_none() {
            return Fatal::new(Exit::Unavailable, "the daemon serves no metadata endpoint")
                .hint("give it a listener: listen in the settings, or --listen");
        }
        Refusal::new(Code::NoSuchName, format!("no metadata endpoint serves {role}"))
            .hint(format!("make it the active role (assumed use {role}), or add --container"))
            .into()
    })
}

fn container(env: &Env, daemon: &Daemon) -> Result<Variables, Fatal> {
    let wanted = Wanted {
        role: env.role.clone(),
        lifetime_seconds: Some(env.lifetime.as_secs()),
        kept: true,
        ..Wanted::default()
    };
    let minted: Minted = daemon.post("/v1/tokens", &wanted)?;
    Ok(vec![
        ("AWS_REGION", minted.region),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", minted.uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", minted.secret.expose().to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ])
}

fn keys(env: &Env, daemon: &Daemon, status: &Status) -> Result<Variables, Fatal> {
    let wanted = env.role.as_deref();
    let role = status.role(wanted).ok_or_else(|| Refusal::no_role(wanted, status))?;
    let keys: Keys = daemon.post("/v1/credentials", &named(wanted))?;
    warn_of_keys();
    Ok(vec![
        ("AWS_REGION", role.region.clone()),
        ("AWS_ACCESS_KEY_ID", keys.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key),
        ("AWS_SESSION_TOKEN", keys.session_token),
        ("AWS_CREDENTIAL_EXPIRATION", keys.expiration),
    ])
}

// No `Debug`, for most of it is secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

/// Print credentials as `credential_process` in ~/.aws/config wants them
///
/// Example: credential_process = assumed credential-process
#[derive(Debug, Args)]
pub(super) struct CredentialProcess {
    /// The role [default: the active one]
    role: Option<String>,
}

pub(super) fn credential_process(
    order: &CredentialProcess,
    globals: &Globals,
) -> Result<ExitCode, Fatal> {
    no_loop(&inputs::environment())?;
    let daemon = Daemon::find(globals)?;
    let answer = daemon.post_raw("/v1/credentials", &named(order.role.as_deref()))?;
    warn_of_keys();
    // As it came; whoever closed the pipe has seen enough.
    let _ = io::stdout().write_all(answer.body()?);
    Ok(ExitCode::SUCCESS)
}

/// What keeps tokens from a proxy, where one is set: SDKs would send them there.
pub(super) fn unproxied(
    environment: &Environment,
    uri: &str,
) -> impl Iterator<Item = (&'static str, String)> {
    let set = |names: &[&str]| names.iter().find_map(|name| environment.get(name));
    let proxy = set(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]);
    let authority = uri.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let host = authority.and_then(|it| Some(it.parse::<SocketAddr>().ok()?.ip().to_string()));
    let spared = proxy.and(host).map(|host| match set(&["NO_PROXY", "no_proxy"]) {
        Some(spared) if spared.split(',').any(|known| known.trim() == host) => spared.to_owned(),
        Some(spared) => format!("{spared},{host}"),
        None => host,
    });
    let names = spared.is_some().then_some(["NO_PROXY", "no_proxy"]);
    names.into_iter().flatten().map(move |name| (name, spared.clone().unwrap_or_default()))
}

/// A daemon that asked itself would wait for itself.
pub(super) fn no_loop(environment: &Environment) -> Result<(), Fatal> {
    if environment.get("ASSUMED_INSIDE").is_none() {
        return Ok(());
    }
    Err(Fatal::new(Exit::Usage, "called by a daemon for its own base credentials: a loop")
        .hint("the source of its role names this command; give it another source"))
}

fn warn_of_keys() {
    if io::stdout().is_terminal() {
        let warning = "assumed: these are keys, on a screen; they work until they expire\n";
        let _ = io::stderr().write_all(warning.as_bytes());
    }
}

/// Where programs on this host find a listener.
pub(super) fn reached_at(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// The name of the process that called us, where the system tells.
fn parent() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    Some(name.trim().to_owned())
}
