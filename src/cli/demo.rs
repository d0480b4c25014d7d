//! `assumed demo`: the daemon against the embedded STS, by the path of production.
//!
//! Nothing is faked on the way: the daemon is handed an environment that
//! names the embedded STS as its endpoint, and does with it what it always does.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use tracing::error;

use super::{Globals, inputs, secret_variables, start_log};
use crate::clock::SystemClock;
use crate::config::{self, Environment, Inputs, Overrides, Settings};
use crate::daemon::{self, Companion, Company, Daemon};
use crate::emulator::{self, NotStarted, Options, Script};
use crate::fatal::{Exit, Fatal};
use crate::sys::state::PassingDirectory;
use crate::sys::supervisor::Supervisor;

/// Whom the demo becomes; no account has this number.
const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/demo";
/// Where the demo seems to stand.
const REGION: &str = "us-east-1";

/// Try it without AWS: the daemon against an embedded STS
///
/// Example: assumed demo --session 2m
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// How long a session the embedded STS grants, whatever is asked
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = config::duration)]
    session: Duration,
    /// Where to serve; may be repeated [default: 127.0.0.1:1338]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<String>,
    /// Where the embedded STS listens, on loopback
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    sts_listen: SocketAddr,
    /// Only the embedded STS, for your own tests
    #[arg(long)]
    sts_only: bool,
    /// Lets the embedded STS be told over HTTP how to fail: `PUT /script`
    #[arg(long)]
    sts_faults: bool,
}

pub(super) fn main(demo: &Demo, globals: &Globals) -> Result<ExitCode, Fatal> {
    let sts = emulator::bind(demo.sts_listen).map_err(|error| not_started(&error))?;
    let script = Script { session: Some(demo.session), ..Script::default() };
    if demo.sts_only {
        return alone(sts, script, demo, globals);
    }
    let address = local_address(&sts)?;
    let state = temporary_state(globals)?;
    // Real keys of the user have no business here.
    let own = secret_variables::moved(inputs::environment());
    let inputs = Inputs {
        overrides: demo.overrides(globals, state.path()),
        environment: Arc::new(environment(address, &own)),
        caller: inputs::caller(&own),
        ..Inputs::default()
    };
    let settings = Settings::resolve(&inputs).map_err(|mistakes| inputs::wrong(&mistakes))?;
    start_log(&settings.log)?;
    let daemon = Daemon::prepare(settings, Supervisor::default())?;
    say(&banner(address, &daemon.addresses(), demo.session));
    let companion = Some(companion(sts, script, demo.sts_faults));
    daemon.run(Company { companion, ..Company::default() })?;
    Ok(ExitCode::SUCCESS)
}

impl Demo {
    fn overrides(&self, globals: &Globals, state: &Path) -> Overrides {
        Overrides {
            role_arn: Some(ROLE_ARN.to_owned()),
            session_name: Some("demo".to_owned()),
            listen: self.listen.clone(),
            ..globals.overrides(Some(state))
        }
    }
}

/// What a user with keys of the embedded STS would have set, and nothing else.
fn environment(sts: SocketAddr, own: &Environment) -> Environment {
    // Where the control socket is belongs to this machine.
    let steered = ["XDG_RUNTIME_DIR", "ASSUMED_CONTROL"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), own.get(name)?.to_owned())));
    steered
        .collect::<Environment>()
        .with("AWS_ACCESS_KEY_ID", emulator::DEMO_ACCESS_KEY_ID)
        .with("AWS_SECRET_ACCESS_KEY", emulator::DEMO_SECRET_ACCESS_KEY)
        .with("AWS_REGION", REGION)
        .with("AWS_ENDPOINT_URL_STS", format!("http://{sts}"))
}

/// A state directory that goes when the demo ends, unless one was named.
fn temporary_state(globals: &Globals) -> Result<PassingDirectory, Fatal> {
    match &globals.state_dir {
        Some(path) => Ok(PassingDirectory::kept(path)),
        None => PassingDirectory::new("assumed-demo").map_err(|error| {
            Fatal::new(Exit::Unavailable, format!("cannot make a temporary directory: {error}"))
                .hint("name one with --state-dir")
        }),
    }
}

fn companion(sts: TcpListener, script: Script, scripted: bool) -> Companion {
    Box::pin(async move {
        match emulator::start(
            sts,
            script,
            Options { scripted, ..Options::new(Arc::new(SystemClock)) },
        ) {
            Ok(_running) => std::future::pending().await,
            Err(error) => error!(%error, "the embedded STS did not start"),
        }
    })
}

/// `--sts-only`: serves the embedded STS until a signal ends it.
fn alone(
    sts: TcpListener,
    script: Script,
    demo: &Demo,
    globals: &Globals,
) -> Result<ExitCode, Fatal> {
    start_log(&globals.log()?)?;
    say(&sts_banner(local_address(&sts)?));
    daemon::run_alone(companion(sts, script, demo.sts_faults))?;
    Ok(ExitCode::SUCCESS)
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Fatal> {
    listener
        .local_addr()
        .map_err(|error| Fatal::new(Exit::Bug, format!("a socket without an address: {error}")))
}

fn not_started(error: &NotStarted) -> Fatal {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Fatal::new(Exit::Unavailable, format!("{error}{}", cause.unwrap_or_default()))
        .hint(error.hint())
}

fn say(text: &str) {
    // A closed standard output takes nothing from the service.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn banner(sts: SocketAddr, bound: &[SocketAddr], session: Duration) -> String {
    let urls: Vec<String> = bound.iter().map(|address| format!("http://{address}")).collect();
    let first = urls.first().map(String::as_str).unwrap_or_default();
    let serving = urls.join("\n              ");
    format!(
        "\
assumed demo: real requests, worthless credentials; nothing here talks to AWS.

  serving     {serving}
  STS         http://{sts} (embedded; sessions of {})

Paste this into another terminal:

  IMDS={first}
  TOKEN=$(curl -s -X PUT $IMDS/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600')
  ROLE=$(curl -s $IMDS/latest/meta-data/iam/security-credentials/ -H \"X-aws-ec2-metadata-token: $TOKEN\")
  curl -s $IMDS/latest/meta-data/iam/security-credentials/$ROLE -H \"X-aws-ec2-metadata-token: $TOKEN\"

or point any SDK here:

  export AWS_EC2_METADATA_SERVICE_ENDPOINT={first}/

Repeat the last curl after half a session and watch the key change: each rotation is logged below.
Ctrl-C ends it.

",
        shown(session)
    )
}

fn shown(span: Duration) -> String {
    SignedDuration::try_from(span).map(|span| format!("{span:#}")).unwrap_or_default()
}

fn sts_banner(sts: SocketAddr) -> String {
    format!(
        "\
assumed demo --sts-only: an STS for tests; its credentials are worthless.

  export AWS_ENDPOINT_URL_STS=http://{sts}
  export AWS_ACCESS_KEY_ID={}
  export AWS_SECRET_ACCESS_KEY={}
  export AWS_REGION={REGION}

Ctrl-C ends it.

",
        emulator::DEMO_ACCESS_KEY_ID,
        emulator::DEMO_SECRET_ACCESS_KEY
    )
}
