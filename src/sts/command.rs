//! A program of the user's that prints a secret: credentials, a token, an
//! assertion, a code.
//!
//! The command helper starts it. It may hang, flood or fork, so it gets a time
//! limit, a bounded output, and a process group that is killed whole. It never sees
//! the variables that would lead it back to us. What it prints on stdout is never
//! repeated; the last line of its stderr is.

use std::fmt::Display;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use zeroize::Zeroizing;

use super::request::CommandLine;
use super::wording::tidy;
use crate::command::{CommandChannel, CommandReply, CommandRequest, DONE, REPLY, StartCommand};
use crate::environment::{Environment, SERVICE_MANAGER};
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

/// Who starts the user's programs, and how long each may take.
#[derive(Debug, Clone, Copy)]
pub struct CommandRunner<'a> {
    /// Absent if no command was configured when the daemon started.
    pub starter: Option<&'a dyn StartCommand>,
    /// From the start to the end of its output.
    pub limit: Duration,
}

/// A command, and the key under which the user set it.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) key: &'static str,
    pub(super) command: &'a CommandLine,
    pub(super) runner: CommandRunner<'a>,
    /// Whose AWS keys it gets, if any.
    pub(super) keys_of: Option<&'a Environment>,
}

/// A program that was requested, and our ends of its pipes. Dropped, it is killed.
struct Running {
    session: UnixStream,
    stdin: Option<Sender>,
    stdout: Receiver,
    stderr: Receiver,
}

impl Running {
    /// The runtime watches it from here on.
    fn watched(channel: CommandChannel) -> io::Result<Self> {
        channel.session.set_nonblocking(true)?;
        Ok(Self {
            session: UnixStream::from_std(channel.session)?,
            stdin: channel.stdin.map(Sender::from_owned_fd).transpose()?,
            stdout: Receiver::from_owned_fd(channel.stdout)?,
            stderr: Receiver::from_owned_fd(channel.stderr)?,
        })
    }

    async fn request(&mut self, request: &[u8]) -> io::Result<CommandReply> {
        self.session.write_all(request).await.map_err(gone)?;
        reply(&mut self.session).await
    }
}

async fn reply(session: &mut UnixStream) -> io::Result<CommandReply> {
    let mut bytes = [0; REPLY];
    session.read_exact(&mut bytes).await.map_err(gone)?;
    CommandReply::decode(bytes).map_err(|_| confused())
}

fn gone(_: io::Error) -> io::Error {
    io::Error::other("the command helper has ended")
}

fn confused() -> io::Error {
    io::Error::other("the command helper gave an unknown reply")
}

impl Program<'_> {
    /// Runs it to its end and gives what it printed.
    pub(super) async fn output(self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.converse(&[]).await
    }

    async fn converse(self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let limit = self.runner.limit;
        // Dropped with its session, a program that is late is killed.
        let Ok(heard) = tokio::time::timeout(limit, self.run(input)).await else {
            return Err(self
                .broken(format!("did not end within {limit:?}, and was killed"))
                .hint("does it wait for a login or a password? it gets no terminal"));
        };
        self.judge(heard?)
    }

    /// What is wrong with it, or with what it printed.
    pub(super) fn broken(self, what: impl Display) -> Failure {
        Failure::new(Kind::NoBase, format!("{} {what}", self.key))
    }

    async fn run(self, input: &[u8]) -> Result<Heard, Failure> {
        let mut running = self.start(!input.is_empty()).await?;
        let heard = self.listen(&mut running, input).await?;
        // It has ended; what it left behind may go on. Without a helper there is nobody to tell.
        let _ = running.session.write_all(&[DONE]).await;
        Ok(heard)
    }

    async fn start(self, has_input: bool) -> Result<Running, Failure> {
        let failed = |error: io::Error| self.broken(format!("cannot be started: {error}"));
        let Some(starter) = self.runner.starter else {
            return Err(self
                .broken("cannot be started: no command was configured when the daemon started")
                .hint("restart the daemon"));
        };
        let running = starter.open(has_input).and_then(Running::watched);
        let mut running = running.map_err(|error| helper_lost(failed(error)))?;
        let reply = running.request(&self.request().encode()).await;
        match reply.map_err(|error| helper_lost(failed(error)))? {
            CommandReply::NotStarted(errno) => Err(failed(io::Error::from_raw_os_error(errno))),
            CommandReply::Started | CommandReply::Ended(_) => Ok(running),
        }
    }

    async fn listen(self, running: &mut Running, input: &[u8]) -> Result<Heard, Failure> {
        let Running { session, stdin, stdout, stderr } = running;
        let last_line = async { Ok(read_last_line(stderr).await) };
        let stdin = stdin.take();
        let tell = async {
            if let Some(mut stdin) = stdin {
                // Whoever does not read it does not want it.
                let _ = stdin.write_all(input).await;
            }
            Ok(())
        };
        let (stdout, complaint, ()) = tokio::try_join!(self.read_all(stdout), last_line, tell)?;
        let lost = |error: io::Error| helper_lost(self.broken(format!("is lost: {error}")));
        match reply(session).await.map_err(lost)? {
            CommandReply::Ended(status) => {
                Ok(Heard { status: ExitStatus::from_raw(status), stdout, complaint })
            }
            _ => Err(lost(confused())),
        }
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

    fn request(self) -> CommandRequest {
        let owned = |name: &str| name.to_owned();
        let keys = self.keys_of.into_iter().flat_map(Environment::secrets);
        let keys = keys.filter(|(name, _)| !KEPT_BACK.contains(name));
        let told = [(INSIDE, "1"), ("AWS_EC2_METADATA_DISABLED", "true")];
        let told = told.map(|(name, value)| (name, Secret::new(value)));
        CommandRequest {
            words: words(self.command),
            set: keys.chain(told).map(|(name, value)| (owned(name), value)).collect(),
            unset: KEPT_BACK.iter().chain(&SERVICE_MANAGER).map(|name| owned(name)).collect(),
        }
    }
}

