//! Which process this is: its number, and when it was born, for numbers come again.

use std::fmt;
use std::str::FromStr;

/// One process of this boot; no other one is ever equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// Its number.
    pub pid: u32,
    /// Its birth, in the unit of the kernel; 0 where it does not tell.
    born: u64,
}

impl Birth {
    /// The process that has this number now; `None` where there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, born: born(pid)? })
    }

    /// True while this very process lives.
    #[must_use]
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

#[cfg(target_os = "linux")]
fn born(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold blanks and parentheses of its own.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // A process that has ended, but was not waited for, is none.
    let state = fields.next()?;
    let born = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(born)
}

#[cfg(target_os = "macos")]
#[allow(unsafe_code)]
fn born(pid: u32) -> Option<u64> {
    use libc::{PROC_PIDTBSDINFO, proc_bsdinfo, proc_pidinfo};
    let pid = i32::try_from(pid).ok()?;
    let size = i32::try_from(size_of::<proc_bsdinfo>()).ok()?;
    let mut facts = std::mem::MaybeUninit::<proc_bsdinfo>::uninit();
    // SAFETY: the kernel writes no more than this size, which the buffer has.
    let written =
        unsafe { proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, facts.as_mut_ptr().cast(), size) };
    if written == size {
        // SAFETY: all of it was written, and any bytes make such a structure.
        let facts = unsafe { facts.assume_init() };
        return Some(facts.pbi_start_tvsec * 1_000_000 + facts.pbi_start_tvusec);
    }
    // Another user's process is there, and its birth is not told.
    let denied = std::io::Error::last_os_error().kind() == std::io::ErrorKind::PermissionDenied;
    denied.then_some(0)
}

impl fmt::Display for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.born)
    }
}

impl FromStr for Birth {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, born) = text.split_once('-').ok_or(())?;
        let (pid, born) = (pid.parse().map_err(drop)?, born.parse().map_err(drop)?);
        Ok(Self { pid, born })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_birth() {
        let own = Birth::of(std::process::id()).unwrap();
        assert!(own.lives());
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(!Birth { born: own.born + 1, ..own }.lives());
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let birth = Birth::of(child.id()).unwrap();
        assert!(birth.lives());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!birth.lives());
        for text in ["", "7", "7-", "-7", "x-7"] {
            assert!(text.parse::<Birth>().is_err(), "{text}");
        }
    }
}
