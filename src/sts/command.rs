//! A program of the user's that prints a secret: credentials, a token, an
//! assertion, a code.
//!
//! It may hang, flood or fork, so it gets a time limit, a bounded ear, and a
//! group of its own that is killed whole. It never sees the variables that would
//! lead it back to us. What it prints on stdout is never repeated; the last line
//! of its stderr is.

use std::fmt::Display;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::request::CommandLine;
use super::wording::tidy;
use crate::environment::SERVICE_MANAGER;
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// More than any credentials take, and as much as the longest assertion may have.
const LONGEST_OUTPUT: usize = 128 * 1024;

/// Told to the command, so that our own client refuses to run inside itself.
const INSIDE: &str = "ASSUMED_INSIDE";

/// Variables that lead to a credentials endpoint.
const KEPT_BACK: [&str; 6] = [
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// A command, and the key under which the user set it.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) key: &'static str,
    pub(super) command: &'a CommandLine,
    pub(super) limit: Duration,
}

impl Program<'_> {
    /// Runs it to its end and gives what it printed.
    pub(super) async fn output(self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.converse(&[]).await
    }

    async fn converse(self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut command = command(self.command);
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child =
            command.spawn().map_err(|error| self.broken(format!("cannot be started: {error}")))?;
        let group = Group::of(&child);
        let heard = tokio::time::timeout(self.limit, self.listen(&mut child, input)).await;
        let Ok(heard) = heard else {
            drop(group);
            return Err(self
                .broken(format!("did not end within {:?}, and was killed", self.limit))
                .hint("does it wait for a login or a password? it gets no terminal"));
        };
        let heard = heard?;
        group.dismiss();
        self.judge(heard)
    }

    /// What is wrong with it, or with what it printed.
    pub(super) fn broken(self, what: impl Display) -> Failure {
        Failure::new(Kind::NoBase, format!("{} {what}", self.key))
    }

    async fn listen(self, child: &mut Child, input: &[u8]) -> Result<Heard, Failure> {
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.broken("has no output"));
        };
        let last_line = async { Ok(read_last_line(stderr).await) };
        let stdin = child.stdin.take();
        let tell = async {
            if let Some(mut stdin) = stdin {
                // Whoever does not read it does not want it.
                let _ = stdin.write_all(input).await;
            }
            Ok(())
        };
        let (stdout, complaint, ()) = tokio::try_join!(self.read_all(stdout), last_line, tell)?;
        let status = child.wait().await;
        Ok(Heard {
            status: status
                .map_err(|error| self.broken(format!("cannot be waited for: {error}")))?,
            stdout,
            complaint,
        })
    }

    async fn read_all(self, pipe: impl AsyncRead + Unpin) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT + 1));
        let ear = u64::try_from(LONGEST_OUTPUT + 1).unwrap_or(u64::MAX);
        pipe.take(ear)
            .read_to_end(&mut text)
            .await
            .map_err(|error| self.broken(format!("cannot be read: {error}")))?;
        if text.len() > LONGEST_OUTPUT {
            return Err(self.broken("printed more than 128 KiB, and was killed"));
        }
        Ok(text)
    }

    fn judge(self, heard: Heard) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if heard.status.success() {
            return Ok(heard.stdout);
        }
        let complaint = match heard.complaint.as_str() {
            "" => String::new(),
            text => format!(": {text}"),
        };
        Err(self.broken(format!("ended with {}{complaint}", heard.status)))
    }
}

/// Runs a command that is told something and prints nothing of interest.
///
/// # Errors
/// Where it cannot be started, takes longer than `limit`, or fails.
pub async fn tell(
    key: &'static str,
    command: &CommandLine,
    input: &[u8],
    limit: Duration,
) -> Result<(), Failure> {
    Program { key, command, limit }.converse(input).await.map(drop)
}

