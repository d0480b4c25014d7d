//! Follows every listing down, as cloud-init does, and wants each name served.
//!
//! One 404 on a listed name makes cloud-init throw all metadata away (G12), and
//! what it finds it copies into files that everybody can read (C2).

use super::check;
use super::report::{Verdict, failed};
use super::world::World;

/// The one directory that cloud-init leaves out, by its exact name.
const SKIPPED: &str = "security-credentials/";
const DEEPEST: usize = 12;
const MOST: usize = 2000;

/// Walks from a directory, given with its final slash.
pub(super) fn walk(world: &mut World<'_>, from: &str) -> Result<(), Verdict> {
    let mut open = vec![(from.to_owned(), 0)];
    let mut seen = 0;
    while let Some((path, depth)) = open.pop() {
        seen += 1;
        if seen > MOST || depth > DEEPEST {
            return Err(failed("a tree that ends", &format!("more below {path}")));
        }
        let body = served(world, &path)?;
        if path.ends_with('/') {
            let below = body.split('\n').filter(|name| !name.is_empty() && *name != SKIPPED);
            open.extend(below.map(|name| (child(&path, name), depth + 1)));
        }
    }
    Ok(())
}

fn served(world: &mut World<'_>, path: &str) -> Result<String, Verdict> {
    if let Some(reason) = world.exhausted() {
        return Err(failed(&format!("200 for the listed {path}"), &reason));
    }
    let answer = world.fetch(path)?;
    if answer.code != 200 {
        return Err(failed(&format!("200 for the listed {path}"), &answer.status()));
    }
    if !check::is_harmless(&answer.body) || world.secrets.is_in(&answer.body) {
        return Err(failed("no secret outside security-credentials/", &format!("one in {path}")));
    }
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

fn child(path: &str, name: &str) -> String {
    // G14: a key is listed as `0=its-name` and served as `0/`.
    match name.split_once('=') {
        Some((index, _)) if path.ends_with("/public-keys/") => format!("{path}{index}/"),
        _ => format!("{path}{name}"),
    }
}
