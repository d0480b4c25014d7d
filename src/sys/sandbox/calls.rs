//! The system calls that are denied, with EPERM, to every thread and every child.
//!
//! A deny list: commands are other people's programs, and what they need is not
//! known. Each call here is one for which a source of credentials has no use.

use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads,
};

use super::Trouble;

const DENIED: &[c_long] = &[
    // Other processes: their memory, their descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    // The kernel: its code, and the parts of it that most exploits go through.
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The file system behind the back of its permissions.
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    // The machine.
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
];

#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: c_long = libc::SYS_kexec_file_load;
// libc lacks the name where it is built for musl.
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: c_long = 294;

/// Those that only this architecture has.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[c_long] = &[libc::SYS_iopl, libc::SYS_ioperm];
#[cfg(target_arch = "aarch64")]
const DENIED_HERE: &[c_long] = &[];

/// Where a kernel has x32, the same calls have a second number with this bit.
#[cfg(target_arch = "x86_64")]
const X32: c_long = 0x4000_0000;
/// `ptrace`, `kexec_load`, `process_vm_readv` and `process_vm_writev` are others there (`syscall_64.tbl`).
#[cfg(target_arch = "x86_64")]
const X32_ALONE: [c_long; 4] = [521, 528, 539, 540];

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: TargetArch = TargetArch::aarch64;

pub(super) fn deny() -> Result<(), Trouble> {
    let program = program().map_err(io::Error::other)?;
    apply_filter_all_threads(&program).map_err(|error| match error {
        Error::Seccomp(cause) if is_none(&cause) => Trouble::NoKernel,
        Error::Prctl(cause) | Error::Seccomp(cause) => cause.into(),
        other => io::Error::other(other).into(),
    })
}

/// A kernel without filters, an emulated one, or a sandbox around us that keeps them for itself.
fn is_none(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EPERM))
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let denied = numbers().map(|number| (number, Vec::new())).collect();
    let answer = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    // A program of another architecture has other numbers, and is killed.
    SeccompFilter::new(denied, SeccompAction::Allow, answer, ARCH)?.try_into()
}

fn numbers() -> impl Iterator<Item = c_long> {
    let all = DENIED.iter().chain(DENIED_HERE).copied();
    #[cfg(target_arch = "x86_64")]
    let all = all.flat_map(|number| [number, number | X32]).chain(X32_ALONE.map(|n| n | X32));
    all
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::io::Errno;
    use rustix::time::{ClockId, Timespec, clock_settime};

    use super::*;

    #[test]
    fn what_is_denied_ends_with_eperm_and_all_else_goes_on() {
        // No time at all, so that no clock is ever set.
        let set = || clock_settime(ClockId::Realtime, Timespec { tv_sec: 0, tv_nsec: -1 });
        // A thread's own filter stays with that thread and its children.
        let filtered = std::thread::spawn(move || {
            assert_eq!(set(), Err(Errno::INVAL));
            seccompiler::apply_filter(&program().unwrap()).unwrap();
            assert_eq!(set(), Err(Errno::PERM));
            let child = Command::new("cat").arg("/proc/self/status").output().unwrap();
            let status = String::from_utf8(child.stdout).unwrap();
            assert!(child.status.success() && status.contains("Seccomp:\t2"), "{status}");
        });
        filtered.join().unwrap();
        assert_eq!(set(), Err(Errno::INVAL));
    }

    #[test]
    fn no_call_is_denied_that_a_program_starts_with() {
        let needed = [
            libc::SYS_execve,
            libc::SYS_clone,
            libc::SYS_mmap,
            libc::SYS_prctl,
            libc::SYS_prlimit64,
            libc::SYS_rseq,
            libc::SYS_pidfd_open,
            libc::SYS_personality,
            libc::SYS_clock_gettime,
            libc::SYS_memfd_create,
        ];
        assert!(numbers().all(|number| !needed.contains(&number)));
    }
}
