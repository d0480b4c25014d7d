//! Every rule has a case, or a line in docs/conformance.md that says why not.

use std::collections::BTreeSet;

use super::super::all_cases;

const DOCS: &str = include_str!("../../../docs/conformance.md");

/// The rules of docs/rules.md about IMDS itself: each letter and its last number.
const RULES: &[(&str, usize)] = &[
    ("F", 19),
    ("P", 12),
    ("T", 25),
    ("G", 16),
    ("C", 18),
    ("X", 5),
    ("M", 7),
    ("Q", 7),
    ("E", 5),
];

fn rules() -> BTreeSet<String> {
    let numbered = RULES
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")));
    numbered.chain(["H0a".to_owned(), "H0b".to_owned()]).collect()
}

/// The first cells of the table of excuses.
fn excused() -> BTreeSet<String> {
    let (_, section) = DOCS.split_once("## Rules without a case").unwrap();
    let rows = section.lines().skip(1).take_while(|line| !line.starts_with("## "));
    let cells = rows.filter_map(|row| row.strip_prefix("| ")?.split('|').next());
    let names = cells.flat_map(|cell| cell.split(',').map(|name| name.trim().to_owned()));
    names.filter(|name| rules().contains(name)).collect()
}

#[test]
fn every_rule_has_a_case_or_an_excuse_and_none_has_both() {
    let tried: BTreeSet<String> = all_cases().into_iter().flat_map(|case| case.rules).collect();
    let missing: Vec<_> = rules()
        .into_iter()
        .filter(|rule| tried.contains(rule) == excused().contains(rule))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_names_the_sections_and_no_more_cases_than_there_are() {
    for section in super::super::sections() {
        assert!(DOCS.contains(&format!("`{section}`")), "{section}");
    }
    assert!(DOCS.contains("more than 1200 cases") && all_cases().len() > 1200);
}
