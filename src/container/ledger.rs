//! The consumers that outlive a restart, as a text: digests, never secrets.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::consumer::{Consumer, Place};
use super::consumers::Consumers;
use super::digest::Digest;
use crate::clock::{self, Now};
use crate::credentials::Validity;
use crate::sts::request::Narrowing;

const VERSION: u64 = 1;

/// A ledger that is not one of ours; it never quotes what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a list of consumers that this version can read: {0}")]
pub struct Illegible(&'static str);

impl Consumers {
    /// Those to be kept, as the text to keep.
    #[must_use]
    pub fn ledger(&self, now: Now) -> String {
        let kept = self.by_digest.iter().filter(|(_, it)| it.kept && it.counts(now));
        let mut rows: Vec<_> = kept.map(|(digest, it)| (&it.name, row(digest, it))).collect();
        rows.sort_unstable_by_key(|(name, _)| *name);
        let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
        format!("{:#}\n", json!({ "version": VERSION, "consumers": rows }))
    }

    /// Those of a ledger who still count.
    ///
    /// # Errors
    /// Where it is damaged, or of another version.
    pub fn from_ledger(text: &str, now: Now) -> Result<Self, Illegible> {
        let json: Value = serde_json::from_str(text).map_err(|_| Illegible("it is not JSON"))?;
        if json.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(Illegible("it is of another version"));
        }
        let rows = json.get("consumers").and_then(Value::as_array);
        let rows = rows.ok_or(Illegible("it has no list"))?;
        if rows.len() > Self::MOST {
            return Err(Illegible("it is too long"));
        }
        let mut found = Self::default();
        for row in rows {
            let (digest, consumer) =
                row.as_object().and_then(|row| read(row, now)).ok_or(Illegible("a bad row"))?;
            if !consumer.counts(now) {
                continue;
            }
            // A name is revoked once, so it must not stand for two secrets.
            if found.by_digest.values().any(|other| other.name == consumer.name)
                || found.by_digest.insert(digest, consumer).is_some()
            {
                return Err(Illegible("two consumers have one name or one secret"));
            }
        }
        Ok(found)
    }
}

fn row(digest: &Digest, consumer: &Consumer) -> Value {
    json!({
        "name": consumer.name.as_str(),
        "role": &*consumer.role,
        "place": consumer.place.as_str(),
        "sha256": digest.to_string(),
        "minted": consumer.minted.to_string(),
        "expires": consumer.validity.map(|validity| validity.expires.to_string()),
        "narrowing": consumer.narrowing.as_deref(),
    })
}

fn read(row: &Map<String, Value>, now: Now) -> Option<(Digest, Consumer)> {
    let text = |key: &str| row.get(key)?.as_str();
    let expires = match row.get("expires")? {
        Value::Null => None,
        at => Some(at.as_str()?.parse().ok()?),
    };
    // Earlier versions wrote none.
    let narrowing = match row.get("narrowing") {
        None | Some(Value::Null) => None,
        Some(written) => Some(Arc::new(Narrowing::deserialize(written).ok()?)),
    };
    let consumer = Consumer {
        name: text("name")?.parse().ok()?,
        role: text("role")?.into(),
        place: Place::parse(text("place")?)?,
        minted: text("minted")?.parse().ok()?,
        validity: expires.map(|expires| validity(expires, now)),
        kept: true,
        narrowing,
        last_use: Cell::new(None),
    };
    Some((Digest::parse(text("sha256")?)?, consumer))
}

