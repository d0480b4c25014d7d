//! The cases are read, and the engine is tried on servers that are wrong.

mod hostile;
mod rules;
mod server;
mod spoiled;

use super::case::Step;
use super::*;
use crate::clock::SystemClock;
use server::{Server, Spoil};

/// Nothing is wrong with this one.
const RIGHT: Spoil = |_, _| {};

fn try_on(server: &Server, options: &Options) -> Report {
    run(&server.url(), options, &SystemClock).unwrap()
}

/// The failed cases as text.
fn failures(report: &Report) -> String {
    let failed = |finding: &&Finding| matches!(finding.verdict, Verdict::Failed { .. });
    let failed = report.findings.iter().filter(failed);
    let lines: Vec<String> = failed.map(|finding| format!("{finding:?}")).collect();
    lines.join("\n")
}

#[test]
fn a_right_server_passes_every_case() {
    let report = try_on(&Server::start(false, RIGHT), &Options::default());
    assert_eq!(failures(&report), "");
    assert!(report.counts().passed >= 600, "{}", report.counts());
}

#[test]
fn a_right_server_that_allows_v1_passes_too() {
    let options = Options { v1: true, ..Options::default() };
    let report = try_on(&Server::start(true, RIGHT), &options);
    assert_eq!(failures(&report), "");
}

#[test]
fn the_shipped_cases_ask_for_nothing_that_nobody_knows() {
    let cases = all_cases();
    assert!(cases.len() >= 250, "{} cases", cases.len());
    for case in &cases {
        let mut known: Vec<String> =
            ["host", "ip", "port", "token", "role", "there"].map(str::to_owned).to_vec();
        check_steps(&case.steps, &mut known, &case.sentence);
    }
}

fn check_steps(steps: &[Step], known: &mut Vec<String>, sentence: &str) {
    for step in steps {
        let names = match step {
            Step::Request(request) => template::names(&request.bytes),
            Step::Walk(path) => template::names(path),
            Step::Times { steps, .. } => {
                check_steps(steps, known, sentence);
                Vec::new()
            }
            Step::Answer(expected) => {
                for check in &expected.checks {
                    for name in template::names(&check.shown) {
                        assert!(known.contains(&name), "{sentence}: {name}");
                    }
                    match &check.test {
                        case::Test::Keep(name, _) => known.push(name.clone()),
                        case::Test::Like(_, shapes) => {
                            let filled = shapes.replace(['{', '}'], "");
                            let readable = |shape| pattern::fits(shape, b"").is_some();
                            assert!(
                                filled.split(" or ").all(readable) || shapes.contains('{'),
                                "{shapes}"
                            );
                        }
                        _ => {}
                    }
                }
                Vec::new()
            }
            Step::Reconnect | Step::Wait(_) => Vec::new(),
        };
        for name in names {
            assert!(known.contains(&name), "{sentence}: {name}");
        }
    }
}

#[test]
fn no_two_cases_have_one_name() {
    let mut names: Vec<_> = all_cases()
        .iter()
        .map(|case| (case.section, case.rules.join(" "), case.sentence.clone()))
        .collect();
    names.sort();
    let doubled: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(doubled.is_empty(), "{doubled:#?}");
}

#[test]
fn a_selection_of_nothing_is_refused() {
    let with = |section: Option<&str>, rule: Option<&str>| Options {
        section: section.map(str::to_owned),
        rule: rule.map(str::to_owned),
        ..Options::default()
    };
    let refused =
        |options| run("http://127.0.0.1:1", &options, &SystemClock).map(|_| ()).unwrap_err();
    assert_eq!(refused(with(Some("cookies"), None)), Unusable::Section("cookies".to_owned()));
    assert_eq!(refused(with(Some("tree"), Some("F17"))), Unusable::Rule("F17".to_owned()));
    assert!(selected(&with(None, Some("f17"))).is_ok_and(|cases| cases.len() > 40));
}
