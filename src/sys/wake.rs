//! Wakes rotation at a moment of the wall clock, or when that clock is set.
//!
//! Linux has a timer for just this: it counts through suspend, and the kernel
//! cancels it when the clock is set or the machine resumes. Elsewhere we sleep
//! in slices and compare the two clocks after each.

pub mod slices;
#[cfg(target_os = "linux")]
pub mod timer;

#[cfg(not(target_os = "linux"))]
pub use slices::SlicedAlarm as WallAlarm;
#[cfg(target_os = "linux")]
pub use timer::TimerAlarm as WallAlarm;