/// The boot clock may be another one by now, so it counts from the reading on.
fn validity(expires: Timestamp, now: Now) -> Validity {
    let left: Duration = clock::until(now.wall, expires);
    Validity { expires, deadline: now.boot.plus(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BootTime;
    use crate::container::consumer::Order;
    use crate::container::tests::{START, later, order};

    fn kept(name: &str) -> Order {
        Order { kept: true, ..order(name) }
    }

    #[test]
    fn kept_consumers_come_back_after_a_reboot_and_no_secret_is_written() {
        let mut consumers = Consumers::default();
        let always = consumers.mint(kept("always"), &[1; 32], START).unwrap();
        let hour = Order { lifetime: Some(Duration::from_hours(1)), ..kept("hour") };
        let hour = consumers.mint(hour, &[2; 32], START).unwrap();
        let passing = consumers.mint(order("passing"), &[3; 32], START).unwrap();
        let text = consumers.ledger(START);
        for secret in [&always, &hour, &passing] {
            assert!(!text.contains(secret.expose()));
        }

        let boot = BootTime::from_boot(Duration::from_secs(7));
        let rebooted = |seconds| Now { boot, ..later(seconds) };
        let found = |seconds| {
            let read = Consumers::from_ledger(&text, rebooted(seconds)).unwrap();
            let names = read.list(rebooted(seconds)).into_iter().map(|it| it.name.to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(found(3599), ["always", "hour"]);
        assert_eq!(found(3600), ["always"]);
        let read = Consumers::from_ledger(&text, rebooted(60)).unwrap();
        let whose = |secret: &crate::secret::Secret| {
            let place = Place::Authorization;
            read.authorise(secret.expose().as_bytes(), place, rebooted(60)).map(|it| &it.name)
        };
        assert_eq!(whose(&hour).unwrap().as_str(), "hour");
        assert_eq!(whose(&passing), None);
        assert_eq!(read.ledger(rebooted(60)), text, "as it was written");
    }

    #[test]
    fn a_session_of_its_own_comes_back_as_narrow_as_it_was() {
        let narrowing: Narrowing =
            serde_json::from_str(r#"{"policy": "{\"Statement\": []}"}"#).unwrap();
        let mut consumers = Consumers::default();
        let order = Order { narrowing: Some(narrowing.clone()), ..kept("narrow") };
        consumers.mint(order, &[1; 32], START).unwrap();
        let text = consumers.ledger(START);
        let found = Consumers::from_ledger(&text, START).unwrap().list(START);
        assert_eq!(found[0].narrowing.as_deref(), Some(&narrowing));
        let spoilt = text.replace("Statement", "\u{100}");
        assert!(Consumers::from_ledger(&spoilt, START).is_err(), "rather none than more");
        let before = text.replace("\"narrowing\"", "\"later\"");
        assert!(Consumers::from_ledger(&before, START).unwrap().list(START)[0].narrowing.is_none());
    }

    #[test]
    fn two_consumers_of_one_name_or_one_secret_are_refused() {
        let mut consumers = Consumers::default();
        consumers.mint(kept("one"), &[1; 32], START).unwrap();
        consumers.mint(kept("two"), &[2; 32], START).unwrap();
        let good = consumers.ledger(START);
        let rows: Value = serde_json::from_str(&good).unwrap();
        let digests = [0, 1].map(|row| rows["consumers"][row]["sha256"].as_str().unwrap());
        let twice = Some(Illegible("two consumers have one name or one secret"));
        for (from, to) in [("\"two\"", "\"one\""), (digests[1], digests[0])] {
            let bad = good.replace(from, to);
            assert_eq!(Consumers::from_ledger(&bad, START).err(), twice, "{bad}");
        }
    }

    #[test]
    fn what_is_not_ours_is_refused_whole() {
        let mut consumers = Consumers::default();
        consumers.mint(kept("ci"), &[1; 32], START).unwrap();
        let good = consumers.ledger(START);
        let refused = |text: &str| Consumers::from_ledger(text, START).err();
        assert_eq!(refused(&good), None);
        assert_eq!(refused(""), Some(Illegible("it is not JSON")));
        assert_eq!(refused("{}"), Some(Illegible("it is of another version")));
        assert_eq!(refused("{\"version\":1}"), Some(Illegible("it has no list")));
        for (key, value) in
            [("name", "\"ci\""), ("place", "\"authorization\""), ("expires", "null")]
        {
            let from = format!("\"{key}\": {value}");
            assert!(good.contains(&from), "{good}");
            let bad = good.replace(&from, &format!("\"{key}\": \"\""));
            assert_eq!(refused(&bad), Some(Illegible("a bad row")), "{key}");
        }
    }
}
