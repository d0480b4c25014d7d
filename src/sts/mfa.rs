//! MFA codes, and the sessions that they open.
//!
//! A session of a user's long-lived keys is kept in memory and shared by every
//! role that has the same keys and the same device, until it ends: one code a
//! day serves them all. A code is sent once, never logged, never kept.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, watch};

use super::command::{CommandRunner, Program};
use super::keepsake::{Device, Held, Keepsake};
use super::request::{Mfa, MfaSerial};
use crate::clock::{self, Now};
use crate::credentials::{Grant, Validity};
use crate::failure::{Failure, Kind};
use crate::role::Malformed;
use crate::secret::Secret;

/// A new code is asked for while the old session has this much life left.
const LEAD: Duration = Duration::from_mins(15);

/// With less life than this a session is of no use to another call.
const LEAST: Duration = Duration::from_mins(1);

/// The MFA sessions of all roles. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct MfaSessions(Arc<Room>);

#[derive(Debug, Default)]
struct Room {
    slots: Mutex<BTreeMap<Device, Arc<Slot>>>,
    codes: Mutex<BTreeMap<MfaSerial, Codes>>,
    opened: watch::Sender<BTreeMap<MfaSerial, Validity>>,
    kept: watch::Sender<Keepsake>,
    salt: RandomState,
}

/// One attempt at a time opens a session; the others wait and share it.
#[derive(Debug, Default)]
struct Slot(Turn<Option<Held>>);

#[derive(Debug, Default)]
struct Codes {
    /// Handed in by a human, and not sent yet.
    waiting: Option<Secret>,
    /// Not the code, but what tells it again.
    used: Option<u64>,
    /// What came of the one that was handed in, where it opened nothing.
    wasted: Option<Failure>,
}

impl MfaSessions {
    /// Takes a code from a human; the next attempt that needs one sends it.
    ///
    /// # Errors
    /// Where it is not six digits, or was the last one sent.
    pub(super) fn hand_in(&self, serial: &MfaSerial, code: &Secret) -> Result<(), Malformed> {
        let code = six_digits(code.expose())?;
        let mark = self.mark(&code);
        let mut codes = self.codes();
        let codes = codes.entry(serial.clone()).or_default();
        if codes.used == Some(mark) {
            let why = "this one has been sent already; wait until the device shows the next";
            return Err(Malformed { expected: "a new MFA code", why });
        }
        codes.waiting = Some(code);
        codes.wasted = None;
        Ok(())
    }

    /// Drops a code that nobody has sent; tells what came of one that was.
    pub(super) fn clear(&self, serial: &MfaSerial) -> Option<Failure> {
        let mut codes = self.codes();
        let codes = codes.get_mut(serial)?;
        codes.waiting = None;
        codes.wasted.take()
    }

    /// The sessions there are, by their devices, now and as they change.
    pub(super) fn opened(&self) -> watch::Receiver<BTreeMap<MfaSerial, Validity>> {
        self.0.opened.subscribe()
    }

    /// What may outlive this process, now and as it changes.
    pub(super) fn kept(&self) -> &watch::Sender<Keepsake> {
        &self.0.kept
    }

    /// Goes on with what an earlier process left behind.
    pub(super) fn restore(&self, keepsake: Keepsake) {
        let sessions = &keepsake.sessions;
        let slots = sessions
            .iter()
            .map(|(device, held)| (device.clone(), Arc::new(Slot(Turn::new(Some(held.clone()))))));
        self.slots().extend(slots);
        self.0.opened.send_modify(|opened| {
            let ends = sessions.iter().map(|(device, held)| (device.serial.clone(), held.validity));
            opened.extend(ends);
        });
        self.0.kept.send_replace(keepsake);
    }

    /// Every session and code; an attempt in flight keeps what it opens to itself.
    pub(super) fn forget_all(&self) {
        self.clear_secrets();
        self.0.opened.send_replace(BTreeMap::new());
    }

    /// Drops the secrets of every session and code; when sessions end stays known.
    pub(super) fn clear_secrets(&self) {
        self.slots().clear();
        self.codes().values_mut().for_each(|codes| codes.waiting = None);
        self.0.kept.send_modify(|kept| kept.sessions.clear());
    }

    /// The session of this device: the one there is, else one that `open` opens. A code
    /// that was handed in opens a new one in any case.
    pub(super) async fn session<F>(
        &self,
        device: Device,
        now: impl Fn() -> Now,
        open: F,
    ) -> Result<Grant, Failure>
    where
        F: Future<Output = Result<Grant, Failure>>,
    {
        let serial = device.serial.clone();
        let slot = Arc::clone(self.slots().entry(device.clone()).or_default());
        let mut held = slot.0.lock().await;
        let renews = self.codes().get(&serial).is_some_and(|codes| codes.waiting.is_some());
        if let Some(session) = held.as_ref().filter(|held| !renews && held.left(now()) > LEAD) {
            return Ok(session.again());
        }
        let opened = open.await;
        if renews {
            self.codes().entry(serial.clone()).or_default().wasted = opened.as_ref().err().cloned();
        }
        match opened {
            Ok(grant) => {
                let session = Held::new(grant.clone(), now());
                self.0.opened.send_modify(|opened| {
                    opened.insert(serial, session.validity);
                });
                self.keep(device, &slot, &session);
                *held = Some(session);
                Ok(grant)
            }
            // What is valid serves on while a new code is waited for.
            Err(failure) => match held.as_ref().filter(|held| held.left(now()) > LEAST) {
                Some(session) => Ok(session.again()),
                None => Err(failure),
            },
        }
    }

