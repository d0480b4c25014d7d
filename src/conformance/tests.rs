//! The cases are read, and the engine is tried on servers that are wrong.

use super::*;

#[test]
fn the_shipped_cases_can_be_read_and_are_many() {
    let cases = all_cases();
    assert!(cases.len() >= 250, "{} cases", cases.len());
}
