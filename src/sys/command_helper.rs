//! A process that starts the user's programs, so that the daemon need not be able to.
//!
//! It is forked before the daemon has threads and before its sandbox closes, has one
//! thread and one descriptor, and ends with the daemon. Descriptors of pipes go to it,
//! and replies come back; what a program prints never passes through it.

mod server;
mod session;

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::io::AsyncReadExt;

use super::{descriptors, hardening, memory, threads};
use crate::command::{CommandChannel, StartCommand};

/// The most descriptors that go with one request: its connection and three pipes.
const DESCRIPTORS: usize = 4;
/// How `ps` shows it; the kernel keeps 15 bytes.
#[cfg(target_os = "linux")]
const NAME: &std::ffi::CStr = c"assumed-command";

/// The daemon's end of it.
#[derive(Debug)]
pub struct CommandHelper {
    control: UnixStream,
    /// Absent if it is a thread of this process.
    process: Option<Pid>,
}

impl CommandHelper {
    /// Forks it. `confine` runs in the new process, and what it returns is returned here.
    ///
    /// # Errors
    /// If this process has a second thread, or the system has no process left.
    #[allow(unsafe_code)]
    pub fn fork(confine: impl FnOnce() -> String) -> io::Result<(Self, String)> {
        if !threads::is_single() {
            return Err(io::Error::other("the command helper has to come before any thread"));
        }
        let (mut control, other) = UnixStream::pair()?;
        // SAFETY: there is one thread, so no lock is held by a thread that the child lacks.
        let process = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                drop(control);
                // What unwinds from here would go on as a second daemon.
                let ended = catch_unwind(AssertUnwindSafe(|| become_helper(other, confine)));
                let code = i32::from(!matches!(ended, Ok(Ok(()))));
                // SAFETY: the exit handlers and buffers are the daemon's, and must not run here.
                unsafe { libc::_exit(code) }
            }
            process => Pid::from_raw(process),
        };
        drop(other);
        let mut confinement = String::new();
        let mut length = [0];
        control.read_exact(&mut length)?;
        (&control).take(length[0].into()).read_to_string(&mut confinement)?;
        control.set_nonblocking(true)?;
        Ok((Self { control, process }, confinement))
    }

    /// A thread that does the same, in a process that has others already: in a test.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub fn in_thread() -> io::Result<Self> {
        let (control, other) = UnixStream::pair()?;
        std::thread::spawn(|| server::serve(other));
        control.set_nonblocking(true)?;
        Ok(Self { control, process: None })
    }

    /// Waits for its end, which comes before the daemon's only if something is wrong with it.
    ///
    /// # Errors
    /// If the runtime cannot watch a socket.
    pub fn end(&self) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let mut control = tokio::net::UnixStream::from_std(self.control.try_clone()?)?;
        let process = self.process;
        Ok(async move {
            // It says nothing more: whatever comes is its end.
            let _ = control.read_u8().await;
            if let Some(process) = process {
                // It may be a moment behind its socket; init takes what is left of it then.
                let _ = waitpid(Some(process), WaitOptions::NOHANG);
            }
        })
    }

    fn send(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        // Descriptors need a byte to go with.
        let sent =
            sendmsg(&self.control, &[IoSlice::new(b"+")], &mut ancillary, SendFlags::empty());
        sent.map(drop).map_err(io::Error::from)
    }
}

impl StartCommand for CommandHelper {
    fn open(&self, has_input: bool) -> io::Result<CommandChannel> {
        let (session, other) = UnixStream::pair()?;
        let (stdout, printing) = io::pipe()?;
        let (stderr, complaining) = io::pipe()?;
        let input = has_input.then(io::pipe).transpose()?;
        let (reading, stdin) = input.unzip();
        let mut descriptors = vec![other.as_fd(), printing.as_fd(), complaining.as_fd()];
        descriptors.extend(reading.as_ref().map(AsFd::as_fd));
        self.send(&descriptors)?;
        let stdin = stdin.map(OwnedFd::from);
        Ok(CommandChannel { session, stdin, stdout: stdout.into(), stderr: stderr.into() })
    }
}

/// The life of the new process, until the daemon closes its end.
#[allow(unsafe_code)]
fn become_helper(mut control: UnixStream, confine: impl FnOnce() -> String) -> io::Result<()> {
    // SAFETY: this process runs nothing but the lines below, and ends without destructors.
    unsafe { descriptors::close_all_but(control.as_fd()) };
    descriptors::detach_standard()?;
    hardening::harden()?;
    server::ignore_signals()?;
    #[cfg(target_os = "linux")]
    rustix::thread::set_name(NAME)?;
    let confinement = confine();
    let length = u8::try_from(confinement.len()).map_err(io::Error::other)?;
    control.write_all(&[length])?;
    control.write_all(confinement.as_bytes())?;
    // It has pages of the daemon's that it will not touch again.
    memory::shed_heap();
    memory::shed_code();
    server::serve(control);
    Ok(())
}
