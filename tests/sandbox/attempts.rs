//! What code that an attacker runs in the daemon would try next, each with the error that it gets.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::parent_id;
use std::path::Path;

use assumed::sys::sandbox::{Extent, Trouble, allow_calls, confine_writes};
use libc::{c_int, c_long};

/// A system call with these arguments, and what it returns.
macro_rules! call {
    ($number:ident $(, $argument:expr)* $(,)?) => {
        // SAFETY: the call is denied, or fails for its arguments; it writes to nothing of ours.
        result(unsafe { libc::syscall(libc::$number $(, $argument)*) })
    };
}

fn result(returned: c_long) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An attempt, what it is for, and the error that it has to end with.
type Attempt = (&'static str, c_int, io::Result<()>);

/// Closes the daemon's sandbox around this process, and tries to get out.
pub(crate) fn all(place: &Path) {
    let inside = place.join("inside");
    fs::create_dir(&inside).unwrap();
    let outside = place.join("outside");
    fs::write(&outside, "before").unwrap();
    let extent = match confine_writes(std::slice::from_ref(&inside)) {
        Err(Trouble::NoKernel) => return eprintln!("SKIPPED: this kernel has no Landlock"),
        confined => confined.unwrap(),
    };
    let _misses = allow_calls().unwrap();

    let mut attempts = other_processes();
    attempts.extend(namespaces());
    attempts.extend(kernel());
    attempts.extend(programs());
    attempts.extend(files(&outside));
    if extent == Extent::Full {
        // Before Linux 6.12, Landlock does not look at signals.
        let other = parent_id();
        attempts.push(("signal another's thread", libc::EPERM, call!(SYS_tgkill, other, other, 0)));
    }
    for (attempt, expected, outcome) in &attempts {
        let got = outcome.as_ref().map_err(io::Error::raw_os_error);
        assert_eq!(got, Err(Some(*expected)), "{attempt}");
    }
    fs::write(inside.join("file"), "x").unwrap();
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "before");
    eprintln!("{} attempts in vain", attempts.len());
}

/// The test that started this process stands for the user's other programs. (What only needs
/// to be read of one is no test: root with `CAP_PERFMON` may, since Linux 6.13.)
fn other_processes() -> Vec<Attempt> {
    let other = parent_id();
    let open = |name: &str| File::open(format!("/proc/{other}/{name}")).map(drop);
    vec![
        (
            "attach to another process",
            libc::EPERM,
            call!(SYS_ptrace, libc::PTRACE_ATTACH, other, 0, 0),
        ),
        ("read its memory", libc::EPERM, call!(SYS_process_vm_readv, other, 0, 0, 0, 0, 0)),
        ("write its memory", libc::EPERM, call!(SYS_process_vm_writev, other, 0, 0, 0, 0, 0)),
        ("open its memory", libc::EACCES, open("mem")),
        ("enter its root", libc::EACCES, open("root/etc")),
        ("take its descriptors", libc::EPERM, call!(SYS_pidfd_getfd, 0, 0, 0)),
        ("compare with it", libc::EPERM, call!(SYS_kcmp, other, other, 0, 0, 0)),
        ("signal it", libc::EPERM, call!(SYS_kill, other, 0)),
    ]
}

fn namespaces() -> Vec<Attempt> {
    let root = CString::new("/").unwrap();
    let fork = libc::SIGCHLD;
    vec![
        ("leave for a user namespace", libc::EPERM, call!(SYS_unshare, libc::CLONE_NEWUSER)),
        ("enter a namespace", libc::EPERM, call!(SYS_setns, 0, 0)),
        (
            "fork into a user namespace",
            libc::EPERM,
            call!(SYS_clone, libc::CLONE_NEWUSER | fork, 0, 0, 0, 0),
        ),
        ("the same by clone3", libc::ENOSYS, call!(SYS_clone3, 0, 0)),
        ("change the root", libc::EPERM, call!(SYS_chroot, root.as_ptr())),
        ("mount", libc::EPERM, call!(SYS_mount, 0, 0, 0, 0, 0)),
    ]
}

fn kernel() -> Vec<Attempt> {
    vec![
        ("begin a ring", libc::EPERM, call!(SYS_io_uring_setup, 1, 0)),
        ("use a ring", libc::EPERM, call!(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0)),
        ("register with a ring", libc::EPERM, call!(SYS_io_uring_register, 0, 0, 0, 0)),
        ("load a program into the kernel", libc::EPERM, call!(SYS_bpf, 0, 0, 0)),
        ("sample it", libc::EPERM, call!(SYS_perf_event_open, 0, 0, -1, -1, 0)),
        ("read its keyring", libc::EPERM, call!(SYS_keyctl, 0, 0, 0, 0, 0)),
        ("hold up its page faults", libc::EPERM, call!(SYS_userfaultfd, 0)),
        ("send packets", libc::EPERM, call!(SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ]
}

fn programs() -> Vec<Attempt> {
    let program = CString::new("/bin/true").unwrap();
    vec![
        ("run a program", libc::EPERM, call!(SYS_execve, program.as_ptr(), 0, 0)),
        ("start a process", libc::EPERM, call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
        (
            "let others trace this process",
            libc::EPERM,
            call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
        ),
        ("type into the terminal", libc::EPERM, call!(SYS_ioctl, 0, 0x5412, 0)),
        ("the same with more bits", libc::EPERM, call!(SYS_ioctl, 0, 0x1_0000_5412_u64, 0)),
    ]
}

fn files(outside: &Path) -> Vec<Attempt> {
    let write = |path: &Path| fs::write(path, "after");
    vec![
        ("write outside", libc::EACCES, write(outside)),
        ("make a file outside", libc::EACCES, write(&outside.with_extension("new"))),
        ("remove a file outside", libc::EACCES, fs::remove_file(outside)),
    ]
}
