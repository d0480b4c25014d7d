use std::fmt::Write;
use std::sync::Mutex;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::{self, Now};
use crate::credentials::Snapshot;
use crate::rotation::port::Attempt;
use crate::rotation::samples;
use crate::rotation::standing::Phase;

const HOUR: Duration = Duration::from_hours(1);

/// How an attempt ends.
enum Ending {
    Granted(Grant),
    Failed(Failure),
    Panic,
}

/// Hands each attempt to the test.
struct Asked(UnboundedSender<oneshot::Sender<Ending>>);

impl Assume for Asked {
    fn attempt(&self) -> Attempt {
        let (end, ending) = oneshot::channel();
        self.0.send(end).unwrap();
        Box::pin(async {
            match ending.await {
                Ok(Ending::Granted(grant)) => Ok(grant),
                Ok(Ending::Failed(failure)) => Err(failure),
                Ok(Ending::Panic) => panic!("a dependency's assumption expired"),
                Err(_) => std::future::pending().await,
            }
        })
    }
}

#[derive(Debug)]
enum Shown {
    Set(Snapshot),
    Failure(Failure),
}

struct Window(UnboundedSender<Shown>);

impl Publish for Window {
    fn publish(&self, snapshot: Snapshot, _: &Grant) {
        self.0.send(Shown::Set(snapshot)).unwrap();
    }

    fn failed(&self, failure: &Failure) {
        self.0.send(Shown::Failure(failure.clone())).unwrap();
    }
}

/// Tells for when it was set, and rings when the test says so.
struct HandRung {
    set: UnboundedSender<Option<Timestamp>>,
    rings: UnboundedReceiver<Rang>,
}

impl Alarm for HandRung {
    async fn ring_at(&mut self, at: Option<Timestamp>) -> Rang {
        let _ = self.set.send(at);
        match self.rings.recv().await {
            Some(rang) => rang,
            None => std::future::pending().await,
        }
    }
}

/// A clock that stands until it is moved.
#[derive(Debug)]
struct Standing(Mutex<Now>);

impl Clock for Standing {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

/// A running rotation, and all that it touches.
struct Bench {
    clock: Arc<Standing>,
    bell: Bell,
    shutdown: CancellationToken,
    ring: UnboundedSender<Rang>,
    set: UnboundedReceiver<Option<Timestamp>>,
    asked: UnboundedReceiver<oneshot::Sender<Ending>>,
    shown: UnboundedReceiver<Shown>,
    running: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        Self::with_patience(PATIENCE)
    }

    fn with_patience(patience: Duration) -> Self {
        let clock = Arc::new(Standing(Mutex::new(samples::moment(HOUR))));
        let (bell, shutdown) = (Bell::default(), CancellationToken::new());
        let (ask, asked) = unbounded_channel();
        let (show, shown) = unbounded_channel();
        let (setting, set) = unbounded_channel();
        let (ring, rings) = unbounded_channel();
        let rotation = Rotation {
            role: "deploy".to_owned(),
            assume: Arc::new(Asked(ask)),
            publish: Arc::new(Window(show)),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            alarm: HandRung { set: setting, rings },
            bell: bell.clone(),
            dice: Box::new(|| 0.0),
            patience,
        };
        let running = tokio::spawn(rotation.run(shutdown.clone()));
        Self { clock, bell, shutdown, ring, set, asked, shown, running }
    }

    async fn end(&mut self, ending: Ending) {
        let attempt = self.asked.recv().await.unwrap();
        assert!(attempt.send(ending).is_ok());
    }

    async fn grant(&mut self, number: u64) -> Snapshot {
        let grant = samples::grant(number, self.clock.now().wall, HOUR);
        self.end(Ending::Granted(grant)).await;
        match self.shown.recv().await.unwrap() {
            Shown::Set(snapshot) => snapshot,
            Shown::Failure(failure) => panic!("{failure}"),
        }
    }

    async fn fail(&mut self, ending: Ending) -> Failure {
        self.end(ending).await;
        self.failure().await
    }

    async fn failure(&mut self) -> Failure {
        match self.shown.recv().await.unwrap() {
            Shown::Failure(failure) => failure,
            Shown::Set(snapshot) => panic!("{snapshot:?}"),
        }
    }

    /// Lets rotation run until it has nothing left to do; for when its alarm is set.
    async fn settle(&mut self) -> Option<Timestamp> {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut last = None;
        while let Ok(set) = self.set.try_recv() {
            last = set;
        }
        last
    }

    fn pass(&self, span: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        now.wall = clock::later(now.wall, span);
        now.boot = now.boot.plus(span);
    }
}

fn unreachable() -> Ending {
    Ending::Failed(Failure::new(Kind::Unreachable, "no route to host").hint("check the network"))
}

#[tokio::test]
async fn it_asks_publishes_and_sleeps_until_the_half_life() {
    let mut bench = Bench::new();
    assert_eq!(bench.grant(1).await.generation, 1);
    let alarm = bench.settle().await.unwrap();
    let wait = clock::until(bench.clock.now().wall, alarm);
    assert_eq!(wait, Duration::from_millis(3_599_000 / 2));
    bench.pass(wait);
    bench.ring.send(Rang::Due).unwrap();
    assert_eq!(bench.grant(2).await.generation, 2);
}

#[tokio::test]
async fn a_panic_in_an_attempt_is_a_failure_and_rotation_goes_on() {
    let mut bench = Bench::new();
    assert_eq!(bench.fail(Ending::Panic).await.kind, Kind::Panicked);
    bench.bell.refresh();
    assert_eq!(bench.grant(1).await.generation, 1);
}