fn command(line: &CommandLine) -> Command {
    let mut command = match line {
        CommandLine::Words(words) => {
            let mut words = words.iter().map(Secret::expose);
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words);
            command
        }
        CommandLine::Line(line) => of_line(line.expose()),
    };
    for name in KEPT_BACK.iter().chain(&SERVICE_MANAGER) {
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

fn of_line(line: &str) -> Command {
    if let Some((program, arguments)) = plain_words(line) {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &CommandLine, limit: Duration) -> Result<String, Failure> {
        let program = Program { key: "mfa_command", command, limit };
        program.output().await.map(|text| String::from_utf8(text.to_vec()).unwrap())
    }

    async fn line(line: &str) -> Result<String, Failure> {
        run(&CommandLine::Line(Secret::new(line)), Duration::from_mins(1)).await
    }

    async fn refused(text: &str) -> String {
        let failure = line(text).await.unwrap_err();
        assert_eq!(failure.kind, Kind::NoBase);
        failure.message
    }

    #[tokio::test]
    async fn words_go_to_the_program_as_they_are() {
        let words = ["printf", "%s|", "a b", "", "$HOME"].map(Secret::new);
        let command = CommandLine::Words(words.into());
        assert_eq!(run(&command, Duration::from_mins(1)).await.unwrap(), "a b||$HOME|");
    }

    #[tokio::test]
    async fn it_cannot_find_its_way_back_to_us() {
        let told = line(r#"printf '%s %s' "$ASSUMED_INSIDE" "$AWS_EC2_METADATA_DISABLED""#).await;
        assert_eq!(told.unwrap(), "1 true");
        let command = command(&CommandLine::Line(Secret::new("true")));
        let removed: Vec<_> =
            command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed.len(), KEPT_BACK.len() + SERVICE_MANAGER.len());
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended() {
        let command = CommandLine::Line(Secret::new("sleep 600"));
        let failure = run(&command, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(failure.message, "mfa_command did not end within 50ms, and was killed");
    }

    #[tokio::test]
    async fn one_that_floods_is_killed_with_all_that_it_started() {
        let room = tempfile::tempdir().unwrap();
        let fifo = room.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let text = format!("exec 3>{}; (sleep 60; echo late >&3) & yes", fifo.display());
        // Ends when the last writer does; had the sleeper lived, it would say so.
        let heard = tokio::task::spawn_blocking(move || std::fs::read_to_string(fifo).unwrap());
        assert_eq!(refused(&text).await, "mfa_command printed more than 128 KiB, and was killed");
        assert_eq!(heard.await.unwrap(), "");
    }

    #[tokio::test]
    async fn its_complaint_is_told_and_its_output_is_not() {
        let message = refused("echo secret; echo first >&2; echo log in first >&2; exit 3").await;
        assert_eq!(message, "mfa_command ended with exit status: 3: log in first");
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_called_so() {
        let message = refused("/nonexistent/tool --json").await;
        assert!(message.starts_with("mfa_command cannot be started: No such file"));
    }

    #[tokio::test]
    async fn one_that_is_told_something_reads_it_or_does_not() {
        let told = async |line: &str, limit| {
            let command = CommandLine::Line(Secret::new(line));
            // More than a pipe holds.
            let input = format!("{}\nlast\n", "x".repeat(100_000));
            tell("events.command", &command, input.as_bytes(), limit).await.map_err(|f| f.message)
        };
        let minute = Duration::from_mins(1);
        told("tail -n 1 | grep -q last", minute).await.unwrap();
        told("true", minute).await.unwrap();
        let complaint = told("exit 3;", minute).await.unwrap_err();
        assert_eq!(complaint, "events.command ended with exit status: 3");
        let complaint = told("sleep 600", Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(complaint, "events.command did not end within 50ms, and was killed");
    }

    #[test]
    fn a_plain_line_needs_no_shell() {
        assert_eq!(plain_words("/bin/x --a b=c"), Some(("/bin/x", vec!["--a", "b=c"])));
        for line in ["x 'a b'", "x | y", "x $HOME", "A=b x", "~/bin/x", ""] {
            assert_eq!(plain_words(line), None, "{line}");
        }
    }
}