    /// Forgotten while it was opened, it is not kept.
    fn keep(&self, device: Device, slot: &Arc<Slot>, session: &Held) {
        let is_known = self.slots().get(&device).is_some_and(|known| Arc::ptr_eq(known, slot));
        if is_known {
            self.0.kept.send_modify(|kept| drop(kept.sessions.insert(device, session.clone())));
        }
    }

    /// Drops the session that STS no longer accepts, if it is one of these.
    pub(super) async fn forget(&self, access_key_id: &str) {
        let slots: Vec<_> = self.slots().values().cloned().collect();
        for slot in slots {
            let mut held = slot.0.lock().await;
            held.take_if(|held| held.grant.credentials.access_key_id() == access_key_id);
        }
        self.0.kept.send_modify(|kept| {
            let is_other = |held: &Held| held.grant.credentials.access_key_id() != access_key_id;
            kept.sessions.retain(|_, held| is_other(held));
        });
    }

    /// A code that has not been sent yet: handed in, or printed by the command.
    pub(super) async fn code(
        &self,
        mfa: &Mfa,
        runner: CommandRunner<'_>,
    ) -> Result<Secret, Failure> {
        let waiting = self.codes().entry(mfa.serial.clone()).or_default().waiting.take();
        let code = match (waiting, &mfa.command) {
            (Some(code), _) => code,
            (None, Some(command)) => {
                let program = Program { key: "mfa_command", command, runner, keys_of: None };
                let output = program.output().await?;
                let text = std::str::from_utf8(&output).unwrap_or_default();
                six_digits(text.trim()).map_err(|wrong| {
                    program
                        .broken(format!("printed something that is not {}", wrong.expected))
                        .hint(wrong.why)
                })?
            }
            (None, None) => return Err(awaited(&mfa.serial)),
        };
        self.use_up(&mfa.serial, &code)?;
        Ok(code)
    }

    /// STS takes each code once, and a command may print one twice.
    fn use_up(&self, serial: &MfaSerial, code: &Secret) -> Result<(), Failure> {
        let mark = self.mark(code);
        let mut codes = self.codes();
        let codes = codes.entry(serial.clone()).or_default();
        if codes.used.replace(mark) == Some(mark) {
            return Err(Failure::new(Kind::NoBase, "this MFA code has been sent already")
                .hint("nothing to do: it is tried again when the device shows the next one"));
        }
        Ok(())
    }

