//! Wakes rotation at a moment of the wall clock, or when that clock is set.
//!
//! Linux has a timer for just this: it counts through suspend, and the kernel
//! cancels it when the clock is set or the machine resumes. Elsewhere we sleep
//! in slices and compare the two clocks after each.

#[cfg(any(not(target_os = "linux"), test))]
mod slices;
#[cfg(target_os = "linux")]
mod timer;

#[cfg(not(target_os = "linux"))]
pub use slices::WallAlarm;
#[cfg(target_os = "linux")]
pub use timer::WallAlarm;
