//! One program, from its request to its end.
//!
//! The daemon owns it by the session: when that closes, the program and all that it
//! started are killed, unless the daemon has said that it is done with it.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid,
};
use zeroize::Zeroizing;

use crate::command::{CommandReply, CommandRequest, DONE};
use crate::environment::is_aws_key;

/// One program, requested by the daemon.
pub(super) struct Session {
    stream: UnixStream,
    stage: Stage,
}

enum Stage {
    /// The request is not complete yet.
    Requested { bytes: Zeroizing<Vec<u8>>, pipes: Pipes },
    /// It was started; `told` when the daemon knows that it has ended.
    ///
    /// It is not waited for before the session is over: its process id is that of its
    /// group, and stays taken until then.
    Running { child: Child, told: bool },
    /// There is nothing more to do, but to wait for what was killed.
    Over(Option<Child>),
}

struct Pipes {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// What the daemon has said, as far as it was read.
enum Said {
    Nothing,
    Done,
    Closed,
}

impl Session {
    /// A session on these descriptors: its connection, then the program's output, errors and input.
    pub(super) fn new(descriptors: Vec<OwnedFd>) -> Option<Self> {
        for descriptor in &descriptors {
            fcntl_setfd(descriptor, FdFlags::CLOEXEC).ok()?;
        }
        let mut descriptors = descriptors.into_iter();
        let stream = UnixStream::from(descriptors.next()?);
        stream.set_nonblocking(true).ok()?;
        let (stdout, stderr) = (descriptors.next()?, descriptors.next()?);
        let pipes = Pipes { stdin: descriptors.next(), stdout, stderr };
        Some(Self { stream, stage: Stage::Requested { bytes: Zeroizing::default(), pipes } })
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// The program, if it has not been waited for.
    pub(super) fn into_child(mut self) -> Option<Child> {
        match &mut self.stage {
            Stage::Over(child) => child.take(),
            _ => None,
        }
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self) {
        let said = self.read();
        let stage = std::mem::replace(&mut self.stage, Stage::Over(None));
        self.stage = match (stage, said) {
            (Stage::Requested { .. }, Said::Closed) => Stage::Over(None),
            (Stage::Requested { bytes, pipes }, _) => self.request(bytes, pipes),
            (Stage::Running { child, .. }, Said::Done) => Stage::Over(Some(child)),
            (Stage::Running { child, .. }, Said::Closed) => {
                kill(&child);
                Stage::Over(Some(child))
            }
            (Stage::Running { child, told }, Said::Nothing) => {
                let told = told || self.tell_end(&child);
                Stage::Running { child, told }
            }
            (over @ Stage::Over(_), _) => over,
        };
    }

    /// Starts the program when its request is complete.
    fn request(&self, bytes: Zeroizing<Vec<u8>>, pipes: Pipes) -> Stage {
        match CommandRequest::length(&bytes) {
            Ok(Some(length)) if bytes.len() >= length => {}
            Ok(_) => return Stage::Requested { bytes, pipes },
            Err(_) => return Stage::Over(None),
        }
        let Ok(request) = CommandRequest::decode(&bytes) else { return Stage::Over(None) };
        match start(&request, pipes) {
            Ok(child) => {
                self.reply(CommandReply::Started);
                Stage::Running { child, told: false }
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                self.reply(CommandReply::NotStarted(errno));
                Stage::Over(None)
            }
        }
    }

    fn read(&mut self) -> Said {
        let mut said = Said::Nothing;
        let mut chunk = Zeroizing::new([0; 4096]);
        loop {
            match self.stream.read(&mut *chunk) {
                Ok(0) => return if matches!(said, Said::Done) { said } else { Said::Closed },
                Ok(count) => {
                    let read = chunk.get(..count).unwrap_or_default();
                    match &mut self.stage {
                        Stage::Requested { bytes, .. } => bytes.extend_from_slice(read),
                        _ if read.contains(&DONE) => said = Said::Done,
                        _ => {}
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return said,
                Err(_) => return Said::Closed,
            }
        }
    }

    /// True if it has ended, which the daemon knows then.
    fn tell_end(&self, child: &Child) -> bool {
        let Some(status) = ended(child) else { return false };
        self.reply(CommandReply::Ended(status));
        true
    }

    /// A few bytes into an empty buffer; a daemon that does not read them has closed its end.
    fn reply(&self, reply: CommandReply) {
        let _ = (&self.stream).write_all(&reply.encode());
    }
}

/// The daemon has ended: so does the program.
impl Drop for Session {
    fn drop(&mut self) {
        if let Stage::Running { child, .. } = &self.stage {
            kill(child);
        }
    }
}

fn start(request: &CommandRequest, pipes: Pipes) -> io::Result<Child> {
    let mut words = request.words.iter().map(crate::secret::Secret::expose);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).process_group(0);
    for (name, _) in std::env::vars_os() {
        // Only what is set below, if anything.
        if name.to_str().is_some_and(is_aws_key) {
            command.env_remove(name);
        }
    }
    for name in &request.unset {
        command.env_remove(name);
    }
    for (name, value) in &request.set {
        command.env(name, value.expose());
    }
    command.stdin(pipes.stdin.map_or_else(Stdio::null, Stdio::from));
    command.stdout(pipes.stdout).stderr(pipes.stderr);
    command.spawn()
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// The status of wait(2), without taking it: the process stays there, as a zombie.
fn ended(child: &Child) -> Option<i32> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid(child)?), options).ok()??;
    Some(wait_status(&status))
}

fn wait_status(status: &WaitIdStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) => signal,
        (None, None) => 0,
    }
}

/// Kills it with all that it started.
fn kill(child: &Child) {
    if let Some(leader) = pid(child) {
        // It may be gone already, and that is what we want.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}
