//! The consumers of the container endpoint, and what is kept of them over a restart.

use std::io;

use assumed_shuttle::clock::Clock;
use assumed_shuttle::container::port::Vault;
use assumed_shuttle::container::{Consumers, Order, Place};
use assumed_shuttle::samples::{Clockwork, START};
use assumed_shuttle::store::register::Register;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use zeroize::Zeroizing;

const SCHEDULES: usize = 2000;

/// A file that takes a while to write; clones are the same file.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Contents>);

#[derive(Debug, Default)]
struct Contents {
    drawn: Mutex<u8>,
    kept: Mutex<String>,
}

impl Vault for Disk {
    fn draw(&self) -> Zeroizing<[u8; 32]> {
        let mut drawn = self.0.drawn.lock().unwrap();
        *drawn += 1;
        Zeroizing::new([*drawn; 32])
    }

    fn keep(&self, ledger: &str) -> io::Result<()> {
        thread::yield_now();
        ledger.clone_into(&mut self.0.kept.lock().unwrap());
        Ok(())
    }
}

fn order(name: &str) -> Order {
    let (name, place) = (name.parse().unwrap(), Place::Authorization);
    Order { name, role: "dev".into(), place, lifetime: None, kept: true, narrowing: None }
}

#[test]
fn what_is_kept_at_the_end_is_what_counts_at_the_end() {
    shuttle::check_random(
        || {
            let disk = Disk::default();
            let vault = Box::new(disk.clone());
            let clock: Arc<dyn Clock> = Clockwork::new();
            let register = Arc::new(Register::new(Consumers::default(), vault, clock));
            let changing: Vec<_> = ["one", "two", "three"]
                .map(|name| {
                    let register = Arc::clone(&register);
                    thread::spawn(move || {
                        let secret = register.mint(order(name)).unwrap();
                        let place = Place::Authorization;
                        let secret = secret.expose().as_bytes();
                        assert!(register.read().authorise(secret, place, START).is_some());
                        if name == "two" {
                            register.revoke(&name.parse().unwrap()).unwrap();
                            assert!(register.read().authorise(secret, place, START).is_none());
                        }
                    })
                })
                .into();
            for change in changing {
                change.join().unwrap();
            }
            let kept = Consumers::from_ledger(&disk.0.kept.lock().unwrap(), START).unwrap();
            let names = |list: Vec<_>| -> Vec<String> {
                list.iter()
                    .map(|it: &assumed_shuttle::container::Consumer| it.name.to_string())
                    .collect()
            };
            assert_eq!(names(kept.list(START)), ["one", "three"]);
            assert_eq!(names(register.list()), ["one", "three"]);
        },
        SCHEDULES,
    );
}
