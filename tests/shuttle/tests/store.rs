//! The credential store: one writer, many readers, and whoever locks it.

use std::net::{IpAddr, Ipv4Addr};

use assumed_shuttle::failure::{Failure, Kind};
use assumed_shuttle::imds::{
    self, Field, HostNames, HttpTokens, Method, Options, Reply, Request, Shown, TokenKey, View,
};
use assumed_shuttle::rotation::port::Publish as _;
use assumed_shuttle::samples::{Clockwork, START, grant, key_id, snapshot, store};
use assumed_shuttle::store::Store;
use shuttle::sync::Arc;
use shuttle::thread;

const SCHEDULES: usize = 2000;

fn publish(store: &Store, generation: u64) {
    store.publish(snapshot(generation, START), &grant(generation, START));
}

/// The credential document as a request gets it.
fn document(state: &assumed_shuttle::store::State) -> String {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request {
        method: Method::Get,
        path: "/latest/meta-data/iam/security-credentials/deploy",
        authority: None,
        http_10: false,
        host: Field::One(b"127.0.0.1"),
        token: Field::Absent,
        ttl: Field::Absent,
        forwarded: false,
        browser: false,
        expects: false,
    };
    let view = View {
        options: &Options { http_tokens: HttpTokens::Optional, ..Options::default() },
        names: &HostNames::new([local], []),
        local,
        key: &TokenKey::new(&[0; 32], "boot"),
        shown: &Shown::default(),
        tree: &state.tree,
        now: START,
        nonce: 0,
        patient: false,
    };
    let reply: Reply = imds::answer(&request, &view).into_reply();
    match reply.into_body() {
        imds::ReplyBody::Shared(text) => String::from_utf8(text.to_vec()).unwrap(),
        _ => String::new(),
    }
}

/// What one reading sees: its generation, all parts of which must agree; 0 if there is none.
fn seen(store: &Store) -> u64 {
    let state = store.read();
    let generation = state.snapshot.as_ref().map_or(0, |snapshot| snapshot.generation);
    let text = document(&state);
    if generation == 0 {
        assert!(!text.contains("ASIA"), "the tree has what the snapshot has not: {text}");
    } else {
        assert!(text.contains(&key_id(generation)), "generation {generation}: {text}");
    }
    assert!(!state.locked || generation == 0, "locked, and holds generation {generation}");
    generation
}

#[test]
fn c18_a_reading_sees_one_generation_and_never_an_older_one_after_it() {
    shuttle::check_random(
        || {
            let store = store(Clockwork::new());
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let store = Arc::clone(&store);
                    thread::spawn(move || {
                        let mut last = 0;
                        for _ in 0..4 {
                            let now = seen(&store);
                            assert!(now >= last, "{now} after {last}");
                            last = now;
                        }
                    })
                })
                .collect();
            for generation in 1..=3 {
                publish(&store, generation);
                store.failed(&Failure::new(Kind::Unreachable, "no"));
            }
            for reader in readers {
                reader.join().unwrap();
            }
            assert_eq!(seen(&store), 3);
        },
        SCHEDULES,
    );
}

#[test]
fn nothing_is_held_after_a_lock_whatever_is_published_meanwhile() {
    shuttle::check_random(
        || {
            let store = store(Clockwork::new());
            let writer = {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    for generation in 1..=3 {
                        publish(&store, generation);
                        store.failed(&Failure::new(Kind::Refused, "no"));
                    }
                })
            };
            store.lock();
            for _ in 0..3 {
                assert_eq!(seen(&store), 0);
            }
            writer.join().unwrap();
            assert_eq!(seen(&store), 0);
            store.unlock();
            assert_eq!(seen(&store), 0, "what was published while it was locked comes back");
        },
        SCHEDULES,
    );
}

#[test]
fn whoever_waits_for_an_outcome_hears_of_it() {
    shuttle::check_random(
        || {
            let store = store(Clockwork::new());
            let waiting = {
                let mut outcomes = store.subscribe();
                thread::spawn(move || {
                    shuttle::future::block_on(outcomes.wait_for(|state| state.snapshot.is_some()))
                        .map(|state| state.snapshot.as_ref().unwrap().generation)
                        .unwrap()
                })
            };
            store.failed(&Failure::new(Kind::Unreachable, "no"));
            publish(&store, 1);
            assert_eq!(waiting.join().unwrap(), 1);
        },
        SCHEDULES,
    );
}
