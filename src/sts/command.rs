//! `credential_process`: somebody else's program prints the credentials.
//!
//! It may hang, flood or print garbage, so it gets a time limit, a bounded
//! ear, and a group of its own that is killed whole. It never sees the
//! variables that would lead it back to us. What it prints on stdout is never
//! repeated; the last line of its stderr is.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aws_credential_types::Credentials as Signer;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::wording::tidy;
use crate::failure::{Failure, Kind};

/// More than any credentials take.
const LONGEST_OUTPUT: usize = 64 * 1024;

/// Told to the command, so that our own client refuses to run inside itself.
const INSIDE: &str = "ASSUMED_INSIDE";

/// Variables that lead to a credentials endpoint, or to our service manager.
const KEPT_BACK: [&str; 9] = [
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
];

/// Runs the command line and reads what it prints.
pub(super) async fn credentials(line: &str, limit: Duration) -> Result<Signer, Failure> {
    let mut child =
        command(line).spawn().map_err(|error| broken(format!("cannot be started: {error}")))?;
    let group = Group::of(&child);
    let heard = tokio::time::timeout(limit, listen(&mut child)).await;
    let Ok(heard) = heard else {
        drop(group);
        return Err(broken(format!("did not end within {limit:?}, and was killed"))
            .hint("does it wait for a login or a password? it gets no terminal"));
    };
    let heard = heard?;
    group.dismiss();
    heard.judge()
}

fn command(line: &str) -> Command {
    let mut command = if let Some((program, arguments)) = plain_words(line) {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    };
    for name in KEPT_BACK {
        command.env_remove(name);
    }
    command
        .env(INSIDE, "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// The words of a line that means the same with and without a shell; a minimal image has none.
fn plain_words(line: &str) -> Option<(&str, Vec<&str>)> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=,.:/@% \t".contains(c);
    if !line.chars().all(plain) {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let program = words.next().filter(|word| !word.contains('='))?;
    Some((program, words.collect()))
}

/// The command and everything that it started.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn dismiss(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may be gone already, and that is what we want.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// What a command that ended had to say.
struct Heard {
    status: ExitStatus,
    stdout: Zeroizing<Vec<u8>>,
    complaint: String,
}

async fn listen(child: &mut Child) -> Result<Heard, Failure> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(broken("has no output"));
    };
    let last_line = async { Ok(read_last_line(stderr).await) };
    let (stdout, complaint) = tokio::try_join!(read_all(stdout), last_line)?;
    let status = child.wait().await;
    Ok(Heard {
        status: status.map_err(|error| broken(format!("cannot be waited for: {error}")))?,
        stdout,
        complaint,
    })
}

async fn read_all(pipe: impl AsyncRead + Unpin) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT + 1));
    let ear = u64::try_from(LONGEST_OUTPUT + 1).unwrap_or(u64::MAX);
    pipe.take(ear)
        .read_to_end(&mut text)
        .await
        .map_err(|error| broken(format!("cannot be read: {error}")))?;
    if text.len() > LONGEST_OUTPUT {
        return Err(broken("printed more than 64 KiB, and was killed"));
    }
    Ok(text)
}

async fn read_last_line(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut tail = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        tail.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let surplus = tail.len().saturating_sub(chunk.len());
        tail.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&tail);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map(tidy).unwrap_or_default()
}

impl Heard {
    fn judge(self) -> Result<Signer, Failure> {
        if !self.status.success() {
            let complaint = match self.complaint.as_str() {
                "" => String::new(),
                text => format!(": {text}"),
            };
            return Err(broken(format!("ended with {}{complaint}", self.status)));
        }
        parse(&self.stdout)
    }
}

fn parse(text: &[u8]) -> Result<Signer, Failure> {
    let garbage = |what: &str| {
        broken(format!("printed {what}"))
            .hint("it prints a JSON object with Version 1, AccessKeyId, SecretAccessKey, SessionToken and Expiration")
    };
    let Ok(Value::Object(object)) = serde_json::from_slice(text) else {
        return Err(garbage("something that is no JSON object"));
    };
    if object.get("Version").and_then(Value::as_u64) != Some(1) {
        return Err(garbage("a Version other than 1"));
    }
    let field =
        |name: &str| object.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    let need = |name: &str| field(name).ok_or_else(|| garbage(&format!("no {name}")));
    let mut signer = Signer::builder()
        .access_key_id(need("AccessKeyId")?)
        .secret_access_key(need("SecretAccessKey")?)
        .provider_name("Process");
    signer.set_session_token(field("SessionToken").map(str::to_owned));
    signer.set_account_id(field("AccountId").map(Into::into));
    if let Some(text) = field("Expiration") {
        let expiration: Timestamp =
            text.parse().map_err(|_| garbage("an Expiration that is no time"))?;
        signer.set_expiry(Some(expiration.into()));
    }
    Ok(signer.build())
}

fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::NoBase, format!("credential_process {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    async fn refused(line: &str) -> String {
        let failure = credentials(line, LIMIT).await.unwrap_err();
        assert_eq!(failure.kind, Kind::NoBase);
        failure.message
    }

    #[tokio::test]
    async fn what_it_prints_is_taken() {
        let line = r#"echo '{"Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "k",
            "SessionToken": "t", "Expiration": "2026-07-01T00:00:00Z", "AccountId": "123456789012"}'"#;
        let signer = credentials(line, LIMIT).await.unwrap();
        assert_eq!(signer.access_key_id(), "ASIA");
        assert_eq!(signer.session_token(), Some("t"));
        assert_eq!(signer.account_id().unwrap().as_str(), "123456789012");
        let expiration: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        assert_eq!(signer.expiry(), Some(expiration.into()));
    }

    #[tokio::test]
    async fn it_cannot_find_its_way_back_to_us() {
        let line = r#"printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}' \
            "$ASSUMED_INSIDE" "$AWS_EC2_METADATA_DISABLED""#;
        let signer = credentials(line, LIMIT).await.unwrap();
        assert_eq!((signer.access_key_id(), signer.secret_access_key()), ("1", "true"));
        let command = command("true");
        let removed: Vec<_> =
            command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed.len(), KEPT_BACK.len());
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended() {
        let failure = credentials("sleep 600", Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(failure.message, "credential_process did not end within 50ms, and was killed");
    }

    #[tokio::test]
    async fn one_that_floods_is_killed_with_all_that_it_started() {
        let room = tempfile::tempdir().unwrap();
        let fifo = room.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let line = format!("exec 3>{}; (sleep 60; echo late >&3) & yes", fifo.display());
        // Ends when the last writer does; had the sleeper lived, it would say so.
        let heard = tokio::task::spawn_blocking(move || std::fs::read_to_string(fifo).unwrap());
        assert_eq!(
            refused(&line).await,
            "credential_process printed more than 64 KiB, and was killed"
        );
        assert_eq!(heard.await.unwrap(), "");
    }

    #[tokio::test]
    async fn its_complaint_is_told_and_its_output_is_not() {
        let message = refused("echo secret; echo first >&2; echo log in first >&2; exit 3").await;
        assert_eq!(message, "credential_process ended with exit status: 3: log in first");
        let message = refused("echo secret garbage").await;
        assert_eq!(message, "credential_process printed something that is no JSON object");
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_called_so() {
        let message = refused("/nonexistent/tool --json").await;
        assert!(message.starts_with("credential_process cannot be started: No such file"));
    }

    #[test]
    fn an_incomplete_answer_is_no_answer() {
        let parsed =
            |text: &str| parse(text.as_bytes()).map(drop).map_err(|failure| failure.message);
        let said = |what: &str| Err(format!("credential_process printed {what}"));
        assert_eq!(
            parse(b"[1]").unwrap_err().message,
            "credential_process printed something that is no JSON object"
        );
        assert_eq!(parsed(r#"{"Version": 2}"#), said("a Version other than 1"));
        assert_eq!(parsed(r#"{"Version": 1, "AccessKeyId": ""}"#), said("no AccessKeyId"));
        assert_eq!(parsed(r#"{"Version": 1, "AccessKeyId": "A"}"#), said("no SecretAccessKey"));
        let soon =
            r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "k", "Expiration": "soon"}"#;
        assert_eq!(parsed(soon), said("an Expiration that is no time"));
    }

    #[test]
    fn a_plain_line_needs_no_shell() {
        assert_eq!(plain_words("/bin/x --a b=c"), Some(("/bin/x", vec!["--a", "b=c"])));
        for line in ["x 'a b'", "x | y", "x $HOME", "A=b x", "~/bin/x", ""] {
            assert_eq!(plain_words(line), None, "{line}");
        }
    }
}