#[tokio::test]
async fn an_attempt_that_hangs_is_given_up() {
    let mut bench = Bench::with_patience(Duration::ZERO);
    let abandoned = bench.asked.recv().await.unwrap();
    assert_eq!(bench.failure().await.kind, Kind::Unreachable);
    assert!(abandoned.is_closed());
}

#[tokio::test]
async fn refresh_is_remembered_while_an_attempt_is_in_flight() {
    let mut bench = Bench::new();
    let first = bench.asked.recv().await.unwrap();
    bench.bell.refresh();
    bench.bell.refresh();
    assert_eq!(bench.settle().await, None);
    assert!(bench.asked.is_empty(), "a second attempt in flight");
    let grant = samples::grant(1, bench.clock.now().wall, HOUR);
    assert!(first.send(Ending::Granted(grant)).is_ok());
    assert!(matches!(bench.shown.recv().await, Some(Shown::Set(_))));
    assert_eq!(bench.grant(2).await.generation, 2);
    assert!(bench.settle().await.is_some());
    assert!(bench.asked.is_empty(), "two refreshes are one");
}

#[tokio::test]
async fn a_thousand_requests_are_one_attempt_in_two_seconds() {
    let mut bench = Bench::new();
    bench.fail(unreachable()).await;
    bench.settle().await;
    for _ in 0..1000 {
        let soon = bench.bell.demand(bench.clock.now().boot);
        assert!(soon >= Duration::from_secs(1), "waiting less brings nothing: {soon:?}");
    }
    assert!(bench.settle().await.is_some());
    assert!(bench.asked.is_empty(), "too early");
    bench.pass(Duration::from_secs(2));
    for _ in 0..1000 {
        assert_eq!(bench.bell.demand(bench.clock.now().boot), Duration::ZERO);
    }
    assert_eq!(bench.grant(1).await.generation, 1);
    assert!(bench.asked.is_empty());
}

#[tokio::test]
async fn a_clock_change_cuts_the_back_off_short() {
    let mut bench = Bench::new();
    bench.fail(Ending::Failed(Failure::new(Kind::Refused, "no"))).await;
    bench.settle().await;
    bench.pass(Duration::from_secs(2));
    bench.ring.send(Rang::ClockChanged).unwrap();
    assert_eq!(bench.grant(1).await.generation, 1);
}

#[tokio::test]
async fn a_lock_drops_the_attempt_and_an_unlock_begins_another() {
    let mut bench = Bench::new();
    assert_eq!(bench.grant(1).await.generation, 1);
    bench.bell.refresh();
    let mut dropped = bench.asked.recv().await.unwrap();
    bench.bell.lock();
    dropped.closed().await;
    assert_eq!(bench.settle().await, None);
    assert_eq!(bench.bell.standing().borrow().phase, Phase::Locked);
    bench.bell.refresh();
    bench.settle().await;
    assert!(bench.asked.is_empty(), "locked");
    bench.bell.unlock();
    assert_eq!(bench.grant(2).await.generation, 2);
    bench.settle().await;
    // Too quick to be seen as two, and still nothing old stays.
    bench.bell.lock();
    bench.bell.unlock();
    assert_eq!(bench.grant(3).await.generation, 3);
}

#[tokio::test]
async fn whoever_refreshes_can_wait_for_the_outcome() {
    let mut bench = Bench::new();
    bench.fail(unreachable()).await;
    let mut standing = bench.bell.standing();
    let before = bench.settle().await.and(Some(standing.borrow().attempts));
    bench.bell.refresh();
    bench.fail(unreachable()).await;
    let after = standing.wait_for(|now| Some(now.landed()) > before).await.unwrap();
    assert_eq!((after.failures, after.phase), (2, Phase::Waiting));
}

#[tokio::test]
async fn shutdown_ends_it_and_drops_the_attempt_in_flight() {
    let mut bench = Bench::new();
    let attempt = bench.asked.recv().await.unwrap();
    bench.settle().await;
    bench.shutdown.cancel();
    bench.running.await.unwrap();
    let mut attempt = attempt;
    attempt.closed().await;
}

#[test]
fn dice_fall_within_bounds_and_not_twice_the_same() {
    let dice = dice();
    let throws: Vec<f64> = (0..100).map(|_| dice()).collect();
    assert!(throws.iter().all(|throw| (0.0..1.0).contains(throw)));
    assert!(throws.windows(2).any(|pair| pair[0] < pair[1]));
    assert!(throws.windows(2).any(|pair| pair[0] > pair[1]));
}

/// Keeps the lines of the log, `LEVEL field=value field=value`.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("assumed")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn the_log_tells_what_happened_once_and_no_secret() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.fail(unreachable()).await;
        bench.bell.refresh();
    }
    bench.grant(1).await;
    bench.settle().await;

    let lines = lines.0.lock().unwrap();
    let told: Vec<&String> = lines.iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let [failed, rotated] = told.as_slice() else { panic!("{lines:#?}") };
    for part in [
        "WARN",
        "event=\"failed\"",
        "role=deploy",
        "error=no route to host",
        "hint=\"check the network\"",
        "next=2026-01-01T01:00:01Z",
    ] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    for part in [
        "INFO",
        "event=\"rotated\"",
        "role=deploy",
        "generation=1",
        "expires=2026-01-01T02:00:00Z",
        "next=2026-01-01T01:29:59.5Z",
    ] {
        assert!(rotated.contains(part), "{part}: {rotated}");
    }
    let all = lines.concat();
    for secret in ["ASIA", "secret-1", "session-1"] {
        assert!(!all.contains(secret), "{all}");
    }
}
