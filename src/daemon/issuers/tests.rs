//! Keys of an issuer on simulated time: the clock stands until a test moves it, and the alarm
//! rings when a test says so.

use std::fmt::{self, Write as _};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::key_refresh::{KeyRefresh, KeyRequests};
use super::*;
use crate::clock::{self, BootTime, Now};
use crate::container::pod::Keyring;
use crate::failure::{Failure, Kind};
use crate::rotation::port::{Alarm, Rang};
use jiff::Timestamp;

const ISSUER: &str = "https://oidc.example.com/c";

#[derive(Debug)]
struct Standing(Mutex<Now>);

impl Clock for Standing {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

/// Reports for when it was set.
struct HandRung {
    set: UnboundedSender<Timestamp>,
    rings: UnboundedReceiver<Rang>,
}

impl Alarm for HandRung {
    async fn ring_at(&mut self, at: Option<Timestamp>) -> Rang {
        self.set.send(at.unwrap()).unwrap();
        match self.rings.recv().await {
            Some(rang) => rang,
            None => std::future::pending().await,
        }
    }
}

/// The text of a key set, or nothing while the issuer is down.
type Published = Arc<Mutex<Option<&'static str>>>;

const KEYS: &str = "{\"keys\": []}";
const OTHERS: &str = "{\"keys\": [ ]}";

struct Bench {
    clock: Arc<Standing>,
    requests: Arc<KeyRequests>,
    keys: watch::Receiver<BTreeMap<String, IssuerKeys>>,
    published: Published,
    fetches: Arc<AtomicU32>,
    ring: UnboundedSender<Rang>,
    set: UnboundedReceiver<Timestamp>,
    lines: Lines,
    _task: AbortOnDropHandle<()>,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Bench {
    async fn start() -> Self {
        let lines = Lines::default();
        let subscriber = tracing::subscriber::set_default(lines.clone());
        let start = Now { wall: Timestamp::constant(1_800_000_000, 0), boot: BootTime::default() };
        let clock = Arc::new(Standing(Mutex::new(start)));
        let requests = Arc::new(KeyRequests::new(start.boot));
        let (published, fetches) = (Published::default(), Arc::<AtomicU32>::default());
        *published.lock().unwrap() = Some(KEYS);
        let (text, count) = (Arc::clone(&published), Arc::clone(&fetches));
        let keys = Keys::default();
        let refresh = KeyRefresh {
            issuer: ISSUER.to_owned(),
            source: Box::new(move || {
                count.fetch_add(1, Relaxed);
                let text = *text.lock().unwrap();
                let down = || Failure::new(Kind::Unreachable, "the issuer: connection refused");
                let keyring = text.map(|text| Keyring::read(text).unwrap()).ok_or_else(down);
                Box::pin(async { keyring })
            }),
            file: None,
            watch: None,
            requests: Arc::clone(&requests),
            keys: keys.clone(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let (setting, set) = unbounded_channel();
        let (ring, rings) = unbounded_channel();
        let task = tokio::spawn(refresh.run(HandRung { set: setting, rings }));
        let mut bench = Self {
            clock,
            requests,
            keys: keys.subscribe(),
            published,
            fetches,
            ring,
            set,
            lines,
            _task: AbortOnDropHandle::new(task),
            _subscriber: subscriber,
        };
        bench.settle().await;
        bench
    }

    /// Lets the task run until it waits; for how long it will.
    async fn settle(&mut self) -> Duration {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut last = None;
        while let Ok(set) = self.set.try_recv() {
            last = Some(set);
        }
        last.map_or(Duration::ZERO, |at| clock::until(self.clock.now().wall, at))
    }

    fn pass(&self, span: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        now.wall = clock::later(now.wall, span);
        now.boot = now.boot.plus(span);
    }

    /// Lets time pass until the alarm rings.
    async fn pass_to_alarm(&mut self, wait: Duration) -> Duration {
        self.pass(wait);
        self.ring.send(Rang::Due).unwrap();
        self.settle().await
    }

    fn count(&self) -> u32 {
        self.fetches.load(Relaxed)
    }

    fn are_usable(&self) -> bool {
        let now = self.clock.now().boot;
        self.keys.borrow().get(ISSUER).is_some_and(|keys| keys.usable(now).is_some())
    }

    fn lines(&self, level: &str) -> Vec<String> {
        let lines = self.lines.0.lock().unwrap();
        lines.iter().filter(|line| line.starts_with(level)).cloned().collect()
    }
}

/// The lines of the log, as `LEVEL message`.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, " {value:?}").unwrap();
        }
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("assumed::daemon::issuers")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(event.metadata().level().to_string());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn keys_are_fetched_at_once_and_then_every_ten_minutes() {
    let mut bench = Bench::start().await;
    assert_eq!(bench.count(), 1);
    assert!(bench.are_usable());
    // The alarm was set while the bench started.
    bench.requests.insist(bench.clock.now().boot, Duration::ZERO);
    let mut wait = bench.settle().await;
    for count in 3..200 {
        assert!((540..=600).contains(&wait.as_secs()), "{wait:?}");
        wait = bench.pass_to_alarm(wait).await;
        assert_eq!(bench.count(), count);
    }
    assert!(bench.are_usable());
    assert_eq!(bench.lines("WARN").len(), 1, "only that this key set has no key of use");
}

#[tokio::test]
async fn an_outage_of_an_hour_ends_the_keys_and_takes_two_lines() {
    let mut bench = Bench::start().await;
    *bench.published.lock().unwrap() = None;
    bench.requests.insist(bench.clock.now().boot, Duration::ZERO);
    let mut wait = bench.settle().await;
    let mut passed = Duration::ZERO;
    while passed + wait < Duration::from_secs(3599) {
        assert!(bench.are_usable(), "after {passed:?}");
        assert!(Duration::from_secs(9) < wait && wait <= Duration::from_mins(5), "{wait:?}");
        passed += wait;
        wait = bench.pass_to_alarm(wait).await;
    }
    assert_eq!(passed + wait, Duration::from_hours(1), "it wakes up when they end");
    wait = bench.pass_to_alarm(wait).await;
    assert!(!bench.are_usable());
    for _ in 0..50 {
        wait = bench.pass_to_alarm(wait).await;
    }
    let warned = bench.lines("WARN");
    assert_eq!(warned.len(), 3, "{warned:?}");
    assert!(warned[1].contains("those of before count for an hour"), "{warned:?}");
    assert!(warned[2].contains("are an hour old and do not count any more"), "{warned:?}");

    *bench.published.lock().unwrap() = Some(OTHERS);
    bench.pass_to_alarm(wait).await;
    assert!(bench.are_usable(), "and then they are back");
}

#[tokio::test]
async fn a_machine_that_slept_does_not_trust_old_keys_and_fetches_new_ones() {
    let mut bench = Bench::start().await;
    bench.pass(Duration::from_hours(9));
    assert!(!bench.are_usable(), "before anybody noticed");
    *bench.published.lock().unwrap() = Some(OTHERS);
    bench.ring.send(Rang::ClockChanged).unwrap();
    bench.settle().await;
    assert_eq!(bench.count(), 2);
    assert!(bench.are_usable());
}

#[tokio::test]
async fn a_wall_clock_that_is_set_makes_no_keys_older() {
    let mut bench = Bench::start().await;
    for hours in [100, -100] {
        bench.clock.0.lock().unwrap().wall += jiff::SignedDuration::from_hours(hours);
        bench.ring.send(Rang::ClockChanged).unwrap();
        let wait = bench.settle().await;
        assert!(bench.are_usable());
        assert!((540..=600).contains(&wait.as_secs()), "{wait:?}");
    }
    assert_eq!(bench.count(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_an_attempt_in_ten_seconds_and_takes_no_keys_away() {
    let mut bench = Bench::start().await;
    *bench.published.lock().unwrap() = None;
    for second in 0..1000 {
        for _ in 0..100 {
            bench.requests.ask(bench.clock.now().boot);
        }
        bench.settle().await;
        assert!(bench.are_usable());
        assert!(bench.count() <= 2 + second / 10, "{} after {second} s", bench.count());
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(bench.lines("WARN").len(), 2, "the failure is logged once");
    bench.requests.log_again();
    bench.requests.insist(bench.clock.now().boot, Duration::ZERO);
    bench.settle().await;
    assert_eq!(bench.lines("WARN").len(), 3, "and once more after a reload");
}
