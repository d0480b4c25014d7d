//! MFA sessions as bytes, for the process that comes after this one.
//!
//! Decides what is worth keeping and what may be believed of what was kept.
//! Where the bytes lie meanwhile is none of its business, except that they are
//! secret.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::request::MfaSerial;
use crate::clock::{BootTime, Now};
use crate::credentials::{Credentials, Grant, Validity};
use crate::role::Malformed;
use crate::secret::Secret;

/// Another number where another program could misread it.
const VERSION: u32 = 1;
/// Room for more sessions than one user has, so that no copy is left behind by growing.
const ROOM: usize = 64 * 1024;
/// The longest session that STS gives a user.
const LONGEST: Duration = Duration::from_hours(36);

/// Whose session it is, and at which STS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Device {
    pub(super) serial: MfaSerial,
    pub(super) access_key_id: String,
    pub(super) sts: String,
}

/// A session, and until when it lasts.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) grant: Grant,
    pub(super) validity: Validity,
}

/// The sessions that may outlive this process.
#[derive(Debug, Clone, Default)]
pub struct Keepsake {
    pub(super) sessions: BTreeMap<Device, Held>,
    /// While the daemon is locked, nothing is given away.
    pub(super) withheld: bool,
}

#[derive(Serialize, Deserialize)]
struct Written<T> {
    version: u32,
    sessions: Vec<T>,
}

#[derive(Serialize)]
struct Line<'a> {
    serial: &'a str,
    user: &'a str,
    sts: &'a str,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expires: Timestamp,
    deadline: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    serial: String,
    user: String,
    sts: String,
    access_key_id: String,
    #[serde(deserialize_with = "secret")]
    secret_access_key: Secret,
    #[serde(deserialize_with = "secret")]
    session_token: Secret,
    expires: Timestamp,
    deadline: Duration,
}

