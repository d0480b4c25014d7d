//! Filters of system calls: a deny list for the user's programs, an allow list for the daemon.

/// Each call by its name in libc, and its number.
macro_rules! calls {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        [$($(#[$attribute])* (stringify!($name), libc::$name)),*]
    };
}

mod allowed;
mod denied;
mod misses;

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use self::allowed::{ALLOWED, ALLOWED_HERE, FAMILIES, PRCTL};
use self::denied::{DENIED, DENIED_BY_NUMBER, NAMESPACES, TYPING, UNKNOWN};
pub use self::misses::Misses;
use super::Trouble;

/// The name of a system call, and its number.
pub(super) type Call = (&'static str, c_long);

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: TargetArch = TargetArch::aarch64;

/// Where a kernel has x32, the same calls have a second number with this bit.
#[cfg(target_arch = "x86_64")]
const X32: c_long = 0x4000_0000;
/// `ptrace`, `kexec_load`, `process_vm_readv` and `process_vm_writev` are others there (`syscall_64.tbl`).
#[cfg(target_arch = "x86_64")]
const X32_ALONE: [c_long; 4] = [521, 528, 539, 540];
/// `ioctl`, which is another there, too.
#[cfg(target_arch = "x86_64")]
const X32_IOCTL: c_long = 514;

/// Calls whose arguments decide, and others that a program is likely to try.
const NAMED: &[Call] = &calls![
    SYS_clone,
    SYS_ioctl,
    SYS_socket,
    SYS_prctl,
    SYS_prlimit64,
    SYS_execve,
    SYS_execveat,
    SYS_kill,
    SYS_pidfd_send_signal,
    SYS_setsid,
    SYS_setpgid,
    SYS_setuid,
    SYS_setgid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_mknodat,
    SYS_personality,
    SYS_seccomp,
    SYS_landlock_create_ruleset,
    SYS_landlock_restrict_self,
    SYS_shmget,
    SYS_pkey_mprotect,
];

/// Conditions on the arguments of a call; any of them, and without one the call itself, suffices.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// The deny list, for every thread and every child.
pub(super) fn deny() -> Result<(), Trouble> {
    for program in denying().map_err(io::Error::other)? {
        apply(&program)?;
    }
    Ok(())
}

/// The allow list, for every thread and every child; what else they try is told.
pub(super) fn allow() -> Result<Misses, Trouble> {
    let misses = misses::catch()?;
    for program in allowing().map_err(io::Error::other)? {
        apply(&program)?;
    }
    Ok(misses)
}

/// The name of a call with this number, as far as these tables know it.
pub(super) fn name(number: usize) -> Option<&'static str> {
    let tables = [DENIED, DENIED_BY_NUMBER, UNKNOWN, NAMED, ALLOWED, ALLOWED_HERE];
    let mut calls = tables.into_iter().flatten();
    let (name, _) = calls.find(|(_, known)| usize::try_from(*known) == Ok(number))?;
    Some(name.strip_prefix("SYS_").unwrap_or(name))
}

fn apply(program: &BpfProgram) -> Result<(), Trouble> {
    apply_filter_all_threads(program).map_err(|error| match error {
        Error::Seccomp(cause) if is_none(&cause) => Trouble::NoKernel,
        Error::Prctl(cause) | Error::Seccomp(cause) => cause.into(),
        other => io::Error::other(other).into(),
    })
}

/// A kernel without filters, an emulated one, or a sandbox around us that keeps them for itself.
fn is_none(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EPERM))
}

fn denying() -> Result<[BpfProgram; 2], BackendError> {
    let mut rules: Rules = numbers(&[DENIED, DENIED_BY_NUMBER]).map(anyhow).collect();
    let namespaces = any(NAMESPACES.iter().map(|flag| masked(0, *flag, *flag)))?;
    let typing = any(TYPING.iter().map(|request| equal(1, *request)))?;
    rules.insert(libc::SYS_clone, namespaces.clone());
    rules.insert(libc::SYS_ioctl, typing.clone());
    #[cfg(target_arch = "x86_64")]
    {
        rules.extend(X32_ALONE.map(|number| anyhow(number | X32)));
        rules.insert(libc::SYS_clone | X32, namespaces);
        rules.insert(X32_IOCTL | X32, typing);
    }
    // A program of another architecture has other numbers, and is killed.
    let denied = SeccompFilter::new(rules, SeccompAction::Allow, errno(libc::EPERM), ARCH)?;
    Ok([unknown()?, denied.try_into()?])
}

/// In this order: once the second is in force, no more can follow.
fn allowing() -> Result<[BpfProgram; 2], BackendError> {
    let allowed = ALLOWED.iter().chain(ALLOWED_HERE);
    let mut rules: Rules = allowed.map(|(_, number)| anyhow(*number)).collect();
    // Threads, and no processes.
    rules.insert(libc::SYS_clone, vec![begins_thread()?]);
    rules.insert(libc::SYS_ioctl, vec![types_nothing()?]);
    rules.insert(libc::SYS_socket, any(FAMILIES.iter().map(|family| equal(0, *family)))?);
    rules.insert(libc::SYS_prctl, any(PRCTL.iter().map(|request| equal(0, *request)))?);
    // Limits of this process, and none changed.
    rules.insert(libc::SYS_prlimit64, vec![asks_own_limit()?]);
    let allowed = SeccompFilter::new(rules, SeccompAction::Trap, SeccompAction::Allow, ARCH)?;
    Ok([unknown()?, allowed.try_into()?])
}

/// Calls that are answered as by a kernel that does not have them.
fn unknown() -> Result<BpfProgram, BackendError> {
    let rules = numbers(&[UNKNOWN]).map(anyhow).collect();
    SeccompFilter::new(rules, SeccompAction::Allow, errno(libc::ENOSYS), ARCH)?.try_into()
}

const fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

/// Each number, and where there is a second one, that too.
fn numbers(tables: &[&'static [Call]]) -> impl Iterator<Item = c_long> {
    let all = tables.iter().flat_map(|table| table.iter().map(|(_, number)| *number));
    let all: Vec<_> = all.collect();
    #[cfg(target_arch = "x86_64")]
    let all = all.into_iter().flat_map(|number| [number, number | X32]);
    #[cfg(target_arch = "aarch64")]
    let all = all.into_iter();
    all
}

/// The call with whatever arguments.
const fn anyhow(number: c_long) -> (c_long, Vec<SeccompRule>) {
    (number, Vec::new())
}

type Condition = Result<SeccompCondition, BackendError>;

/// One of these conditions.
fn any(conditions: impl Iterator<Item = Condition>) -> Result<Vec<SeccompRule>, BackendError> {
    conditions.map(|condition| SeccompRule::new(vec![condition?])).collect()
}

fn begins_thread() -> Result<SeccompRule, BackendError> {
    let mask = NAMESPACES.iter().fold(libc::CLONE_THREAD, |mask, flag| mask | flag);
    SeccompRule::new(vec![masked(0, mask, libc::CLONE_THREAD)?])
}

fn types_nothing() -> Result<SeccompRule, BackendError> {
    let other = |request: &i32| condition(1, SeccompCmpOp::Ne, *request);
    SeccompRule::new(TYPING.iter().map(other).collect::<Result<_, _>>()?)
}

fn asks_own_limit() -> Result<SeccompRule, BackendError> {
    let no_new_limit = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    SeccompRule::new(vec![equal(0, 0)?, no_new_limit])
}

fn equal(argument: u8, value: i32) -> Condition {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: i32, value: i32) -> Condition {
    condition(argument, SeccompCmpOp::MaskedEq(mask.cast_unsigned().into()), value)
}

/// Of the lower half of an argument: of such numbers, the kernel looks at no more.
fn condition(argument: u8, operator: SeccompCmpOp, value: i32) -> Condition {
    let value = value.cast_unsigned().into();
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
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
            for program in denying().unwrap() {
                seccompiler::apply_filter(&program).unwrap();
            }
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
        assert!(numbers(&[DENIED, DENIED_BY_NUMBER]).all(|number| !needed.contains(&number)));
    }

    #[test]
    fn nothing_is_both_allowed_and_denied() {
        let allowed: Vec<_> =
            ALLOWED.iter().chain(ALLOWED_HERE).map(|(_, number)| number).collect();
        for (name, number) in DENIED.iter().chain(DENIED_BY_NUMBER) {
            assert!(!allowed.contains(&number), "{name}");
        }
        assert_eq!(allowing().unwrap().len(), 2);
    }

    /// The error of a call whose arguments are all zero.
    #[allow(unsafe_code)]
    fn tried(number: c_long) -> io::Error {
        // SAFETY: the filter denies the call, so that the kernel does nothing.
        assert_eq!(unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) }, -1, "{number}");
        io::Error::last_os_error()
    }

    /// `uretprobe` and `uprobe`: kernels that have them let no filter see them, and end a process
    /// that calls them outside their trampoline by SIGILL.
    #[cfg(target_arch = "x86_64")]
    const UNFILTERED: [c_long; 2] = [335, 336];
    #[cfg(not(target_arch = "x86_64"))]
    const UNFILTERED: [c_long; 0] = [];

    #[test]
    fn every_call_that_is_not_allowed_ends_with_eperm_and_is_told_once() {
        let (sender, told) = std::sync::mpsc::channel();
        let misses = misses::catch().unwrap();
        let watching = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tell = misses.tell(|number| sender.send(number).unwrap());
            let limit = std::time::Duration::from_secs(1);
            runtime.unwrap().block_on(async { tokio::time::timeout(limit, tell).await })
        });
        let ours = || ALLOWED.iter().chain(ALLOWED_HERE).map(|(_, number)| *number);
        let by_argument = [libc::SYS_clone, libc::SYS_ioctl, libc::SYS_prctl, libc::SYS_prlimit64];
        let denied = (0..470).filter(|it| {
            !ours().any(|own| own == *it) && !by_argument.contains(it) && !UNFILTERED.contains(it)
        });
        let denied: Vec<c_long> = denied.collect();
        let tries = denied.clone();
        let confined = std::thread::spawn(move || {
            for program in allowing().unwrap() {
                seccompiler::apply_filter(&program).unwrap();
            }
            for _ in 0..2 {
                for number in &tries {
                    assert_eq!(tried(*number).raw_os_error(), Some(libc::EPERM), "{number}");
                }
            }
            assert_eq!(tried(libc::SYS_clone3).raw_os_error(), Some(libc::ENOSYS));
            assert_eq!(tried(libc::SYS_clone).raw_os_error(), Some(libc::EPERM), "a process");
        });
        confined.join().unwrap();
        // The limit is what ends it.
        assert!(watching.join().unwrap().is_err());
        let mut told: Vec<_> =
            told.try_iter().filter_map(|number| c_long::try_from(number).ok()).collect();
        told.sort_unstable();
        let mut expected = denied;
        expected.push(libc::SYS_clone);
        expected.sort_unstable();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_call_is_named() {
        let named = |number: c_long| name(usize::try_from(number).unwrap());
        assert_eq!(named(libc::SYS_ptrace), Some("ptrace"));
        assert_eq!(named(libc::SYS_execve), Some("execve"));
        assert_eq!(named(400_000), None);
    }
}
