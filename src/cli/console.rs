//! `assumed console`: the web console, as whom a role is.
//!
//! The URL signs in whoever opens it, for a quarter of an hour: it goes to
//! standard output or to the browser, and nowhere else.

use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::reach::{Daemon, named, say, say_json};
use super::{Globals, inputs};
use crate::control::Refusal;
use crate::credentials::Credentials;
use crate::failure::Kind;
use crate::fatal::{Exit, Fatal};
use crate::role::{Partition, Region};
use crate::secret::Secret;
use crate::status::Status;
use crate::sts;
use crate::sts::request::Route;

/// Print a URL that signs in to the web console as the role
///
/// Example: assumed console --open
#[derive(Debug, Args)]
pub(super) struct Console {
    /// The role [default: the active one]
    role: Option<String>,
    /// Open it in a browser instead of printing it
    #[arg(long)]
    open: bool,
    /// The page of the console [default: the first one, in the Region of the role]
    #[arg(long, value_name = "URL")]
    destination: Option<String>,
    /// The federation endpoint [default: that of the role's partition]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

// No `Debug`, for most of it is secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: jiff::Timestamp,
}

pub(super) fn main(console: &Console, globals: &Globals) -> Result<ExitCode, Fatal> {
    let daemon = Daemon::find(globals)?;
    let wanted = console.role.as_deref();
    let status: Status = daemon.get("/v1/status")?;
    let role = status.role(wanted).ok_or_else(|| Refusal::no_role(wanted, &status))?;
    let region: Region = role.region.parse().map_err(|_| {
        Fatal::new(Exit::Bug, format!("{} has the Region {}", role.name, role.region))
    })?;
    let keys: Keys = daemon.post("/v1/credentials", &named(wanted))?;
    let credentials = Credentials::new(
        keys.access_key_id,
        Secret::new(keys.secret_access_key),
        Secret::new(keys.session_token),
        keys.expiration,
    )
    .map_err(|hollow| Fatal::new(Exit::Bug, format!("the daemon gave {hollow}")))?;
    let site = Site::of(region.partition());
    let endpoint = console.endpoint.clone().unwrap_or_else(|| site.federation());
    let destination = console.destination.clone().unwrap_or_else(|| site.start(&region));
    let token = signed_in(&endpoint, &credentials)?;
    let url = Secret::new(format!(
        "{endpoint}?Action=login&Issuer=assumed&Destination={}&SigninToken={}",
        sts::encoded(&destination),
        sts::encoded(token.expose())
    ));
    if console.open {
        return open(&url);
    }
    if globals.json {
        say_json(&json!({"url": url.expose()}));
    } else {
        say(&format!("{}\n", url.expose()));
    }
    Ok(ExitCode::SUCCESS)
}

fn signed_in(endpoint: &str, credentials: &Credentials) -> Result<Secret, Fatal> {
    let route = Route::of(&inputs::environment());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Fatal::new(Exit::Bug, format!("cannot start the runtime: {error}")))?;
    runtime.block_on(sts::signin_token(endpoint, credentials, route)).map_err(|failure| {
        let exit = if failure.kind == Kind::Refused { Exit::Refused } else { Exit::Unavailable };
        let fatal = Fatal::new(exit, failure.message);
        failure.hint.into_iter().fold(fatal, Fatal::hint)
    })
}

/// By whatever opens URLs here.
fn open(url: &Secret) -> Result<ExitCode, Fatal> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let ended = Command::new(opener).arg(url.expose()).stdout(Stdio::null()).status();
    let fatal = match ended {
        Ok(status) if status.success() => return Ok(ExitCode::SUCCESS),
        Ok(status) => format!("{opener} ended with {status}"),
        Err(error) => format!("cannot start {opener}: {error}"),
    };
    Err(Fatal::new(Exit::Unavailable, fatal).hint("without --open the URL is printed"))
}

/// The web console of a partition.
struct Site {
    signin: &'static str,
    console: &'static str,
}

impl Site {
    const fn of(partition: Partition) -> Self {
        match partition {
            Partition::Aws => {
                Self { signin: "signin.aws.amazon.com", console: "console.aws.amazon.com" }
            }
            Partition::AwsCn => {
                Self { signin: "signin.amazonaws.cn", console: "console.amazonaws.cn" }
            }
            Partition::AwsUsGov => Self {
                signin: "signin.amazonaws-us-gov.com",
                console: "console.amazonaws-us-gov.com",
            },
        }
    }

    fn federation(&self) -> String {
        format!("https://{}/federation", self.signin)
    }

    fn start(&self, region: &Region) -> String {
        format!("https://{}/console/home?region={region}", self.console)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_a_console_of_its_own() {
        for (region, signin, start) in [
            (
                "eu-central-1",
                "https://signin.aws.amazon.com/federation",
                "https://console.aws.amazon.com/console/home?region=eu-central-1",
            ),
            (
                "cn-north-1",
                "https://signin.amazonaws.cn/federation",
                "https://console.amazonaws.cn/console/home?region=cn-north-1",
            ),
            (
                "us-gov-west-1",
                "https://signin.amazonaws-us-gov.com/federation",
                "https://console.amazonaws-us-gov.com/console/home?region=us-gov-west-1",
            ),
        ] {
            let region: Region = region.parse().unwrap();
            let site = Site::of(region.partition());
            assert_eq!((site.federation().as_str(), site.start(&region).as_str()), (signin, start));
        }
    }
}
