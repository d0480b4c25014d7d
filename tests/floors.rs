//! The floor plan, enforced.
//!
//! Reads every file of `src/` as tokens, so that neither a comment nor a string
//! nor a macro hides a name, and compares each path with the two tables below.
//! Also keeps the sizes of CONTRIBUTING.md. What is compiled for tests only may
//! name whatever it likes. It knows no types: a name is judged by its path, so
//! write `crate::rotation::port::Assume`, not a shorter way round.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "floors/checked.rs"]
mod checked;
#[path = "floors/scan.rs"]
mod scan;

use scan::Scan;

/// Floor, its name, what is on it. The longest path that fits decides.
const FLOORS: &str = "
0 words  secret clock role credentials failure environment fatal
1 rules  command config imds container markup status access installation log_throttle rotation sts/request sts/codes
2 doors  http sts rotation/task store pulse control observe log sys emulator conformance
3 house  daemon cli
4 roof   main lib fuzz_targets
";

/// The rooms among the doors that they share: one writes into it, others read.
const SHARED: [&str; 2] = ["store", "pulse"];

/// Outside crates, and the rooms or floors that may name them.
const OUTSIDE: &str = "
hyper hyper_util                                 = http control
http_body_util                                   = http control sts/network
aws_config aws_sdk_sts aws_credential_types      = sts
aws_smithy_http_client aws_smithy_runtime_api    = sts
aws_smithy_types aws_smithy_async                = sts
rustls                                           = sts
signal_hook daemonize                            = sys
rustix                                           = sys clock sts/command
libc landlock seccompiler                        = sys
tracing_subscriber                               = log
socket2                                          = http sys emulator control
arc_swap                                         = store
clap clap_complete                               = cli
ring                                             = imds container emulator sys
xmlparser                                        = markup
tokio tokio_util tracing                         = doors house roof
std::fs std::env std::thread std::net::TcpStream = doors house roof
std::process::Command std::process::exit         = doors house roof
base64 bytes httparse httpdate jiff              = words rules doors house roof
serde serde_json                                 = words rules doors house roof
strsim subtle thiserror toml zeroize                    = words rules doors house roof
";

/// Lines in a file, its tests not counted.
const FILE: usize = 350;
/// Lines in a function, from `fn` to its closing brace.
const FUNCTION: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Floor {
    number: usize,
    name: &'static str,
}

/// Each place of the table with its floor.
fn places() -> impl Iterator<Item = (&'static str, Floor)> {
    FLOORS.trim().lines().flat_map(|line| {
        let mut words = line.split_whitespace();
        let number = words.next().unwrap().parse().unwrap();
        let name = words.next().unwrap();
        words.map(move |place| (place, Floor { number, name }))
    })
}

fn floor(path: &str) -> Option<Floor> {
    places()
        .filter(|(place, _)| within(path, place))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, floor)| floor)
}

/// True where `path` is `place` or lies below it.
fn within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
}

fn room(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// Who may name this outside path, where the table has it.
fn allowed(outside: &str) -> Option<Vec<&'static str>> {
    OUTSIDE.trim().lines().find_map(|line| {
        let (crates, places) = line.split_once('=').unwrap();
        let known = crates.split_whitespace().any(|name| within(outside, name));
        known.then(|| places.split_whitespace().collect())
    })
}

/// What is wrong with one file; `path` is its module, as in `sts/request`.
fn faults(path: &str, text: &str, scan: &Scan) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push("1: does not open with `//!`: what it decides, what it refuses to know".into());
    }
    let lines = text.lines().count().saturating_sub(scan.test_lines);
    if lines > FILE {
        found.push(format!("1: {lines} lines before its tests, {FILE} at most"));
    }
    for (name, first, length) in &scan.functions {
        if *length > FUNCTION {
            found.push(format!("{first}: `{name}` has {length} lines, {FUNCTION} at most"));
        }
    }
    let Some(floor) = floor(path) else {
        found.push("1: lies on no floor: give it a place in FLOORS".into());
        return found;
    };
    for (line, named) in &scan.paths {
        let fault = match named.split_first() {
            Some((first, inside)) if first == "crate" => inward(path, &floor, &inside.join("/")),
            _ => outward(path, &floor, &named.join("::")),
        };
        found.extend(fault.map(|fault| format!("{line}: {fault}")));
    }
    found
}

