//! The memory of a process, searched for secrets: every mapping that it may write to.
//!
//! Root reads it, also of a process that is not dumpable.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use assumed::emulator;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;

use super::program::rest;

/// How every session token of the embedded STS begins, as it is and in a form.
const TOKEN: [&str; 2] = ["++++////", "%2B%2B%2B%2B%2F%2F%2F%2F"];
/// What only a reply of STS has.
const XML: [&str; 2] = ["<SecretAccessKey>", "<SessionToken>"];
/// How access key ids of the embedded STS begin, and how long they are.
const KEY_ID: (&str, usize) = ("ASIA", 20);
const PAGE: usize = 4096;

/// Each of these, and each secret of the embedded STS, that is in the process, with its place.
pub fn found(pid: u32, secrets: &[String]) -> BTreeSet<String> {
    let mappings = writable(pid);
    let issued = mappings.iter().flat_map(|(_, bytes)| secret_keys(bytes));
    let needles: BTreeSet<String> = issued
        .chain(secrets.iter().cloned())
        .chain(TOKEN.iter().chain(&XML).map(|&n| n.to_owned()))
        .collect();
    let mut found = BTreeSet::new();
    for (name, bytes) in &mappings {
        for needle in &needles {
            for place in places(bytes, needle.as_bytes()) {
                let around = &bytes[place.saturating_sub(60)..(place + 100).min(bytes.len())];
                let shown =
                    String::from_utf8_lossy(around).replace(|c: char| !c.is_ascii_graphic(), ".");
                found.insert(format!("{name}: {needle}: {shown}"));
            }
        }
    }
    found
}

/// Waits for connections to end, which let go of their buffers then; none of it may stay.
#[track_caller]
pub fn is_clean(pid: u32, secrets: &[String]) {
    for _ in 0..100 {
        if found(pid, secrets).is_empty() {
            return;
        }
        rest(Duration::from_millis(20));
    }
    let left: Vec<_> = found(pid, secrets).into_iter().collect();
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
}

/// True, and told, where this test cannot read another process.
pub fn skipped() -> bool {
    let skipped = !rustix::process::geteuid().is_root();
    if skipped {
        eprintln!("SKIPPED: only root reads the memory of a process that is not dumpable");
    }
    skipped
}

/// Name and content of every mapping that the process may write to, without what is all zero.
fn writable(pid: u32) -> Vec<(String, Vec<u8>)> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut parts = Vec::new();
    for line in maps.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (start, end) = words[0].split_once('-').unwrap();
        let bound = |text| u64::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(bound(end) - bound(start)).unwrap()];
        // The guard page of a thread's stack cannot be read, and has nothing in it.
        if words[1].contains('w') && memory.read_exact_at(&mut bytes, bound(start)).is_ok() {
            let name = words.get(5).unwrap_or(&"anonymous").to_string();
            parts.extend(used(&bytes).map(|part| (name.clone(), part)));
        }
    }
    for name in ["[heap]", "[stack]"] {
        assert!(parts.iter().any(|(found, _)| found == name), "no {name}: {maps}");
    }
    parts
}

/// The runs of pages that are not all zero.
fn used(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let is_empty = |page: &&[u8]| **page == [0; PAGE][..page.len()];
    let pages: Vec<&[u8]> = bytes.chunks(PAGE).collect();
    let runs: Vec<_> = pages.split(|page| is_empty(page)).map(<[&[u8]]>::concat).collect();
    runs.into_iter().filter(|run| !run.is_empty())
}

fn places<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = needle[0];
    let starts = bytes.iter().enumerate().filter(move |(_, byte)| **byte == first);
    starts.map(|(place, _)| place).filter(move |place| bytes[*place..].starts_with(needle))
}

/// The secrets that belong to the access key ids in these bytes.
fn secret_keys(bytes: &[u8]) -> Vec<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, emulator::DEMO_SECRET_ACCESS_KEY.as_bytes());
    let ids =
        places(bytes, KEY_ID.0.as_bytes()).filter_map(|place| bytes.get(place..place + KEY_ID.1));
    let secret = |id: &[u8]| {
        let tag = hmac::sign(&key, &[b"secret access key", id].join(&0));
        BASE64.encode(tag.as_ref().split_at(30).0)
    };
    ids.map(secret).collect()
}
