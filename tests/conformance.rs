//! The program itself, tried by its own judge: every case, of both grades.
//!
//! Starts `assumed demo` as a user would, and reads from what it prints where it
//! serves. What our tree lacks is listed here, so that nothing is skipped unseen.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use assumed::clock::SystemClock;
use assumed::conformance::{self, Options, Report, Verdict};
use rustix::process::{Pid, Signal, kill_process};

/// What a tree for credentials alone does not have (M3, M6).
const ABSENT: &[&str] = &[
    "/latest/dynamic/instance-identity/",
    "/latest/meta-data/ami-launch-index",
    "/latest/meta-data/events/recommendations/rebalance",
    "/latest/meta-data/iam/security-credentials-extended/",
    "/latest/meta-data/iam/security-credentials-extended/demo",
    "/latest/meta-data/ipv6s",
    "/latest/meta-data/local-ipv4s",
    "/latest/meta-data/network/interfaces/macs/",
    "/latest/meta-data/public-ipv4s",
    "/latest/meta-data/public-keys/",
    "/latest/meta-data/public-keys/0/",
    "/latest/meta-data/spot/instance-action",
    "/latest/meta-data/spot/termination-time",
    "/latest/meta-data/system",
    "/latest/user-data",
];

/// A running `assumed demo`, ended with the test.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_assumed"))
            // An hour, so that the life of the credentials is EC2's (C15).
            .args(["demo", "--listen", "127.0.0.1:0", "--session", "1h"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let served = |line: String| line.trim().strip_prefix("serving")?.trim().to_owned().into();
        let url: Option<String> = lines.by_ref().map_while(Result::ok).find_map(served);
        Self { child, url: url.expect("the demo says where it serves") }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Not killed, so that it takes its temporary directory with it.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn tried(demo: &Demo, rule: Option<&str>) -> Report {
    let options = Options { rule: rule.map(str::to_owned), ..Options::default() };
    conformance::run(&demo.url, &options, &SystemClock).unwrap()
}

fn lines(report: &Report, of: impl Fn(&Verdict) -> Option<String>) -> Vec<String> {
    let shown = report.findings.iter().filter_map(|finding| {
        let why = of(&finding.verdict)?;
        Some(format!("{} {}: {why}", finding.rules.join(" "), finding.sentence))
    });
    shown.collect()
}

#[test]
fn our_own_server_keeps_every_rule_and_lacks_only_what_is_listed() {
    let demo = Demo::start();
    let report = tried(&demo, None);

    let failed = lines(&report, |verdict| match verdict {
        Verdict::Failed { expected, got } => Some(format!("expected {expected}, got {got}")),
        _ => None,
    });
    // On a machine that builds beside, an answer may be late once (F15).
    let late = failed.iter().all(|line| line.starts_with("F15 "));
    assert!(
        late && (failed.is_empty() || tried(&demo, Some("F15")).counts().failed == 0),
        "{failed:#?}"
    );
    let skipped = lines(&report, |verdict| match verdict {
        Verdict::Skipped(why) if !ABSENT.iter().any(|path| why.ends_with(path)) => {
            Some(why.clone())
        }
        _ => None,
    });
    assert!(skipped.is_empty(), "{skipped:#?}");
    assert!(report.holds() && report.counts().passed > 1000, "{}", report.counts());
}
