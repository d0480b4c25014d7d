//! When to ask STS again, and what becomes of the answer.

pub mod arrival;
pub mod machine;
pub mod news;
pub mod port;
pub mod schedule;
pub mod standing;
pub mod task;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod year;
