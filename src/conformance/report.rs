//! What came of a run: for people a table and each failure, for programs JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::case::{Case, Grade};

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server keeps the rule.
    Passed,
    /// It does not; both texts are short and hold no secret.
    Failed {
        /// What the rule asks for.
        expected: String,
        /// What came.
        got: String,
    },
    /// There was nothing to judge, and why.
    Skipped(String),
}

const UNTRIED: &str = "not tried: ";

/// A case that came too late; broken, for nothing says that the rule is kept.
pub(super) fn untried(why: &str) -> Verdict {
    failed("an answer", &format!("{UNTRIED}{why}"))
}

/// A rule that is not kept.
pub(super) fn failed(expected: &str, got: &impl ToString) -> Verdict {
    Verdict::Failed { expected: expected.to_owned(), got: got.to_string() }
}

/// One case and its end.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rules of docs/rules.md that it stands for.
    pub rules: Vec<String>,
    /// How much they weigh.
    pub grade: Grade,
    /// The section of cases it belongs to.
    pub section: &'static str,
    /// What is true of a server that passes.
    pub sentence: String,
    /// How it ended.
    pub verdict: Verdict,
}

impl Finding {
    pub(super) fn new(case: &Case, verdict: Verdict) -> Self {
        Self {
            rules: case.rules.clone(),
            grade: case.grade,
            section: case.section,
            sentence: case.sentence.clone(),
            verdict,
        }
    }

    fn title(&self) -> String {
        format!("{} {}: {}", self.rules.join(" "), self.grade.as_str(), self.sentence)
    }

    fn json(&self) -> Value {
        let mut object = json!({
            "rules": self.rules,
            "grade": self.grade.as_str(),
            "section": self.section,
            "case": self.sentence,
        });
        let more = match &self.verdict {
            Verdict::Passed => json!({"verdict": "passed"}),
            Verdict::Failed { expected, got } => {
                json!({"verdict": "failed", "expected": expected, "got": got})
            }
            Verdict::Skipped(reason) => json!({"verdict": "skipped", "reason": reason}),
        };
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        object
    }
}

/// Numbers of cases by their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kept.
    pub passed: usize,
    /// Broken.
    pub failed: usize,
    /// Not judged.
    pub skipped: usize,
}

impl Counts {
    fn of<'a>(findings: impl Iterator<Item = &'a Finding>) -> Self {
        findings.fold(Self::default(), |mut counts, finding| {
            match finding.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Failed { .. } => counts.failed += 1,
                Verdict::Skipped(_) => counts.skipped += 1,
            }
            counts
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// All findings, in the order of the cases. Displays as the table for people.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Never empty: a selection without cases is refused before the run.
    pub findings: Vec<Finding>,
}

impl Report {
    /// True where no `must` is broken: what the exit code says.
    #[must_use]
    pub fn holds(&self) -> bool {
        let broken = |finding: &Finding| {
            finding.grade == Grade::Must && matches!(finding.verdict, Verdict::Failed { .. })
        };
        !self.findings.iter().any(broken)
    }

    /// The last line.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(self.findings.iter())
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts = self.counts();
        json!({
            "cases": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
            "passed": counts.passed,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "holds": self.holds(),
        })
    }

    fn sections(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.findings.iter().map(|finding| finding.section).collect();
        names.dedup();
        names
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<13} {:>7} {:>7} {:>8}", "section", "passed", "failed", "skipped")?;
        for section in self.sections() {
            let counts =
                Counts::of(self.findings.iter().filter(|finding| finding.section == section));
            writeln!(
                f,
                "{section:<13} {:>7} {:>7} {:>8}",
                counts.passed, counts.failed, counts.skipped
            )?;
        }
        writeln!(f)?;
        let mut untried: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &self.findings {
            match &finding.verdict {
                Verdict::Passed => {}
                Verdict::Skipped(reason) => {
                    writeln!(f, "skipped {}\n    {reason}", finding.title())?;
                }
                Verdict::Failed { got, .. } if got.starts_with(UNTRIED) => {
                    *untried.entry(got).or_default() += 1;
                }
                Verdict::Failed { expected, got } => {
                    let title = finding.title();
                    writeln!(f, "FAILED  {title}\n    expected  {expected}\n    got       {got}")?;
                }
            }
        }
        for (why, count) in untried {
            writeln!(f, "FAILED  {count} more cases {why}")?;
        }
        writeln!(f, "{}", self.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(grade: Grade, verdict: Verdict) -> Finding {
        Finding {
            rules: vec!["F2".to_owned(), "F3".to_owned()],
            grade,
            section: "framing",
            sentence: "it answers".to_owned(),
            verdict,
        }
    }

    fn broken() -> Verdict {
        Verdict::Failed { expected: "a".to_owned(), got: "b".to_owned() }
    }

    #[test]
    fn only_a_broken_must_breaks_the_whole() {
        for (grade, holds) in [(Grade::Must, false), (Grade::Should, true)] {
            let report = Report { findings: vec![finding(grade, broken())] };
            assert_eq!(report.holds(), holds);
            assert_eq!(report.json().get("holds"), Some(&json!(holds)));
        }
    }

    #[test]
    fn what_was_not_tried_is_told_once() {
        let late = || finding(Grade::Must, untried("it is late"));
        let report = Report { findings: vec![late(), late()] };
        let text = report.to_string();
        assert!(text.contains("FAILED  2 more cases not tried: it is late\n0 passed, 2 failed"));
        assert!(!report.holds());
    }

    #[test]
    fn the_report_ends_with_the_numbers() {
        let report = Report {
            findings: vec![
                finding(Grade::Must, Verdict::Passed),
                finding(Grade::Must, broken()),
                finding(Grade::Should, Verdict::Skipped("none".to_owned())),
            ],
        };
        let text = report.to_string();
        assert!(text.ends_with("\n1 passed, 1 failed, 1 skipped\n"), "{text}");
        assert!(
            text.contains("FAILED  F2 F3 must: it answers\n    expected  a\n    got       b\n"),
            "{text}"
        );
        assert!(text.contains("framing             1       1        1\n"), "{text}");
    }
}