fn inward(path: &str, own: &Floor, target: &str) -> Option<String> {
    match floor(target) {
        None => Some(format!("names `{target}`, which lies on no floor")),
        Some(its) if its.number > own.number => Some(format!(
            "floor {} names `{target}` on floor {}: imports point down",
            own.number, its.number
        )),
        Some(its) if its == *own && own.name == "doors" => {
            let strangers = room(target) != room(path) && !SHARED.contains(&room(target));
            strangers.then(|| format!("a door names the door `{target}`: they are strangers"))
        }
        Some(_) => None,
    }
}

fn outward(path: &str, floor: &Floor, named: &str) -> Option<String> {
    let places = allowed(named)?;
    let fits = |place: &str| floor.name == place || within(path, place);
    (!places.iter().any(|place| fits(place)))
        .then(|| format!("names `{named}`, which belongs to: {}", places.join(", ")))
}

/// Which rooms of one floor name which others, as circles of two or more.
fn circles(scans: &BTreeMap<String, Scan>) -> Vec<String> {
    let mut beside: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, scan) in scans {
        let targets = scan.paths.iter().filter(|(_, named)| named[0] == "crate");
        for target in targets.map(|(_, named)| named[1..].join("/")) {
            if floor(path) == floor(&target) && room(path) != room(&target) {
                let other = scans.keys().map(|p| room(p)).find(|r| *r == room(&target));
                beside.entry(room(path)).or_default().extend(other);
            }
        }
    }
    let reaches_itself = |room: &&&str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![**room]);
        while let Some(from) = next.pop() {
            let others = beside.get(from).into_iter().flatten();
            next.extend(others.filter(|other| seen.insert(**other)));
        }
        seen.contains(**room)
    };
    beside
        .keys()
        .filter(reaches_itself)
        .map(|room| format!("`{room}` names itself by way of others on its floor"))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every module of the crate with its text.
fn sources(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root().join("src")).unwrap().with_extension("");
            let name = name.to_str().unwrap().trim_end_matches("/mod").to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_house_stands_as_planned() {
    let mut texts = BTreeMap::new();
    sources(&root().join("src"), &mut texts);
    let mut scans: BTreeMap<_, _> =
        texts.iter().map(|(path, text)| (path.clone(), Scan::of(path, text))).collect();
    let for_tests: Vec<_> = scans.values().flat_map(|scan| scan.test_modules.clone()).collect();
    scans.retain(|path, _| !for_tests.iter().any(|test| within(path, test)));

    let mut found: Vec<_> = scans
        .iter()
        .flat_map(|(path, scan)| {
            let faults = faults(path, &texts[path], scan).into_iter();
            faults.map(move |fault| format!("src/{path}.rs:{fault}"))
        })
        .collect();
    found.extend(circles(&scans));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn all_unsafe_code_is_in_the_table_of_the_sanitizer() {
    let table = fs::read_to_string(root().join("tests/sanitize")).unwrap();
    let mut texts = BTreeMap::new();
    sources(&root().join("src"), &mut texts);
    for (path, text) in texts {
        let is_unsafe = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
        let has = text.lines().any(|line| is_unsafe.iter().any(|word| line.contains(word)));
        assert!(!has || table.contains(&format!("{path}.rs")), "src/{path}.rs");
    }
}

#[test]
fn every_dependency_has_its_place() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && !section.starts_with("[dev-") {
            let name = line.split(['=', '.']).next().unwrap().trim().replace('-', "_");
            let placed = name.is_empty() || name.starts_with('#') || allowed(&name).is_some();
            assert!(placed, "`{name}` is in Cargo.toml, but not in OUTSIDE");
        }
    }
}

#[test]
fn the_architecture_shows_this_plan() {
    let Ok(page) = fs::read_to_string(root().join("ARCHITECTURE.md")) else {
        return; // being written
    };
    let mut texts = BTreeMap::new();
    sources(&root().join("src"), &mut texts);
    let built = |place: &str| texts.keys().any(|path| within(path, place));
    for (place, floor) in places().filter(|(place, floor)| built(place) && floor.name != "roof") {
        let row = page.lines().find(|line| line.starts_with(&format!("| {}, ", floor.number)));
        let word = place.rsplit('/').next().unwrap();
        let named = row.is_some_and(|row| row.contains(word));
        assert!(named, "ARCHITECTURE.md does not show `{place}` on floor {}", floor.number);
    }
}
