//! The rotation of one role, of which the task is scheduled by Shuttle.

#[path = "../../../src/rotation/arrival.rs"]
pub mod arrival;
#[path = "../../../src/rotation/machine.rs"]
pub mod machine;
#[path = "../../../src/rotation/news.rs"]
pub mod news;
#[path = "../../../src/rotation/port.rs"]
pub mod port;
#[path = "../../../src/rotation/schedule.rs"]
pub mod schedule;
#[path = "../../../src/rotation/standing.rs"]
pub mod standing;
pub mod task {
    include!(concat!(env!("OUT_DIR"), "/task.rs"));
}
