//! Calls that the daemon's allow list has no place for: told by SIGSYS, answered with EPERM.
//!
//! `SECCOMP_RET_ERRNO` would answer as well, but tell the audit log of the host alone, and
//! each time. The handler notes the number and wakes whoever logs it.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use libc::{c_int, c_long, c_void, siginfo_t, ucontext_t};
use rustix::event::{EventfdFlags, eventfd};
use tokio::io::unix::AsyncFd;

/// `SYS_SECCOMP` of sigaction(2): the signal comes from a filter, and not from kill(2).
const FROM_FILTER: c_int = 1;
/// Numbers of calls end below 512 for a long time yet.
const WORDS: usize = 8;
const BITS: usize = 64;

/// One bit for each number that was tried.
static TRIED: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
/// The descriptor that wakes the reader; -1 without one.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Tells what was tried and denied, each call once.
#[derive(Debug)]
pub struct Misses(Bell);

/// The descriptor that the handler writes to.
#[derive(Debug)]
struct Bell(OwnedFd);

/// Catches SIGSYS from here on.
pub(super) fn catch() -> io::Result<Misses> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = note;
    // SAFETY: all zero is a valid `sigaction`, with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    BELL.store(bell.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and is async-signal-safe.
    if unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Misses(Bell(bell)))
}

/// Notes the call and has it return EPERM. Must do nothing that is not async-signal-safe.
extern "C" fn note(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid pointer under SA_SIGINFO.
    if unsafe { (*info).si_code } != FROM_FILTER {
        return;
    }
    // SAFETY: the kernel passes the context that the thread goes on with, and nobody else has it.
    let number = unsafe { deny(&mut *context.cast::<ucontext_t>()) };
    // A number beyond the last bit is noted as the last bit.
    let number = usize::try_from(number).unwrap_or(usize::MAX).min(WORDS * BITS - 1);
    let bit = 1 << (number % BITS);
    let before = TRIED.get(number / BITS).map(|word| word.fetch_or(bit, Ordering::Relaxed));
    let bell = BELL.load(Ordering::Relaxed);
    if before.is_some_and(|before| before & bit == 0) && bell >= 0 {
        // SAFETY: it is never closed while it is in `BELL`.
        let bell = unsafe { BorrowedFd::borrow_raw(bell) };
        // Without libc, so that its `errno` stays as it is.
        let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
    }
}

/// Has the call return EPERM; gives its number.
#[cfg(target_arch = "x86_64")]
fn deny(context: &mut ucontext_t) -> c_long {
    // The kernel puts the number back there; what the thread finds there is the return value.
    let result = usize::try_from(libc::REG_RAX).ok();
    let result = result.and_then(|register| context.uc_mcontext.gregs.get_mut(register));
    result.map_or(-1, |result| std::mem::replace(result, (-libc::EPERM).into()))
}

/// Has the call return EPERM; gives its number.
#[cfg(target_arch = "aarch64")]
fn deny(context: &mut ucontext_t) -> c_long {
    let registers = &mut context.uc_mcontext.regs;
    registers[0] = i64::from(-libc::EPERM).cast_unsigned();
    c_long::try_from(registers[8]).unwrap_or(-1)
}

impl Misses {
    /// Gives the number of each call to `tell`, when it is tried for the first time.
    ///
    /// # Errors
    /// If the runtime cannot watch a descriptor.
    pub async fn tell(self, mut tell: impl FnMut(usize)) -> io::Result<()> {
        // SAFETY: the descriptor is the same and stays open for as long as the `AsyncFd` owns it.
        let bell = unsafe { AsyncFd::register(self.0) }?;
        let mut told = [0; WORDS];
        loop {
            let mut ready = bell.readable().await?;
            if rustix::io::read(bell.get_ref(), &mut [0; 8]).is_err() {
                ready.clear_ready();
            }
            new(&mut told).into_iter().for_each(&mut tell);
        }
    }
}

/// The numbers that are in `TRIED` and were not in `told`, where they are from then on.
fn new(told: &mut [u64; WORDS]) -> Vec<usize> {
    let mut found = Vec::new();
    for (place, (tried, told)) in TRIED.iter().zip(told).enumerate() {
        let now = tried.load(Ordering::Relaxed);
        let new = now & !std::mem::replace(told, now);
        found.extend((0..BITS).filter(|bit| new >> bit & 1 == 1).map(|bit| place * BITS + bit));
    }
    found
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        BELL.store(-1, Ordering::Relaxed);
    }
}
