//! The fuzz targets, and what they share; `fuzz/` runs them under libFuzzer.
//!
//! Each target takes bytes that an attacker controls, passes them to the code that reads
//! them, and asserts what must hold for any input. A target lives in the module that it
//! tests. Compiled for tests too, so that `cargo test --lib fuzz` replays the committed
//! corpus without a nightly compiler.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{self, BootTime, Clock, Now};
use crate::credentials::{Credentials, Grant, Snapshot};
use crate::secret::Secret;

pub use crate::config::fuzz::{aws_files, settings_file};
pub use crate::container::fuzz::{consumer_store, container_request, key_set, pod_token};
pub use crate::control::fuzz::control_request;
pub use crate::emulator::fuzz::sts_request;
pub use crate::http::fuzz::request_head;
pub use crate::imds::fuzz::{host_header, metadata_token, request_path};
pub use crate::sts::fuzz::{credential_process, saml_response, sts_response};

/// A target: what it does with one input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file and of its corpus in `fuzz/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("aws_files", aws_files),
    ("consumer_store", consumer_store),
    ("container_request", container_request),
    ("control_request", control_request),
    ("credential_process", credential_process),
    ("host_header", host_header),
    ("key_set", key_set),
    ("metadata_token", metadata_token),
    ("pod_token", pod_token),
    ("request_head", request_head),
    ("request_path", request_path),
    ("saml_response", saml_response),
    ("settings_file", settings_file),
    ("sts_request", sts_request),
    ("sts_response", sts_response),
];

/// The moment of every input.
pub(crate) const START: Now = Now {
    wall: Timestamp::constant(1_800_000_000, 0),
    boot: BootTime::from_boot(Duration::from_secs(1000)),
};
/// What no answer to an unauthorized caller and no error may hold.
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG";
/// The same.
pub(crate) const SESSION_TOKEN: &str = "FwoGZXIvYXdzEJr/ExAmPlE";

/// A clock that stands at [`START`].
#[derive(Debug)]
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Now {
        START
    }
}

/// Credentials that are valid for an hour, and where they come from.
pub(crate) fn credentials() -> (Snapshot, Grant) {
    let hour = Duration::from_hours(1);
    let expiration = clock::later(START.wall, hour);
    let (key, token) = (Secret::new(SECRET_KEY), Secret::new(SESSION_TOKEN));
    let credentials = Credentials::new("ASIAEXAMPLE".to_owned(), key, token, expiration)
        .expect("no part is empty");
    let snapshot = Snapshot {
        generation: 1,
        credentials: credentials.clone(),
        obtained: START.wall,
        deadline: START.boot.plus(hour),
    };
    (snapshot, Grant { credentials, date: None, account: None, role_arn: None })
}

/// Asserts that a text holds no secret; `input` may have brought one itself.
#[track_caller]
pub(crate) fn assert_no_secret(text: &str, input: &[u8]) {
    for secret in [SECRET_KEY, SESSION_TOKEN] {
        let brought = || input.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!text.contains(secret) || brought(), "a secret is repeated: {text}");
    }
}

/// Runs a future to its end; it must need neither a network nor a timer to get there.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime needs a few descriptors");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Mutations of each input.
    const MUTATIONS: u64 = 50;

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let mut paths: Vec<_> = fs::read_dir(folder("corpus").join(target))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Numbers that look random and are the same in every run (`SplitMix64`).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((mixed ^ mixed >> 31) % limit.max(1) as u64).unwrap()
        }
    }

    /// One small change: a byte, a cut, a doubled part, or a part of another input.
    fn mutated(input: &[u8], others: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
        let mut bytes = input.to_vec();
        let at = numbers.below(bytes.len() + 1);
        let until = at + numbers.below(bytes.len() + 1 - at);
        match numbers.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let part = bytes[at..until].to_vec();
                bytes.splice(at..at, part);
            }
            3 => {
                let other = &others[numbers.below(others.len())];
                let from = numbers.below(other.len() + 1);
                bytes.splice(at..until, other[from..].iter().copied());
            }
            _ => bytes.insert(at, u8::try_from(numbers.below(256)).unwrap()),
        }
        bytes
    }

    /// Shows the input if the target fails on it.
    fn run(name: &str, target: Target, input: &[u8]) {
        if let Err(panic) = std::panic::catch_unwind(|| target(input)) {
            eprintln!("{name} fails on b\"{}\"", input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(targets.len(), TARGETS.len());
        assert_eq!(names(&folder("fuzz_targets")), targets);
        assert_eq!(names(&folder("corpus")), targets);
        let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"\n")), "{target}");
        }
    }

    #[test]
    fn the_corpus_and_mutations_of_it_pass() {
        for (name, target) in TARGETS {
            let corpus = corpus(name);
            for input in &corpus {
                run(name, *target, input);
            }
            let mut numbers = Numbers(0);
            for input in &corpus {
                for _ in 0..MUTATIONS {
                    run(name, *target, &mutated(input, &corpus, &mut numbers));
                }
            }
        }
    }
}
