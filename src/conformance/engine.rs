//! Walks the steps of one case against a server, and says how it ended.
//!
//! Whatever the server does, a case ends: every wait is bounded by `wire`, the
//! run by `world`. Everything that a verdict shows has gone through `redact`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc;
use std::time::Duration;

use super::answer::Answer;
use super::case::{Case, Check, Expected, Need, Outcome, Request, Step, Test};
use super::report::{Verdict, failed, untried};
use super::template::{fill, fill_shown};
use super::wire::{Trouble, Wire};
use super::world::World;
use super::{check, walk};

/// Runs one case.
pub(super) fn run(case: &Case, world: &mut World<'_>) -> Verdict {
    if let Some(reason) = world.exhausted() {
        return untried(reason);
    }
    let mut course =
        Course { world, wire: None, awaited: VecDeque::new(), kept: BTreeMap::new(), heard: false };
    let ended = course.needs(&case.needs).and_then(|()| course.steps(&case.steps));
    let heard = course.heard;
    let shown = |text: &str| world.secrets.redact(text);
    let (verdict, heard) = match ended {
        Err(Verdict::Failed { expected, got }) => (failed(&shown(&expected), &shown(&got)), heard),
        Err(Verdict::Skipped(reason)) => (Verdict::Skipped(shown(&reason)), true),
        Ok(()) | Err(Verdict::Passed) => (Verdict::Passed, true),
    };
    world.note(heard);
    verdict
}

/// One case under way.
struct Course<'w, 'a> {
    world: &'w mut World<'a>,
    wire: Option<Wire<'a>>,
    /// The methods of the requests whose answers are still to come.
    awaited: VecDeque<String>,
    kept: BTreeMap<String, Vec<u8>>,
    heard: bool,
}

impl Course<'_, '_> {
    fn needs(&mut self, needs: &[Need]) -> Result<(), Verdict> {
        for need in needs {
            let mut put = |text: &String| self.text(text);
            let filled = match need {
                Need::Served(path) => Need::Served(put(path)?),
                Need::Listed { name, directory } => {
                    Need::Listed { name: put(name)?, directory: put(directory)? }
                }
                Need::Unlisted { name, directory } => {
                    Need::Unlisted { name: put(name)?, directory: put(directory)? }
                }
            };
            self.world.meet(&filled)?;
        }
        Ok(())
    }

    fn steps(&mut self, steps: &[Step]) -> Result<(), Verdict> {
        let mut outgoing = Vec::new();
        for step in steps {
            if !matches!(step, Step::Request(_)) {
                self.send(&std::mem::take(&mut outgoing))?;
            }
            match step {
                Step::Request(request) => outgoing.extend(self.request(request)?),
                Step::Answer(expected) => self.answer(expected)?,
                Step::Reconnect => self.hang_up(),
                Step::Wait(span) => pause(*span),
                Step::Times { count, steps } => {
                    for _ in 0..*count {
                        self.hang_up();
                        self.steps(steps)?;
                    }
                    self.hang_up();
                }
                Step::Walk(path) => {
                    let path = self.text(path)?;
                    walk::walk(self.world, &path)?;
                    self.heard = true;
                }
            }
        }
        Ok(())
    }

    fn request(&mut self, request: &Request) -> Result<Vec<u8>, Verdict> {
        self.awaited.push_back(request.method.clone());
        self.bytes(&request.bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Verdict> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.wire.is_none() {
            let connected = self.world.connect();
            self.wire = Some(connected.map_err(|trouble| failed("a connection", &trouble))?);
        }
        if let Some(wire) = &mut self.wire {
            wire.send(bytes);
        }
        Ok(())
    }

    fn answer(&mut self, expected: &Expected) -> Result<(), Verdict> {
        if self.wire.is_none() {
            // A case may also say nothing and wait for the end.
            let connected = self.world.connect();
            self.wire = Some(connected.map_err(|trouble| failed("a connection", &trouble))?);
        }
        let Some(wire) = &mut self.wire else {
            return Ok(());
        };
        let method = self.awaited.pop_front().unwrap_or_default();
        let answer = match wire.answer(method == "HEAD") {
            Ok(answer) => answer,
            Err(Trouble::Closed) if expected.outcomes.contains(&Outcome::Closed) => {
                self.heard = true;
                return Ok(());
            }
            Err(trouble) => {
                self.heard |= wire.was_heard() || trouble == Trouble::Closed;
                return Err(failed(&expected.shown, &trouble));
            }
        };
        self.heard = true;
        self.world.secrets.learn(&answer, method == "PUT");
        if !check::is_expected(&expected.outcomes, &answer) {
            return Err(failed(&expected.shown, &answer.status()));
        }
        let due = expected
            .checks
            .iter()
            .filter(|check| check.only.is_none_or(|code| code == answer.code));
        due.into_iter().try_for_each(|check| self.check(check, &answer))
    }

    fn check(&mut self, check: &Check, answer: &Answer) -> Result<(), Verdict> {
        let fault = match &check.test {
            Test::Keep(name, subject) => match check::value(subject, answer) {
                Ok(value) => {
                    self.kept.insert(name.clone(), value);
                    None
                }
                Err(instead) => Some(instead),
            },
            Test::Closes => self.wire.as_mut().and_then(left_over),
            test => check::judge(test, answer, &mut |name| self.value(name))?,
        };
        match fault {
            None => Ok(()),
            Some(got) => {
                let expected = fill_shown(&check.shown, &mut |name| self.value(name))?;
                Err(failed(&String::from_utf8_lossy(&expected), &got))
            }
        }
    }

    fn hang_up(&mut self) {
        self.wire = None;
        self.awaited.clear();
    }

    fn value(&mut self, name: &str) -> Result<Vec<u8>, Verdict> {
        match self.kept.get(name) {
            Some(value) => Ok(value.clone()),
            None => self.world.value(name),
        }
    }

    fn bytes(&mut self, template: &str) -> Result<Vec<u8>, Verdict> {
        fill(template, &mut |name| self.value(name))
    }

    fn text(&mut self, template: &str) -> Result<String, Verdict> {
        let bytes = self.bytes(template)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What is wrong with how the connection goes on after the answer, if anything.
fn left_over(wire: &mut Wire<'_>) -> Option<String> {
    match wire.ending() {
        Ok(0) => None,
        Ok(count) => Some(format!("{count} more bytes")),
        Err(Trouble::Silent) => Some("the connection stays open".to_owned()),
        Err(trouble) => Some(trouble.to_string()),
    }
}

/// Lets time pass, where time is the rule: waits for a message that nobody sends.
fn pause(span: Duration) {
    let (_silent, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(span);
}
