//! Copies the files under test, with the locks and atomics of `std` replaced by Shuttle's.

use std::path::Path;
use std::{env, fs};

/// The files, below `src/` of the project, and what they are called here.
const FILES: [(&str, &str); 4] = [
    ("store.rs", "store.rs"),
    ("store/register.rs", "register.rs"),
    ("rotation/task.rs", "task.rs"),
    ("pulse.rs", "pulse.rs"),
];

/// Texts, and what takes their place.
const REPLACED: [(&str, &str); 4] = [
    ("std::sync::", "shuttle::sync::"),
    ("use tokio::sync::watch;", "use crate::watch;"),
    ("use tokio::sync::{Notify, watch};", "use crate::watch;\nuse tokio::sync::Notify;"),
    ("pub mod register;\n", ""),
];

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    for (from, to) in FILES {
        let from = Path::new("../../src").join(from);
        println!("cargo::rerun-if-changed={}", from.display());
        let text = fs::read_to_string(&from).unwrap();
        // What is included cannot begin with the documentation of a module.
        let lines = text.lines().filter(|line| !line.starts_with("//!"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let text = REPLACED.iter().fold(text, |text, (old, new)| text.replace(old, new));
        fs::write(Path::new(&out).join(to), text).unwrap();
    }
}