    fn mark(&self, code: &Secret) -> u64 {
        self.0.salt.hash_one(code.expose())
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Device, Arc<Slot>>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codes(&self) -> MutexGuard<'_, BTreeMap<MfaSerial, Codes>> {
        self.0.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(grant: Grant, now: Now) -> Self {
        let expires = grant.credentials.expiration();
        let life = clock::until(grant.date.unwrap_or(now.wall), expires);
        Self { grant, validity: Validity { expires, deadline: now.boot.plus(life) } }
    }

    fn left(&self, now: Now) -> Duration {
        self.validity.left(now)
    }

    /// The `Date` of the reply says nothing about today.
    fn again(&self) -> Grant {
        Grant { date: None, ..self.grant.clone() }
    }
}

fn awaited(serial: &MfaSerial) -> Failure {
    let serial = serial.as_str();
    Failure::new(Kind::NeedsHuman, format!("an MFA code of {serial} is waited for"))
        .hint("type the code: assumed mfa; or let a command print it: mfa_command")
}

/// `TokenCode` (docs/rules.md, STS parameters).
fn six_digits(text: &str) -> Result<Secret, Malformed> {
    if text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(Secret::new(text))
    } else {
        Err(Malformed { expected: "an MFA code", why: "it has six digits, and nothing else" })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::BootTime;
    use crate::credentials::Credentials;
    use crate::sts::request::{CommandLine, UserSessionDuration};
    use crate::sys::command_helper::CommandHelper;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(after: Duration) -> impl Fn() -> Now {
        let start = Timestamp::UNIX_EPOCH;
        move || Now { wall: clock::later(start, after), boot: BootTime::default().plus(after) }
    }

    fn device(key: &str) -> Device {
        let serial = "arn:aws:iam::123456789012:mfa/jane".parse().unwrap();
        Device { serial, access_key_id: key.to_owned(), sts: "x".to_owned() }
    }

    fn grant(key: &str, ends: Duration) -> Grant {
        let expiration = clock::later(Timestamp::UNIX_EPOCH, ends);
        let part = || Secret::new("s");
        let credentials = Credentials::new(key.to_owned(), part(), part(), expiration).unwrap();
        Grant { credentials, date: None, account: None, role_arn: None }
    }

    async fn opened(sessions: &MfaSessions, device: Device, after: Duration, key: &str) -> String {
        let open = async { Ok(grant(key, after + 12 * HOUR)) };
        let grant = sessions.session(device, at(after), open).await.unwrap();
        grant.credentials.access_key_id().to_owned()
    }

    #[tokio::test]
    async fn one_code_serves_all_day_and_everybody_with_the_same_keys() {
        let sessions = MfaSessions::default();
        assert_eq!(opened(&sessions, device("jane"), Duration::ZERO, "first").await, "first");
        assert_eq!(opened(&sessions, device("jane"), 11 * HOUR, "second").await, "first");
        assert_eq!(opened(&sessions, device("joe"), 11 * HOUR, "other").await, "other");
        assert_eq!(opened(&sessions, device("jane"), 12 * HOUR, "third").await, "third");
    }

    #[tokio::test]
    async fn what_is_valid_serves_on_while_a_code_is_waited_for() {
        let sessions = MfaSessions::default();
        opened(&sessions, device("jane"), Duration::ZERO, "first").await;
        let ask = |minutes| {
            let open = async { Err(Failure::new(Kind::NeedsHuman, "code")) };
            sessions.session(device("jane"), at(Duration::from_mins(minutes)), open)
        };
        assert_eq!(ask(12 * 60 - 5).await.unwrap().credentials.access_key_id(), "first");
        assert_eq!(ask(12 * 60).await.unwrap_err().kind, Kind::NeedsHuman);
    }

    #[tokio::test]
    async fn a_session_that_sts_rejects_is_forgotten() {
        let sessions = MfaSessions::default();
        opened(&sessions, device("jane"), Duration::ZERO, "first").await;
        sessions.forget("another").await;
        assert_eq!(opened(&sessions, device("jane"), HOUR, "second").await, "first");
        sessions.forget("first").await;
        assert_eq!(opened(&sessions, device("jane"), HOUR, "second").await, "second");
        sessions.forget_all();
        assert_eq!(opened(&sessions, device("jane"), HOUR, "third").await, "third");
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_behind_is_a_session_like_any_other() {
        let earlier = MfaSessions::default();
        opened(&earlier, device("jane"), Duration::ZERO, "first").await;
        let later = MfaSessions::default();
        later.restore(earlier.kept().borrow().clone());
        assert_eq!(opened(&later, device("jane"), HOUR, "second").await, "first");
        assert_eq!(later.opened().borrow().len(), 1);
        later.forget("first").await;
        assert!(later.kept().borrow().sessions.is_empty(), "no longer kept, once it is rejected");
    }

    #[tokio::test]
    async fn a_session_that_was_forgotten_while_it_was_opened_is_not_kept() {
        let sessions = MfaSessions::default();
        let open = async {
            sessions.forget_all();
            Ok(grant("late", HOUR))
        };
        sessions.session(device("jane"), at(Duration::ZERO), open).await.unwrap();
        assert!(sessions.kept().borrow().sessions.is_empty());
    }

    fn mfa(command: Option<&str>) -> Mfa {
        Mfa {
            serial: device("x").serial,
            command: command.map(|line| CommandLine::Line(Secret::new(line))),
            session: UserSessionDuration::default(),
        }
    }

    #[tokio::test]
    async fn a_code_is_sent_once_whoever_gives_it() {
        let sessions = MfaSessions::default();
        let code = async |mfa: Mfa| {
            let helper = CommandHelper::in_thread().unwrap();
            let runner = CommandRunner { starter: Some(&helper), limit: HOUR };
            let code = sessions.code(&mfa, runner).await;
            code.map(|code| code.expose().to_owned()).map_err(|failure| failure.message)
        };
        let printing = || mfa(Some("echo 123456"));
        assert_eq!(code(printing()).await.unwrap(), "123456");
        assert_eq!(code(printing()).await.unwrap_err(), "this MFA code has been sent already");
        assert!(code(mfa(None)).await.unwrap_err().ends_with("is waited for"));
        sessions.hand_in(&mfa(None).serial, &Secret::new("654321")).unwrap();
        assert_eq!(code(printing()).await.unwrap(), "654321");
        assert!(code(mfa(None)).await.is_err());
        assert!(!format!("{sessions:?}").contains("654321"));
    }

    #[tokio::test]
    async fn what_is_no_code_is_refused_and_not_repeated() {
        let sessions = MfaSessions::default();
        for line in ["echo 12345", "echo 1234567", "echo 12345a", "true", "printf '\\377'"] {
            let helper = CommandHelper::in_thread().unwrap();
            let runner = CommandRunner { starter: Some(&helper), limit: HOUR };
            let failure = sessions.code(&mfa(Some(line)), runner).await.unwrap_err();
            assert_eq!(failure.message, "mfa_command printed something that is not an MFA code");
        }
        assert!(sessions.hand_in(&device("x").serial, &Secret::new("12 34 56")).is_err());
    }
}