/// Nothing of the user's is wrong.
fn helper_lost(failure: Failure) -> Failure {
    failure.hint("restart the daemon: it cannot start programs without its command helper")
}

/// Runs a command that is told something and prints nothing of interest.
///
/// # Errors
/// Where it cannot be started, takes longer than the runner's limit, or fails.
pub async fn tell(
    key: &'static str,
    command: &CommandLine,
    input: &[u8],
    runner: CommandRunner<'_>,
) -> Result<(), Failure> {
    Program { key, command, runner, keys_of: None }.converse(input).await.map(drop)
}

fn words(command: &CommandLine) -> Vec<Secret> {
    let line = match command {
        CommandLine::Words(words) => return words.clone(),
        CommandLine::Line(line) => line.expose(),
    };
    match plain_words(line) {
        Some(words) => words.into_iter().map(Secret::new).collect(),
        None => ["sh", "-c", line].map(Secret::new).into(),
    }
}

/// The words of a line that means the same with and without a shell; a minimal image has none.
fn plain_words(line: &str) -> Option<Vec<&str>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=,.:/@% \t".contains(c);
    if !line.chars().all(plain) {
        return None;
    }
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    words.first().filter(|word| !word.contains('='))?;
    Some(words)
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
    use crate::sys::command_helper::CommandHelper;

    async fn run(command: &CommandLine, limit: Duration) -> Result<String, Failure> {
        let helper = CommandHelper::in_thread().unwrap();
        let runner = CommandRunner { starter: Some(&helper), limit };
        let program = Program { key: "mfa_command", command, runner, keys_of: None };
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
    }

    #[test]
    fn only_a_program_that_is_to_have_keys_gets_them() {
        let environment = Environment::default()
            .with("AWS_SECRET_ACCESS_KEY", "hush")
            .with("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush")
            .with("AWS_REGION", "eu-central-1");
        let command = CommandLine::Line(Secret::new("true"));
        let set = |keys_of| {
            let runner = CommandRunner { starter: None, limit: Duration::ZERO };
            let request = Program { key: "x", command: &command, runner, keys_of }.request();
            assert_eq!(request.unset.len(), KEPT_BACK.len() + SERVICE_MANAGER.len());
            request.set.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(set(None), [INSIDE, "AWS_EC2_METADATA_DISABLED"]);
        let told = ["AWS_SECRET_ACCESS_KEY", INSIDE, "AWS_EC2_METADATA_DISABLED"];
        assert_eq!(set(Some(&environment)), told);
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
            let helper = CommandHelper::in_thread().unwrap();
            let runner = CommandRunner { starter: Some(&helper), limit };
            tell("events.command", &command, input.as_bytes(), runner).await.map_err(|f| f.message)
        };
        let minute = Duration::from_mins(1);
        told("tail -n 1 | grep -q last", minute).await.unwrap();
        told("true", minute).await.unwrap();
        let complaint = told("exit 3;", minute).await.unwrap_err();
        assert_eq!(complaint, "events.command ended with exit status: 3");
        let complaint = told("sleep 600", Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(complaint, "events.command did not end within 50ms, and was killed");
    }

    #[tokio::test]
    async fn a_helper_that_has_gone_is_called_so() {
        let command = CommandLine::Line(Secret::new("true"));
        let limit = Duration::from_mins(1);
        let gone = async |starter: Option<&dyn StartCommand>| {
            let runner = CommandRunner { starter, limit };
            let failure = tell("events.command", &command, &[], runner).await.unwrap_err();
            (failure.message, failure.hint.unwrap())
        };
        let (message, hint) = gone(None).await;
        assert!(
            message.ends_with("no command was configured when the daemon started"),
            "{message}"
        );
        assert_eq!(hint, "restart the daemon");
        let (message, hint) = gone(Some(&Gone)).await;
        assert_eq!(message, "events.command cannot be started: the command helper has ended");
        assert!(hint.starts_with("restart the daemon"), "{hint}");
    }

    /// A helper that takes requests and then ends.
    #[derive(Debug)]
    struct Gone;

    impl StartCommand for Gone {
        fn open(&self, _: bool) -> io::Result<CommandChannel> {
            let (session, _) = std::os::unix::net::UnixStream::pair()?;
            let [stdout, stderr] = [io::pipe()?.0, io::pipe()?.0].map(Into::into);
            Ok(CommandChannel { session, stdin: None, stdout, stderr })
        }
    }

    #[test]
    fn a_plain_line_needs_no_shell() {
        assert_eq!(plain_words("/bin/x --a b=c"), Some(vec!["/bin/x", "--a", "b=c"]));
        for line in ["x 'a b'", "x | y", "x $HOME", "A=b x", "~/bin/x", ""] {
            assert_eq!(plain_words(line), None, "{line}");
        }
    }
}
