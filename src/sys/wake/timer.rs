//! The alarm of Linux: one timerfd on the wall clock.
//!
//! Armed even where there is nothing to wait for, since only an armed timer
//! tells that the clock was set.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use jiff::Timestamp;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::rotation::port::{Alarm, Rang};

/// How often to look after rotation should the timer ever fail us.
const MAKESHIFT: Duration = Duration::from_secs(15);

/// An alarm on the wall clock.
#[derive(Debug)]
pub struct TimerAlarm(AsyncFd<OwnedFd>);

impl TimerAlarm {
    /// Sets one up, within a Tokio runtime.
    ///
    /// # Errors
    /// Where the kernel has no descriptor to spare.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Realtime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        // SAFETY: an `OwnedFd` is open and names one descriptor for as long as it lives, and
        // the `AsyncFd` owns it.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?;
        Ok(Self(timer))
    }

    fn arm(&self, at: Option<Timestamp>) -> Result<(), Errno> {
        let at = at.unwrap_or(Timestamp::MAX);
        let setting = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                // Zero would disarm it, and before 1970 there is no arming.
                tv_sec: at.as_second().max(1),
                tv_nsec: at.subsec_nanosecond().max(0).into(),
            },
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(self.0.get_ref(), flags, &setting).map(drop)
    }

    async fn expire(&self) -> Result<(), Errno> {
        loop {
            let mut ready = self.0.readable().await.map_err(|_| Errno::IO)?;
            let mut count = [0; 8];
            match rustix::io::read(self.0.get_ref(), &mut count) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn wait(&self, at: Option<Timestamp>) -> Result<(), Errno> {
        // Arming also reports a change since the last time, and has armed even so.
        self.arm(at)?;
        self.expire().await
    }
}

impl Alarm for TimerAlarm {
    async fn ring_at(&mut self, at: Option<Timestamp>) -> Rang {
        match self.wait(at).await {
            Ok(()) => Rang::Due,
            Err(Errno::CANCELED) => Rang::ClockChanged,
            Err(error) => {
                tracing::debug!(event = "alarm", %error, "the timer failed");
                tokio::time::sleep(MAKESHIFT).await;
                Rang::Due
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{self, Clock, SystemClock};

    fn soon(milliseconds: u64) -> Timestamp {
        clock::later(SystemClock.now().wall, Duration::from_millis(milliseconds))
    }

    #[tokio::test]
    async fn it_rings_when_the_moment_comes_and_not_before() {
        let mut alarm = TimerAlarm::new().unwrap();
        let moment = soon(30);
        assert_eq!(alarm.ring_at(Some(moment)).await, Rang::Due);
        assert!(SystemClock.now().wall >= moment);
    }

    #[tokio::test]
    async fn it_rings_at_once_for_a_moment_that_is_past() {
        let mut alarm = TimerAlarm::new().unwrap();
        for past in [Timestamp::MIN, Timestamp::UNIX_EPOCH, SystemClock.now().wall] {
            assert_eq!(alarm.ring_at(Some(past)).await, Rang::Due);
        }
    }

    #[tokio::test]
    async fn it_rings_again_and_a_later_moment_replaces_an_earlier_one() {
        let mut alarm = TimerAlarm::new().unwrap();
        assert_eq!(alarm.ring_at(Some(soon(5))).await, Rang::Due);
        assert_eq!(alarm.ring_at(Some(soon(5))).await, Rang::Due);
        let dropped = alarm.ring_at(Some(soon(1)));
        drop(dropped);
        let moment = soon(40);
        assert_eq!(alarm.ring_at(Some(moment)).await, Rang::Due);
        assert!(SystemClock.now().wall >= moment);
    }

    #[tokio::test]
    async fn a_moment_that_was_given_up_half_way_rings_nothing() {
        let mut alarm = TimerAlarm::new().unwrap();
        tokio::select! {
            biased;
            _ = alarm.ring_at(Some(soon(1))) => unreachable!("it cannot have rung at its first poll"),
            () = std::future::ready(()) => {}
        }
        let moment = soon(40);
        assert_eq!(alarm.ring_at(Some(moment)).await, Rang::Due);
        assert!(SystemClock.now().wall >= moment);
    }

    #[tokio::test]
    async fn with_nothing_to_wait_for_it_keeps_silent() {
        let mut alarm = TimerAlarm::new().unwrap();
        let mut other = TimerAlarm::new().unwrap();
        tokio::select! {
            rang = alarm.ring_at(None) => panic!("rang for nothing: {rang:?}"),
            rang = other.ring_at(Some(soon(30))) => assert_eq!(rang, Rang::Due),
        }
    }
}
