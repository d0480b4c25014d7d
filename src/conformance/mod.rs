//! The protocol's rules as cases, and one engine that tries them on any IMDS.
//!
//! An independent judge: it speaks raw bytes over a socket of its own and knows
//! nothing of `imds/` and `http/`. The cases are texts (`cases/`), read by
//! `script` and walked by `engine`; docs/conformance.md explains their language
//! and says which rules have no case, and why. Blocking, and bounded whatever
//! the server does; never shows a token or a key that it was given.

mod answer;
mod case;
mod check;
mod document;
mod engine;
mod expect;
mod pattern;
mod redact;
mod report;
mod request;
mod script;
mod target;
mod template;
mod walk;
mod wire;
mod world;

#[cfg(test)]
mod tests;

use std::thread;

use thiserror::Error;

use case::Case;
pub use case::Grade;
pub use report::{Counts, Finding, Report, Verdict};
pub use target::BadUrl;
use target::Target;
pub use wire::Limits;
use world::World;

use crate::clock::Clock;

/// The sections, in the order of the report, and their cases.
const SECTIONS: [(&str, &str); 8] = [
    ("framing", include_str!("cases/framing.txt")),
    ("guard", include_str!("cases/guard.txt")),
    ("paths", include_str!("cases/paths.txt")),
    ("tokens", include_str!("cases/tokens.txt")),
    ("data", include_str!("cases/data.txt")),
    ("credentials", include_str!("cases/credentials.txt")),
    ("tree", include_str!("cases/tree.txt")),
    ("errors", include_str!("cases/errors.txt")),
];

/// What to try, and how long to wait for it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only this section.
    pub section: Option<String>,
    /// Only cases of this rule, as `F17`.
    pub rule: Option<String>,
    /// The server serves requests without a token too (`http_tokens = "optional"`).
    pub v1: bool,
    /// How much a server may take.
    pub limits: Limits,
}

/// Why nothing was tried.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// The URL is none of a server.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// No such section.
    #[error("no section {0}; there are: {all}", all = sections().join(", "))]
    Section(String),
    /// No case of that rule in what was chosen.
    #[error("no case of rule {0} there; docs/conformance.md lists the rules without one")]
    Rule(String),
}

/// The names of the sections, in the order of the report.
#[must_use]
pub fn sections() -> Vec<&'static str> {
    SECTIONS.map(|(name, _)| name).to_vec()
}

/// Tries the cases on the server at `url`, a `http://host:port`. Blocks the thread.
///
/// # Errors
/// Where the URL, section or rule names nothing; a server that does not answer
/// is a failed case, not an error.
pub fn run(url: &str, options: &Options, clock: &dyn Clock) -> Result<Report, Unusable> {
    let target = Target::parse(url)?;
    let cases = selected(options)?;
    Ok(tried(&cases, &target, options.limits, clock))
}

/// One after the other, for there are servers that break under more; only cases
/// that are made of waiting wait beside them.
fn tried(cases: &[Case], target: &Target, limits: Limits, clock: &dyn Clock) -> Report {
    let findings = thread::scope(|scope| {
        let beside = |case: &Case| {
            let patience = case.patience?.min(limits.run);
            let limits = Limits { silence: patience, answer: patience, ..limits };
            let case = case.clone();
            Some(scope.spawn(move || engine::run(&case, &mut World::new(target, limits, clock))))
        };
        let waiting: Vec<_> = cases.iter().map(beside).collect();
        let mut world = World::new(target, limits, clock);
        let at_once = cases.iter().zip(waiting).map(|(case, waiting)| match waiting {
            None => (case, Ok(engine::run(case, &mut world))),
            Some(thread) => (case, Err(thread)),
        });
        let begun: Vec<_> = at_once.collect();
        let ended = begun.into_iter().map(|(case, verdict)| {
            let verdict = verdict.or_else(thread::ScopedJoinHandle::join);
            Finding::new(case, verdict.unwrap_or_else(|_| lost()))
        });
        ended.collect()
    });
    Report { findings }
}

fn lost() -> Verdict {
    Verdict::Failed {
        expected: "a verdict".to_owned(),
        got: "the case ended without one: a bug of ours".to_owned(),
    }
}

fn selected(options: &Options) -> Result<Vec<Case>, Unusable> {
    if let Some(section) =
        options.section.as_ref().filter(|name| !sections().contains(&name.as_str()))
    {
        return Err(Unusable::Section(section.clone()));
    }
    let mut cases = all_cases();
    cases.retain(|case| case.v1.is_none_or(|v1| v1 == options.v1));
    cases.retain(|case| options.section.as_ref().is_none_or(|name| name == case.section));
    if let Some(rule) = &options.rule {
        cases.retain(|case| case.rules.iter().any(|own| own.eq_ignore_ascii_case(rule)));
        if cases.is_empty() {
            return Err(Unusable::Rule(rule.clone()));
        }
    }
    Ok(cases)
}

/// Every case of every section, in the order of the report.
fn all_cases() -> Vec<Case> {
    let tables = script::tables(include_str!("cases/tables.txt"));
    let tables = tables.expect("the shipped tables can be read: a test reads them");
    let read = SECTIONS.iter().flat_map(|(section, text)| {
        script::cases(section, text, &tables)
            .expect("the shipped cases can be read: a test reads them")
    });
    read.collect()
}
