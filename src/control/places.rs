//! Who is connected to the control socket, and who makes room for a newcomer.
//!
//! Every user makes room among its own connections, those first that have not said what they want.
//! A user who is not admitted takes no place of one who is, and nobody takes those of the owner
//! and of root.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::task::AbortHandle;

/// Connections of the owner, and as many of root.
const PRIVILEGED: usize = 64;
/// Connections of all other users that are admitted.
const ADMITTED: usize = 64;
/// Connections of one of these.
const SHARE: usize = 16;
/// Connections of users that are not admitted; each is closed as soon as it was told so.
const REFUSED: usize = 16;

/// What a user may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The daemon's own user, or root.
    Privileged,
    /// Admitted by the settings.
    Admitted,
    /// May connect to the socket, and nothing else.
    Refused,
}

/// The user of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) standing: Standing,
}

impl User {
    /// Connections that this user may have.
    const fn share(self) -> usize {
        match self.standing {
            Standing::Privileged => PRIVILEGED,
            Standing::Admitted => SHARE,
            Standing::Refused => REFUSED,
        }
    }

    /// Connections of this user and all others with whom it shares places.
    const fn total(self) -> usize {
        match self.standing {
            Standing::Privileged => PRIVILEGED,
            Standing::Admitted => ADMITTED,
            Standing::Refused => REFUSED,
        }
    }

    fn shares_places_with(self, other: Self) -> bool {
        self.standing == other.standing
            && (self.standing != Standing::Privileged || self.uid == other.uid)
    }
}

/// How far a connection is; those in the first stage are closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its order has not come yet, or is answered.
    Waiting,
    /// It follows the events, for as long as it likes.
    Following,
    /// Its order is being carried out.
    InHand,
}

/// The stage of one connection, which notes it itself.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    fn is(&self, stage: Stage) -> bool {
        self.0.load(Ordering::Relaxed) == stage as u8
    }
}

/// All connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Places(VecDeque<Taken>);

#[derive(Debug)]
struct Taken {
    user: User,
    task: AbortHandle,
    progress: Arc<Progress>,
}

/// What became of the request for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is one.
    Free,
    /// There is one, for a connection of this uid was closed.
    Made(u32),
    /// This user has its share, and each of its connections has an order in hand.
    None,
}

impl Places {
    /// Has room made for a connection of this user.
    pub(super) fn make_room(&mut self, user: User) -> Room {
        self.0.retain(|taken| !taken.task.is_finished());
        let own = self.count(|other| other == user);
        if own >= user.share() {
            return self.close_one(user, &[Stage::Waiting, Stage::Following]);
        }
        if self.count(|other| other.shares_places_with(user)) < user.total() {
            return Room::Free;
        }
        let rivals = self.0.iter().map(|taken| taken.user);
        let most = rivals
            .filter(|other| other.shares_places_with(user))
            .max_by_key(|rival| self.count(|other| other == *rival));
        most.map_or(Room::None, |most| {
            self.close_one(most, &[Stage::Waiting, Stage::Following, Stage::InHand])
        })
    }

    /// Notes a connection for which there is room.
    pub(super) fn take(&mut self, user: User, task: AbortHandle, progress: Arc<Progress>) {
        self.0.push_back(Taken { user, task, progress });
    }

    fn count(&self, which: impl Fn(User) -> bool) -> usize {
        self.0.iter().filter(|taken| which(taken.user)).count()
    }

