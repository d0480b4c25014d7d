//! Which process this is: its number, and when it was born, for numbers come again.

use std::fmt;
use std::fs;
use std::str::FromStr;

/// One process of this boot; no other one is ever equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// Its number.
    pub pid: u32,
    /// Its birth, in the kernel's ticks since boot; 0 where the kernel does not tell.
    born: u64,
}

impl Birth {
    /// The process that has this number now; `None` where there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        if cfg!(not(target_os = "linux")) {
            return Some(Self { pid, born: 0 });
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold blanks and parentheses of its own.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        // A process that has ended, but was not waited for, is none.
        let state = fields.next()?;
        let born = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, born })
    }

    /// True while this very process lives.
    #[must_use]
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
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

#[cfg(all(test, target_os = "linux"))]
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
