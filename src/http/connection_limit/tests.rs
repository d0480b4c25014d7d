use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::{Clock, Now, SystemClock};

/// A clock that stands at the given moment.
#[derive(Debug)]
struct Fixed(Mutex<BootTime>);

impl Clock for Fixed {
    fn now(&self) -> Now {
        Now { boot: *self.0.lock().unwrap(), wall: SystemClock.now().wall }
    }
}

fn millis(millis: u64) -> BootTime {
    BootTime::from_boot(Duration::from_millis(millis))
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const ALICE: Source = Source::User(1);
const BOB: Source = Source::User(2);
const MALLORY: Source = Source::User(3);

/// A table whose connections come at given milliseconds.
struct World {
    table: Table,
    activities: Vec<(Id, Arc<ConnectionActivity>)>,
}

impl World {
    fn new(capacity: usize) -> Self {
        Self { table: Table::new(capacity), activities: Vec::new() }
    }

    fn listener(&mut self, max: usize) -> Id {
        self.table.add_listener(address("127.0.0.1:1338"), max)
    }

    /// One that is idle since `at`, because a request was answered then.
    fn idle(&mut self, listener: Id, source: Source, at: u64) -> Id {
        let id = self.connect(listener, Some(source), at);
        self.activity(id).note_request(millis(at));
        id
    }

    /// One that has sent nothing yet.
    fn connect(&mut self, listener: Id, source: Option<Source>, at: u64) -> Id {
        let clock: Arc<dyn Clock> = Arc::new(Fixed(Mutex::new(millis(at))));
        let activity = Arc::new(ConnectionActivity::new(&clock));
        let connection = Connection {
            peer: address("127.0.0.1:40000"),
            local: address("127.0.0.1:1338"),
            accepted: millis(at),
            activity: Arc::clone(&activity),
            task: None,
        };
        let id = self.table.insert(listener, source, connection);
        self.activities.push((id, activity));
        id
    }

    fn hold(&self, id: Id) {
        std::mem::forget(self.activity(id).hold());
    }

    fn activity(&self, id: Id) -> &ConnectionActivity {
        &self.activities.iter().find(|(found, _)| *found == id).unwrap().1
    }

    /// The connection that goes for a newcomer; it is removed, and the newcomer comes.
    fn victim(&mut self, listener: Id, source: Source, at: u64) -> Id {
        match self.table.place_for(listener, Some(source), millis(at)) {
            Place::Taken(victim) => {
                self.table.remove(victim.listener, victim.connection).unwrap();
                self.idle(listener, source, at);
                victim.connection
            }
            place => panic!("{place:?}"),
        }
    }
}

#[test]
fn below_the_limit_every_newcomer_has_a_place() {
    let mut world = World::new(1000);
    let listener = world.listener(16);
    for at in 0..15 {
        world.idle(listener, MALLORY, at);
    }
    assert_eq!(world.table.place_for(listener, Some(MALLORY), millis(100)), Place::Free);
}

#[test]
fn the_source_that_has_most_loses_its_oldest_idle_connection() {
    let mut world = World::new(1000);
    let listener = world.listener(16);
    let alice = world.idle(listener, ALICE, 1);
    let first = world.idle(listener, MALLORY, 20);
    for at in 21..35 {
        world.idle(listener, MALLORY, at);
    }
    assert_eq!(world.victim(listener, BOB, 1000), first);
    world.activity(alice).note_request(millis(1001));
    for _ in 0..10 {
        let gone = world.victim(listener, BOB, 1002);
        assert!(gone != alice && gone != first);
    }
}

#[test]
fn a_source_that_has_its_share_makes_room_among_its_own() {
    let mut world = World::new(1000);
    let listener = world.listener(16);
    let mallory = world.idle(listener, MALLORY, 0);
    for at in 1..4 {
        world.idle(listener, MALLORY, at);
    }
    for at in 4..16 {
        world.idle(listener, ALICE, at);
    }
    assert_eq!(world.victim(listener, MALLORY, 1000), mallory, "though Alice has more");
}

#[test]
fn of_many_small_sources_the_oldest_connection_goes() {
    let mut world = World::new(1000);
    let listener = world.listener(16);
    let ids: Vec<Id> = (0..16)
        .map(|n| world.idle(listener, Source::User(100 - u32::try_from(n).unwrap()), n))
        .collect();
    for id in ids {
        assert_eq!(
            world.victim(listener, Source::User(u32::try_from(id).unwrap() + 1000), 1000),
            id
        );
    }
}

#[test]
fn a_request_in_hand_outlives_every_idle_connection() {
    let mut world = World::new(1000);
    let listener = world.listener(16);
    for at in 0..14 {
        let id = world.idle(listener, MALLORY, at);
        world.hold(id);
    }
    let idle = [world.idle(listener, ALICE, 500), world.idle(listener, BOB, 501)];
    assert_eq!(world.victim(listener, Source::User(4), 1000), idle[0]);
    assert_eq!(world.victim(listener, Source::User(5), 1000), idle[1]);
}

#[test]
fn a_source_whose_requests_are_all_in_hand_loses_the_oldest_of_them() {
    let mut world = World::new(1000);
    let listener = world.listener(16);
    let held: Vec<Id> = (0..16).map(|at| world.idle(listener, MALLORY, at)).collect();
    for id in &held {
        world.hold(*id);
    }
    assert_eq!(world.victim(listener, ALICE, 1000), held[0]);
    assert_eq!(world.victim(listener, MALLORY, 1000), held[1]);
}

#[test]
fn a_connection_has_time_to_send_its_first_request() {
    let mut world = World::new(2000);
    let listener = world.listener(1000);
    let first = world.connect(listener, Some(MALLORY), 100);
    for _ in 1..1000 {
        world.connect(listener, Some(MALLORY), 100);
    }
    let place = |world: &World, at| world.table.place_for(listener, Some(ALICE), millis(at));
    assert_eq!(place(&world, 105), Place::Soon(Duration::from_millis(15)));
    let victim = Victim { listener, connection: first, source: Some(MALLORY) };
    assert_eq!(place(&world, 120), Place::Taken(victim));
    world.activity(first).note_request(millis(104));
    assert_eq!(place(&world, 105), Place::Taken(victim), "answered, so idle");
}

#[test]
fn one_listener_cannot_take_the_places_of_another() {
    let mut world = World::new(100);
    let [imds, metrics] = [1000, 1000].map(|max| world.listener(max));
    let first = world.idle(imds, MALLORY, 0);
    for at in 1..100 {
        world.idle(imds, MALLORY, at);
    }
    assert_eq!(world.victim(metrics, MALLORY, 1000), first);
    for _ in 1..50 {
        world.victim(metrics, MALLORY, 1000);
    }
    assert_eq!(world.table.listener(metrics).unwrap().len(), 50);
    let own = world.victim(metrics, ALICE, 1001);
    assert!(own >= first + 100, "beyond what is reserved, its own go");
    assert_eq!(world.table.listener(imds).unwrap().len(), 50);
    assert_eq!(world.table.open(), 100);
}

#[test]
fn a_listener_that_is_closed_reserves_nothing() {
    let mut world = World::new(100);
    let [old, new] = [1000, 1000].map(|max| world.listener(max));
    for at in 0..100 {
        world.idle(old, ALICE, at);
    }
    world.table.close_listener(old);
    for _ in 0..100 {
        world.victim(new, ALICE, 1000);
    }
    assert!(world.table.listener(old).is_none(), "forgotten with its last connection");
    assert_eq!(world.table.listener(new).unwrap().len(), 100);
}

#[test]
fn connections_are_counted_for_their_users_once_these_are_known() {
    let mut world = World::new(100);
    let listener = world.listener(16);
    let alice = world.connect(listener, None, 0);
    for at in 1..16 {
        world.connect(listener, None, at);
    }
    let mut lookups = 0..;
    let found = world.table.listener_mut(listener).unwrap();
    let lookups = std::cell::RefCell::new(&mut lookups);
    found.identify(usize::MAX, |_| {
        if lookups.borrow_mut().next() == Some(0) { ALICE } else { MALLORY }
    });
    assert_eq!(lookups.borrow_mut().next(), Some(16));
    assert_eq!(world.victim(listener, ALICE, 1000), alice + 1);
}

#[test]
fn a_connection_is_counted_out_once() {
    let mut world = World::new(100);
    let listener = world.listener(16);
    let id = world.idle(listener, ALICE, 0);
    assert!(world.table.remove(listener, id).is_some());
    assert!(world.table.remove(listener, id).is_none());
    assert_eq!(world.table.open(), 0);
}

fn limiter(capacity: usize, on_idle: impl Fn() + Send + Sync + 'static) -> Arc<ConnectionLimiter> {
    Arc::new(ConnectionLimiter::new(capacity, |peer, _| Source::User(peer.port().into()), on_idle))
}

async fn enter(limit: &ListenerLimit, peer: &str) -> ConnectionPermit {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let activity = Arc::new(ConnectionActivity::new(&clock));
    let (peer, local) = (address(peer), address("127.0.0.1:1338"));
    limit.admit(Newcomer { peer, local, uid: None, activity }).await
}

#[tokio::test]
async fn on_idle_is_called_once_when_many_connections_are_closed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let limiter = limiter(1000, move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let limit = limiter.listener(address("127.0.0.1:1338"), 1000);
    let gather = async |count: usize| {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(enter(&limit, "127.0.0.1:7").await);
        }
        all
    };
    drop(gather(40).await);
    assert_eq!(calls.load(Ordering::Relaxed), 0, "too few");
    let many = gather(200).await;
    assert_eq!(calls.load(Ordering::Relaxed), 0, "still there");
    drop(many);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    drop(gather(10).await);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_task_of_the_evicted_connection_is_aborted_and_its_place_taken() {
    let limiter = limiter(1000, || {});
    let limit = limiter.listener(address("127.0.0.1:1338"), 4);
    let mut tasks = Vec::new();
    for port in [7, 7, 7, 8] {
        let permit = enter(&limit, &format!("127.0.0.1:{port}")).await;
        let connection = permit.connection();
        let task = tokio::spawn(async move {
            let _permit = permit;
            std::future::pending::<()>().await;
        });
        limit.attach(connection, task.abort_handle());
        tasks.push(task);
    }
    // Waits until the first one is old enough to be closed.
    let _newcomer = enter(&limit, "127.0.0.1:9").await;
    assert!(tasks.remove(0).await.unwrap_err().is_cancelled());
    assert!(tasks.iter().all(|task| !task.is_finished()));
    assert_eq!(limiter.lock().table.open(), 4);
}
