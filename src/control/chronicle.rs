//! What happened, a line of JSON each, for whoever listens on the socket.
//!
//! Bounded on all sides: so many lines of the past, so many readers, so many
//! lines on their way to each. Telling waits for nobody: who reads too slowly
//! misses lines, and is told how many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Lines that are told again to who comes later.
const PAST: usize = 64;
/// Readers at once; one more, and the first has to ask again. More than there are places at the
/// socket, so that no user can end what another one reads.
const READERS: usize = 256;
/// Lines on their way to a reader.
const UNREAD: usize = 256;

/// One thing that happened; docs/control.md has the members of each.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are those of the status")]
pub enum Event {
    Rotated {
        role: String,
        /// Whose own session it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        consumer: Option<String>,
        generation: u64,
        expires: Timestamp,
    },
    Failed {
        role: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        consumer: Option<String>,
        code: String,
        message: String,
        hint: Option<String>,
    },
    /// Somebody has to give something.
    Waiting(Demand),
    /// What was given before is soon worth nothing.
    Ending(Demand),
    /// Listeners without a role of their own serve another one.
    Activated {
        role: String,
    },
    Locked,
    Unlocked,
    Reloaded {
        changed: Vec<String>,
    },
    ReloadRefused {
        mistakes: Vec<String>,
    },
    Minted {
        consumer: String,
        role: String,
    },
    Revoked {
        consumer: String,
        role: String,
    },
    Stopping,
    /// So many lines did not fit on the way to this reader.
    Missed {
        count: u64,
    },
}

/// What somebody has to give, and the order that takes it.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the names are those of `[events] command`")]
pub struct Demand {
    pub role: String,
    pub what: &'static str,
    pub of: String,
    pub order: &'static str,
    pub message: String,
    pub until: Option<Timestamp>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

/// What happened of late, and who wants to know.
#[derive(Debug, Default)]
pub struct Chronicle(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    past: VecDeque<Bytes>,
    readers: VecDeque<Ear>,
    over: bool,
}

#[derive(Debug)]
struct Ear {
    lines: Sender<Bytes>,
    missed: u64,
}

impl Chronicle {
    /// Tells everybody who listens, and keeps it for a while.
    pub fn note(&self, time: Timestamp, event: &Event) {
        let line = line(time, event);
        let mut inside = self.inside();
        if inside.past.len() == PAST {
            inside.past.pop_front();
        }
        inside.past.push_back(line.clone());
        inside.readers.retain(|ear| !ear.lines.is_closed());
        for ear in &mut inside.readers {
            ear.hear(time, &line);
        }
    }

    /// What happened of late, and then what happens.
    #[must_use]
    pub fn read(&self) -> Reader {
        let (lines, live) = channel(UNREAD);
        let mut inside = self.inside();
        let past = inside.past.clone();
        if !inside.over {
            inside.readers.retain(|ear| !ear.lines.is_closed());
            if inside.readers.len() == READERS {
                inside.readers.pop_front();
            }
            inside.readers.push_back(Ear { lines, missed: 0 });
        }
        Reader { past, live }
    }

    /// Nothing more will happen: every reader comes to its end.
    pub fn close(&self) {
        let mut inside = self.inside();
        inside.over = true;
        inside.readers.clear();
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    fn hear(&mut self, time: Timestamp, text: &Bytes) {
        if self.missed > 0
            && self.lines.try_send(line(time, &Event::Missed { count: self.missed })).is_ok()
        {
            self.missed = 0;
        }
        if self.missed > 0 || self.lines.try_send(text.clone()).is_err() {
            self.missed += 1;
        }
    }
}

fn line(time: Timestamp, event: &Event) -> Bytes {
    // What is said here has no maps with odd keys.
    let mut text = serde_json::to_vec(&Line { time, event }).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// The body of an answer that has no end of its own.
#[derive(Debug)]
pub struct Reader {
    past: VecDeque<Bytes>,
    live: Receiver<Bytes>,
}

impl Body for Reader {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(line) = self.past.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(line))));
        }
        self.live.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn minted(number: usize) -> Event {
        Event::Minted { consumer: format!("c{number}"), role: "dev".to_owned() }
    }

    async fn rest(reader: Reader) -> Vec<String> {
        let bytes = reader.collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_reader_gets_the_late_past_and_then_what_happens() {
        let chronicle = Chronicle::default();
        for number in 0..100 {
            chronicle.note(NOW, &minted(number));
        }
        let reader = chronicle.read();
        chronicle.note(NOW, &Event::Locked);
        chronicle.close();
        chronicle.note(NOW, &Event::Unlocked);
        let lines = rest(reader).await;
        assert_eq!(lines.len(), PAST + 1);
        let first = "{\"time\":\"1970-01-01T00:00:00Z\",\"event\":\"minted\",\
            \"consumer\":\"c36\",\"role\":\"dev\"}";
        assert_eq!(lines[0], first);
        assert_eq!(lines[PAST], "{\"time\":\"1970-01-01T00:00:00Z\",\"event\":\"locked\"}");
        assert_eq!(rest(chronicle.read()).await.len(), PAST, "an end that has come is the end");
    }

    #[tokio::test]
    async fn who_reads_too_slowly_misses_lines_and_is_told_how_many() {
        let chronicle = Chronicle::default();
        let mut slow = chronicle.read();
        for number in 0..UNREAD + 9 {
            chronicle.note(NOW, &minted(number));
        }
        for _ in 0..3 {
            slow.frame().await.unwrap().unwrap();
        }
        chronicle.note(NOW, &Event::Locked);
        chronicle.close();
        let lines = rest(slow).await;
        assert_eq!(lines.len(), UNREAD - 3 + 2);
        assert!(lines[UNREAD - 3].ends_with("\"event\":\"missed\",\"count\":9}"), "{lines:?}");
        assert!(lines[UNREAD - 2].contains("locked"));
    }

    #[tokio::test]
    async fn readers_are_bounded_and_the_first_makes_room() {
        let chronicle = Chronicle::default();
        let readers: Vec<Reader> = (0..=READERS).map(|_| chronicle.read()).collect();
        chronicle.note(NOW, &Event::Locked);
        chronicle.close();
        let mut heard = Vec::new();
        for reader in readers {
            heard.push(rest(reader).await.len());
        }
        assert_eq!((heard[0], heard[1], heard[READERS]), (0, 1, 1));
    }
}
