//! The door to the operating system: files of the state directory, sockets,
//! signals, limits, timers, what is written into a folder.

pub mod activation;
pub mod birth;
pub mod command_helper;
pub mod descriptors;
pub mod detach;
pub mod ending;
pub mod handout;
pub mod hardening;
pub mod identity;
pub mod link;
pub mod mark;
pub mod memory;
pub mod notify;
pub mod peer;
pub mod pid_file;
pub mod private;
pub mod process_environment;
pub mod remembered;
pub mod sandbox;
pub mod sealed;
pub mod signals;
pub mod sockets;
pub mod state;
pub mod supervisor;
pub mod terminal;
mod threads;
pub mod vault;
pub mod wake;
pub mod watch;
