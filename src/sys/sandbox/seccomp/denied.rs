//! The system calls that programs of the user are denied, with EPERM.
//!
//! A deny list: they are other people's programs, and what they need is not known. Each
//! call here is one for which a source of credentials has no use.

use super::Call;

pub(super) const DENIED: &[Call] = &calls![
    // Other processes: their memory, their descriptors, where their pages are.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_move_pages,
    SYS_migrate_pages,
    // Namespaces and other roots, in which a user has rights that it does not have outside.
    SYS_unshare,
    SYS_setns,
    SYS_chroot,
    SYS_pivot_root,
    // System calls that this filter would not see.
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // The kernel: its code, and the parts of it that most exploits go through.
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_syslog,
    // The file system behind the back of its permissions.
    SYS_open_by_handle_at,
    SYS_mount,
    SYS_umount2,
    SYS_mount_setattr,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_fanotify_init,
    SYS_quotactl,
    SYS_quotactl_fd,
    // The machine.
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_acct,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    #[cfg(target_arch = "x86_64")]
    SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    SYS_ioperm,
];

/// Those that libc lacks a name for on some system.
pub(super) const DENIED_BY_NUMBER: &[Call] = &[
    #[cfg(target_arch = "x86_64")]
    ("kexec_file_load", 320),
    #[cfg(target_arch = "aarch64")]
    ("kexec_file_load", 294),
    ("open_tree_attr", 467),
];

/// Answered with ENOSYS: its flags are in memory, where a filter cannot look. libc then uses
/// `clone`, whose flags are numbers.
pub(super) const UNKNOWN: &[Call] = &calls![SYS_clone3];

/// What makes `clone` begin a namespace (clone(2)); a time namespace needs `unshare` or `clone3`.
pub(super) const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Requests of `ioctl` that type into a terminal (`TIOCSTI`, `TIOCLINUX`), and so into the
/// shell that reads there.
pub(super) const TYPING: &[i32] = &[0x5412, 0x541c];