impl Keepsake {
    /// What is to be kept of it now; nothing, where no session lives or all are withheld.
    #[must_use]
    pub fn encode(&self, now: Now) -> Option<Zeroizing<Vec<u8>>> {
        let sessions: Vec<_> = self.living(now).map(|(device, held)| line(device, held)).collect();
        if sessions.is_empty() || self.withheld {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        let written = Written { version: VERSION, sessions };
        serde_json::to_writer(&mut *bytes, &written).ok().map(|()| bytes)
    }

    /// When it will be less than it is now.
    #[must_use]
    pub fn next_end(&self, now: Now) -> Option<Timestamp> {
        self.living(now).map(|(_, held)| held.validity.expires).min()
    }

    /// What an earlier process left behind, without what has ended since.
    ///
    /// # Errors
    /// Where it is not what [`Self::encode`] writes.
    pub fn decode(bytes: &[u8], now: Now) -> Result<Self, Malformed> {
        let written: Written<Read> = serde_json::from_slice(bytes)
            .map_err(|_| illegible("it is damaged, or another version's"))?;
        if written.version != VERSION {
            return Err(illegible("it is another version's"));
        }
        let mut sessions: BTreeMap<_, _> =
            written.sessions.into_iter().map(|read| read.session(now)).collect::<Result<_, _>>()?;
        sessions.retain(|_, held| !held.validity.left(now).is_zero());
        Ok(Self { sessions, withheld: false })
    }

    fn living(&self, now: Now) -> impl Iterator<Item = (&Device, &Held)> {
        self.sessions.iter().filter(move |(_, held)| !held.validity.left(now).is_zero())
    }
}

fn line<'a>(device: &'a Device, held: &'a Held) -> Line<'a> {
    let credentials = &held.grant.credentials;
    Line {
        serial: device.serial.as_str(),
        user: &device.access_key_id,
        sts: &device.sts,
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.secret_access_key().expose(),
        session_token: credentials.session_token().expose(),
        expires: held.validity.expires,
        deadline: held.validity.deadline.since_boot(),
    }
}

impl Read {
    fn session(self, now: Now) -> Result<(Device, Held), Malformed> {
        let serial = self.serial.parse()?;
        let device = Device { serial, access_key_id: self.user, sts: self.sts };
        let (key, token) = (self.secret_access_key, self.session_token);
        let credentials = Credentials::new(self.access_key_id, key, token, self.expires)
            .map_err(|_| illegible("a part of a session is missing"))?;
        // Whatever is written there, no session of STS lasts longer.
        let deadline = BootTime::from_boot(self.deadline).min(now.boot.plus(LONGEST));
        let grant = Grant { credentials, date: None, account: None, role_arn: None };
        Ok((device, Held { grant, validity: Validity { expires: self.expires, deadline } }))
    }
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

const fn illegible(why: &'static str) -> Malformed {
    Malformed { expected: "a set of MFA sessions", why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(after: Duration) -> Now {
        let wall = clock::later(Timestamp::UNIX_EPOCH, after);
        Now { wall, boot: BootTime::default().plus(after) }
    }

    fn held(ends: Duration) -> Held {
        let expires = at(ends).wall;
        let part = |text: &str| Secret::new(text);
        let credentials =
            Credentials::new("ASIAKEY".to_owned(), part("wJalr"), part("FwoG"), expires).unwrap();
        let grant = Grant { credentials, date: None, account: None, role_arn: None };
        Held { grant, validity: Validity { expires, deadline: at(ends).boot } }
    }

    fn device(user: &str) -> Device {
        let serial = "arn:aws:iam::123456789012:mfa/jane".parse().unwrap();
        Device { serial, access_key_id: user.to_owned(), sts: "aws".to_owned() }
    }

    fn keepsake(sessions: &[(&str, Duration)]) -> Keepsake {
        let sessions = sessions.iter().map(|(user, ends)| (device(user), held(*ends)));
        Keepsake { sessions: sessions.collect(), withheld: false }
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was_and_ends_when_it_would_have() {
        let kept = keepsake(&[("jane", HOUR), ("joe", 2 * HOUR)]);
        let bytes = kept.encode(at(Duration::ZERO)).unwrap();
        let back = Keepsake::decode(&bytes, at(HOUR / 2)).unwrap();
        let session = &back.sessions[&device("jane")];
        assert_eq!(session.grant.credentials.access_key_id(), "ASIAKEY");
        assert_eq!(session.grant.credentials.secret_access_key().expose(), "wJalr");
        assert_eq!(session.grant.credentials.session_token().expose(), "FwoG");
        assert_eq!(session.validity, held(HOUR).validity);
        assert_eq!(back.next_end(at(HOUR / 2)), Some(at(HOUR).wall));
        let later = Keepsake::decode(&bytes, at(HOUR)).unwrap();
        assert!(!later.sessions.contains_key(&device("jane")), "it has ended since");
        assert!(later.sessions.contains_key(&device("joe")));
        assert!(!format!("{back:?}").contains("wJalr"));
    }

    #[test]
    fn nothing_is_kept_of_what_has_ended_or_is_locked() {
        let kept = keepsake(&[("jane", HOUR)]);
        assert!(kept.encode(at(HOUR)).is_none());
        assert_eq!(kept.next_end(at(HOUR)), None);
        assert!(Keepsake { withheld: true, ..kept }.encode(at(Duration::ZERO)).is_none());
        assert!(Keepsake::default().encode(at(Duration::ZERO)).is_none());
    }

    #[test]
    fn a_clock_that_was_set_back_prolongs_nothing() {
        let bytes = keepsake(&[("jane", HOUR)]).encode(at(Duration::ZERO)).unwrap();
        let set_back = Now { wall: Timestamp::UNIX_EPOCH, boot: at(HOUR).boot };
        assert!(Keepsake::decode(&bytes, set_back).unwrap().sessions.is_empty());
    }

    #[test]
    fn what_another_wrote_is_refused() {
        let bytes = keepsake(&[("jane", HOUR)]).encode(at(Duration::ZERO)).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let forged = [
            String::new(),
            "[]".to_owned(),
            text[..text.len() - 1].to_owned(),
            text.replace("\"version\":1", "\"version\":2"),
            text.replace("\"user\"", "\"loser\""),
            text.replace("wJalr", ""),
            text.replace("FwoG", "Fw\\noG"),
            text.replace("arn:aws:iam::123456789012:mfa/jane", "no serial"),
            text.replace("1970-01-01T01", "soon"),
        ];
        for text in forged {
            let refused = Keepsake::decode(text.as_bytes(), at(Duration::ZERO));
            let told = refused.unwrap_err().to_string();
            assert!(!told.contains("wJalr"), "{told}");
        }
    }

    #[test]
    fn no_session_is_believed_to_last_longer_than_sts_lets_it() {
        let bytes = keepsake(&[("jane", 1000 * HOUR)]).encode(at(Duration::ZERO)).unwrap();
        let back = Keepsake::decode(&bytes, at(Duration::ZERO)).unwrap();
        assert_eq!(back.sessions[&device("jane")].validity.left(at(Duration::ZERO)), LONGEST);
    }
}