    /// Closes the oldest connection of this user in the first of these stages that it has one in.
    fn close_one(&mut self, user: User, stages: &[Stage]) -> Room {
        let oldest = |stage: &Stage| {
            self.0.iter().position(|taken| taken.user == user && taken.progress.is(*stage))
        };
        let Some(taken) = stages.iter().find_map(oldest).and_then(|place| self.0.remove(place))
        else {
            return Room::None;
        };
        taken.task.abort();
        Room::Made(user.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: User = User { uid: 1000, standing: Standing::Privileged };
    const ROOT: User = User { uid: 0, standing: Standing::Privileged };

    const fn admitted(uid: u32) -> User {
        User { uid, standing: Standing::Admitted }
    }

    const fn refused(uid: u32) -> User {
        User { uid, standing: Standing::Refused }
    }

    /// Connections that stay until they are closed.
    fn connect(places: &mut Places, user: User, stage: Stage, count: usize) -> Vec<AbortHandle> {
        let mut tasks = Vec::new();
        for _ in 0..count {
            assert_ne!(places.make_room(user), Room::None);
            let (task, progress) =
                (tokio::spawn(std::future::pending::<()>()), Progress::default());
            progress.set(stage);
            places.take(user, task.abort_handle(), Arc::new(progress));
            tasks.push(task.abort_handle());
        }
        tasks
    }

    async fn is_closed(task: &AbortHandle) -> bool {
        tokio::task::yield_now().await;
        task.is_finished()
    }

    #[tokio::test]
    async fn a_user_makes_room_among_its_own() {
        let mut places = Places::default();
        let others = connect(&mut places, admitted(2), Stage::Waiting, 1);
        let own = connect(&mut places, admitted(1), Stage::Waiting, SHARE);
        assert_eq!(places.make_room(admitted(1)), Room::Made(1));
        assert!(is_closed(&own[0]).await && !is_closed(&own[1]).await);
        assert!(!is_closed(&others[0]).await, "though it is older");
    }

    #[tokio::test]
    async fn silence_makes_room_before_a_reader_of_events_and_an_order_in_hand_does_not() {
        let mut places = Places::default();
        let held = connect(&mut places, admitted(1), Stage::InHand, SHARE - 2);
        let following = connect(&mut places, admitted(1), Stage::Following, 1);
        let waiting = connect(&mut places, admitted(1), Stage::Waiting, 1);
        connect(&mut places, admitted(1), Stage::InHand, 1);
        assert!(is_closed(&waiting[0]).await && !is_closed(&following[0]).await);
        connect(&mut places, admitted(1), Stage::InHand, 1);
        assert!(is_closed(&following[0]).await);
        assert_eq!(places.make_room(admitted(1)), Room::None);
        assert!(!is_closed(&held[0]).await);
    }

    #[tokio::test]
    async fn users_that_take_all_places_together_make_room_for_another() {
        let mut places = Places::default();
        let first = connect(&mut places, admitted(1), Stage::InHand, SHARE);
        for uid in 2..=u32::try_from(ADMITTED / SHARE).unwrap() {
            connect(&mut places, admitted(uid), Stage::Following, SHARE - 1);
        }
        connect(&mut places, admitted(2), Stage::InHand, 1);
        connect(&mut places, admitted(8), Stage::InHand, 2);
        assert!(matches!(places.make_room(admitted(9)), Room::Made(1 | 2)));
        assert!(first.len() == SHARE);
    }

    #[tokio::test]
    async fn owner_and_root_have_places_of_their_own() {
        let mut places = Places::default();
        for uid in 1..=6 {
            connect(&mut places, admitted(uid), Stage::Waiting, SHARE);
            connect(&mut places, refused(uid + 10), Stage::Waiting, SHARE);
        }
        let owners = connect(&mut places, OWNER, Stage::InHand, PRIVILEGED);
        assert_eq!(places.make_room(OWNER), Room::None);
        assert_eq!(places.make_room(ROOT), Room::Free);
        connect(&mut places, admitted(9), Stage::InHand, SHARE);
        assert!(!is_closed(&owners[0]).await);
    }

    #[tokio::test]
    async fn refused_users_take_no_place_of_admitted_ones() {
        let mut places = Places::default();
        let first = connect(&mut places, admitted(1), Stage::Waiting, 1);
        for uid in 100..200 {
            connect(&mut places, refused(uid), Stage::Waiting, 1);
        }
        assert!(!is_closed(&first[0]).await);
        assert_eq!(places.count(|user| user.standing == Standing::Refused), REFUSED);
        assert_eq!(places.make_room(admitted(1)), Room::Free);
    }
}
