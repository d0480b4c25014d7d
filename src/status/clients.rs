//! Which programs ask, by what they call themselves.
//!
//! Bounded, for anybody on this host can send any `User-Agent`: few entries,
//! short texts, printable characters only. Who was not seen for longest makes
//! room for who is new.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many programs are remembered.
const MOST: usize = 16;
/// How much of a name is kept.
const LONGEST: usize = 48;

/// One program that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The first word of its `User-Agent`, such as `Boto3/1.34.0`.
    pub user_agent: String,
    /// How often it asked since it was first seen.
    pub requests: u64,
    /// When it asked last.
    pub last_seen: Timestamp,
}

/// The programs that asked; cheap enough for the request path.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Vec<Seen>>);

impl Clients {
    /// Notes one request; the usual one, from somebody known, allocates nothing.
    pub fn note(&self, user_agent: &[u8], now: Timestamp) {
        let name = name(user_agent);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.iter_mut().find(|known| known.user_agent.as_bytes() == name) {
            known.requests += 1;
            known.last_seen = now;
            return;
        }
        if seen.len() >= MOST {
            let oldest = seen.iter().enumerate().min_by_key(|(_, known)| known.last_seen);
            if let Some((place, _)) = oldest {
                seen.swap_remove(place);
            }
        }
        // ASCII, so that nothing is lost.
        let user_agent = String::from_utf8_lossy(name).into_owned();
        seen.push(Seen { user_agent, requests: 1, last_seen: now });
    }

    /// All of them, the last one first.
    #[must_use]
    pub fn list(&self) -> Vec<Seen> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.sort_by_key(|known| std::cmp::Reverse(known.last_seen));
        seen
    }
}

/// The first word, as far as it is printable.
fn name(user_agent: &[u8]) -> &[u8] {
    let end = user_agent.iter().take(LONGEST).take_while(|b| b.is_ascii_graphic()).count();
    match user_agent.get(..end) {
        Some(name) if !name.is_empty() => name,
        _ => b"-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_program_is_its_first_word() {
        let clients = Clients::default();
        clients.note(b"Boto3/1.34 md/Botocore#1.34 os/linux", at(1));
        clients.note(b"Boto3/1.34 md/Botocore#1.35", at(2));
        clients.note(b"evil/1\x1b[31m", at(3));
        clients.note(b"", at(4));
        clients.note(&[b'x'; 500], at(5));
        let list = clients.list();
        let names: Vec<&str> = list.iter().map(|seen| seen.user_agent.as_str()).collect();
        assert_eq!(names, ["x".repeat(LONGEST).as_str(), "-", "evil/1", "Boto3/1.34"]);
        assert_eq!((list[3].requests, list[3].last_seen), (2, at(2)));
    }

    #[test]
    fn a_flood_of_names_takes_no_room_and_leaves_who_asks_often() {
        let clients = Clients::default();
        for number in 0..10_000 {
            clients.note(format!("flood/{number}").as_bytes(), at(number));
            clients.note(b"Boto3/1.34", at(number));
        }
        assert_eq!(clients.list().len(), MOST);
        assert!(clients.list().iter().any(|seen| seen.requests == 10_000));
    }
}
