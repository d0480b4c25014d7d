use super::*;
use crate::failure::Kind;
use crate::rotation::news::Level;
use crate::rotation::samples;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// One role, with a clock whose wall reading can be set.
struct Role {
    machine: Machine,
    boot: Duration,
    ahead: i64,
    grants: u64,
}

impl Role {
    fn begin() -> Self {
        let mut role =
            Self { machine: Machine::default(), boot: Duration::ZERO, ahead: 0, grants: 0 };
        assert!(role.on(Event::Started).attempt);
        role
    }

    /// One that holds a set of this life.
    fn holding(life: Duration) -> Self {
        let mut role = Self::begin();
        role.answer(life);
        role
    }

    fn now(&self) -> Now {
        let now = samples::moment(self.boot);
        let wall = now.wall + jiff::SignedDuration::from_secs(self.ahead);
        Now { wall, ..now }
    }

    fn on(&mut self, event: Event) -> Step {
        self.machine.on(event, self.now(), 0.0)
    }

    /// STS, whose clock is right, answers the attempt in flight.
    fn answer(&mut self, life: Duration) -> Step {
        self.grants += 1;
        let true_time = samples::moment(self.boot).wall;
        let grant = samples::grant(self.grants, true_time, life);
        self.on(Event::Got(grant))
    }

    fn fail(&mut self, kind: Kind) -> Step {
        self.on(Event::Failed(Failure::new(kind, "no")))
    }

    fn pass(&mut self, span: Duration) -> &mut Self {
        self.boot += span;
        self
    }

    fn set_clock(&mut self, ahead: i64) -> Step {
        self.ahead = ahead;
        self.on(Event::ClockChanged)
    }

    fn phase(&self) -> Phase {
        self.machine.standing(self.now()).phase
    }

    /// How long the alarm is set for.
    fn wait(&self) -> Duration {
        let now = self.now();
        clock::until(now.wall, self.machine.standing(now).next.unwrap())
    }
}

fn snapshot(step: Step) -> Snapshot {
    match step.news.unwrap().outcome {
        Outcome::Obtained(obtained) => obtained.snapshot,
        Outcome::Failed(failure) => panic!("failed: {failure}"),
    }
}

fn failure(step: Step) -> Failure {
    match step.news.unwrap().outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Obtained(_) => panic!("published"),
    }
}

#[test]
fn a_role_is_waiting_fresh_stale_and_expired_in_turn() {
    let mut role = Role::begin();
    assert_eq!(role.phase(), Phase::Waiting);
    role.answer(HOUR);
    assert_eq!(role.phase(), Phase::Fresh);
    role.pass(31 * MINUTE).on(Event::Due);
    assert_eq!(role.phase(), Phase::Stale);
    role.pass(30 * MINUTE);
    assert_eq!(role.phase(), Phase::Expired);
    role.fail(Kind::Refused);
    assert_eq!(role.phase(), Phase::Refused);
    role.pass(MINUTE).on(Event::Due);
    role.answer(HOUR);
    assert_eq!(role.phase(), Phase::Fresh);
}

#[test]
fn a_set_is_replaced_at_its_half_life() {
    let mut role = Role::holding(HOUR);
    assert_eq!(role.wait(), Duration::from_millis(3_599_000 / 2));
    let early = role.pass(29 * MINUTE).on(Event::Due);
    assert!(!early.attempt);
    assert!(role.pass(MINUTE).on(Event::Due).attempt);
    let second = snapshot(role.answer(HOUR));
    assert_eq!(second.generation, 2);
    assert_eq!(second.obtained, role.now().wall);
}

#[test]
fn there_is_one_attempt_in_flight_whatever_happens() {
    let mut role = Role::begin();
    let events = [
        Event::Started,
        Event::Due,
        Event::Demand,
        Event::Refresh,
        Event::ClockChanged,
        Event::Refresh,
    ];
    for event in events {
        let step = role.pass(MINUTE).on(event);
        assert!(!step.attempt);
        assert_eq!(step.alarm, None);
    }
    assert!(role.answer(HOUR).attempt, "refresh was not remembered");
    assert!(!role.answer(HOUR).attempt, "two refreshes are one");
}

#[test]
fn a_request_causes_an_attempt_at_most_once_in_two_seconds() {
    let mut role = Role::begin();
    let mut landed: Vec<Duration> = Vec::new();
    role.fail(Kind::Unreachable);
    let mut attempts = 0;
    for _ in 0..600 {
        if role.pass(SECOND / 10).on(Event::Demand).attempt {
            if let Some(last) = landed.last() {
                assert!(role.boot >= *last + 2 * SECOND);
            }
            attempts += 1;
            // As bad as it gets: a refusal waits for the ceiling by itself.
            role.fail(Kind::Refused);
            landed.push(role.boot);
        }
    }
    assert_eq!(attempts, 30);
}

#[test]
fn a_request_that_came_too_early_is_served_when_the_two_seconds_are_over() {
    let mut role = Role::begin();
    role.fail(Kind::Refused);
    assert_eq!(role.wait(), 30 * SECOND);
    assert!(!role.pass(SECOND).on(Event::Demand).attempt);
    assert_eq!(role.wait(), SECOND);
    assert!(role.pass(SECOND).on(Event::Due).attempt);
}

#[test]
fn a_request_changes_nothing_while_something_valid_is_held() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE).on(Event::Due);
    role.fail(Kind::Refused);
    let before = role.wait();
    assert!(!role.on(Event::Demand).attempt);
    assert_eq!(role.wait(), before);
}

#[test]
fn refresh_ignores_the_back_off_and_the_freshness() {
    let mut role = Role::holding(HOUR);
    assert!(role.on(Event::Refresh).attempt);
    role.fail(Kind::Throttled);
    assert!(role.on(Event::Refresh).attempt);
}

#[test]
fn what_is_valid_survives_every_failure() {
    for kind in [
        Kind::Unreachable,
        Kind::Throttled,
        Kind::Refused,
        Kind::Nonsense,
        Kind::NoBase,
        Kind::Panicked,
    ] {
        let mut role = Role::holding(HOUR);
        role.pass(31 * MINUTE).on(Event::Due);
        let step = role.fail(kind);
        assert_eq!(failure(step).kind, kind);
        assert_eq!(role.phase(), Phase::Stale);
        assert_eq!(role.machine.generation, 1);
    }
}

#[test]
fn a_refused_role_is_retried_at_the_ceiling_and_recovers() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE).on(Event::Due);
    role.fail(Kind::Refused);
    assert_eq!(role.wait(), 5 * MINUTE);
    role.pass(26 * MINUTE).on(Event::Due);
    role.fail(Kind::Refused);
    assert_eq!(role.wait() + SECOND, 3 * MINUTE, "one try at the very end");
    role.pass(3 * MINUTE).on(Event::Due);
    role.fail(Kind::Refused);
    assert_eq!(role.wait(), 30 * SECOND);
    assert!(role.pass(30 * SECOND).on(Event::Due).attempt);
    assert_eq!(snapshot(role.answer(HOUR)).generation, 2);
    assert_eq!(role.machine.standing(role.now()).failures, 0);
}

#[test]
fn what_arrives_expired_is_a_failure_and_never_published() {
    let mut role = Role::begin();
    let kind = failure(role.answer(Duration::ZERO)).kind;
    assert_eq!(kind, Kind::Nonsense);
    assert_eq!(role.phase(), Phase::Waiting);
}

#[test]
fn what_spent_its_life_on_the_way_is_a_failure() {
    let mut role = Role::begin();
    let grant = samples::grant(1, role.now().wall, MINUTE);
    // The machine slept between question and answer, and its wall clock with it.
    role.pass(HOUR).ahead = -3600;
    let step = role.on(Event::Got(grant));
    assert_eq!(failure(step).kind, Kind::Nonsense);
}

#[test]
fn a_clock_that_is_hours_ahead_is_called_a_wrong_clock() {
    let mut role = Role::begin();
    role.ahead = 7200;
    let kind = failure(role.answer(HOUR)).kind;
    let Kind::WrongClock(by) = kind else { panic!("{kind:?}") };
    assert_eq!(by.as_hours(), 2);
    // Once it is put right there is no reason to wait.
    assert!(!role.set_clock(0).attempt);
    assert!(role.wait() <= 2 * SECOND);
}

#[test]
fn a_clock_that_is_hours_behind_prolongs_nothing() {
    let mut role = Role::begin();
    role.ahead = -7200;
    let step = role.answer(HOUR);
    assert_eq!(step.news.as_ref().unwrap().level, Level::Warn);
    let snapshot = snapshot(step);
    assert!(role.wait() <= 30 * MINUTE);
    role.pass(HOUR);
    assert!(!snapshot.is_valid(role.now()));
}

#[test]
fn a_set_is_due_by_whichever_clock_says_so_first() {
    let mut role = Role::holding(HOUR);
    // Set ahead, so that the wall clock sees 20 minutes left.
    assert!(role.pass(MINUTE).set_clock(39 * 60).attempt);
    let mut role = Role::holding(HOUR);
    // Set back a little: only the boot clock knows that half an hour is over.
    role.pass(MINUTE);
    role.answer(HOUR);
    role.pass(30 * MINUTE).ahead = -60;
    assert!(role.on(Event::Due).attempt);
}

#[test]
fn a_clock_change_while_all_is_fresh_only_plans_anew() {
    let mut role = Role::holding(HOUR);
    let step = role.pass(10 * MINUTE).set_clock(60);
    assert!(!step.attempt);
    assert_eq!(step.alarm, role.machine.standing(role.now()).next);
    // 49 minutes are left by the wall clock, and half an hour is the reserve.
    assert_eq!(role.wait(), 19 * MINUTE);
}

#[test]
fn a_clock_put_right_restores_the_proper_half_life() {
    // Ten minutes ahead: the set seems to have 50 minutes, half of which are 25.
    let mut role = Role::begin();
    role.ahead = 10 * 60;
    role.answer(HOUR);
    assert_eq!(role.wait(), 25 * MINUTE);
    role.pass(12 * MINUTE).set_clock(0);
    assert!(role.wait() < 18 * MINUTE);
}

#[test]
fn waking_up_while_backing_off_is_a_reason_to_try_at_once() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE).on(Event::Due);
    role.fail(Kind::Refused);
    assert!(role.pass(MINUTE).on(Event::ClockChanged).attempt);
}

#[test]
fn an_attempt_that_slept_through_a_suspend_is_repeated_soon() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE).on(Event::Due);
    role.pass(HOUR).on(Event::ClockChanged);
    role.fail(Kind::Refused);
    assert_eq!(role.wait(), 2 * SECOND);
}

#[test]
fn an_answer_that_slept_through_a_suspend_is_due_early() {
    let mut role = Role::begin();
    let grant = samples::grant(1, role.now().wall, HOUR);
    role.pass(20 * MINUTE).on(Event::ClockChanged);
    let step = role.on(Event::Got(grant));
    assert!(!step.attempt);
    assert!(role.wait() <= 10 * MINUTE, "half of the 40 minutes left is too late");
}

#[test]
fn last_updated_behind_the_clock_is_put_right_by_a_rotation() {
    // C17
    let mut role = Role::holding(HOUR);
    assert!(role.pass(MINUTE).set_clock(-7200).attempt);
    let snapshot = snapshot(role.answer(HOUR));
    assert_eq!(snapshot.obtained, role.now().wall);
    assert_eq!(snapshot.generation, 2);
}

#[test]
fn the_same_set_again_is_no_rotation() {
    let mut role = Role::holding(HOUR);
    let first =
        Grant { date: None, ..samples::grant(1, samples::moment(Duration::ZERO).wall, HOUR) };
    let mut times = 0;
    while role.phase() != Phase::Expired {
        let wait = role.wait();
        assert!(role.pass(wait).on(Event::Due).attempt);
        let step = role.on(Event::Got(first.clone()));
        if role.phase() == Phase::Expired {
            assert_eq!(failure(step).kind, Kind::Nonsense);
        } else {
            assert_eq!(step.news.as_ref().unwrap().level, Level::Debug);
            let again = snapshot(step);
            assert_eq!(again.generation, 1);
            assert_eq!(again.obtained, samples::moment(Duration::ZERO).wall);
        }
        times += 1;
    }
    assert!(times < 20, "asked {times} times for what does not change");
}

#[test]
fn the_same_set_again_under_a_clock_set_back_neither_loops_nor_lives_longer() {
    let mut role = Role::holding(HOUR);
    let first = samples::grant(1, samples::moment(Duration::ZERO).wall, HOUR);
    role.pass(MINUTE).set_clock(-7200);
    let again = snapshot(role.on(Event::Got(Grant { date: None, ..first })));
    assert!(again.obtained <= role.now().wall);
    assert!(role.wait() > 20 * MINUTE);
    role.pass(59 * MINUTE);
    assert!(!again.is_valid(role.now()));
}

#[test]
fn a_life_of_next_to_nothing_causes_no_storm() {
    let mut role = Role::begin();
    let now = role.now();
    let expiration = clock::later(now.wall, Duration::from_millis(1));
    let credentials = samples::set(1, expiration);
    role.on(Event::Got(Grant { credentials, date: None, account: None, role_arn: None }));
    assert_eq!(role.wait(), SECOND / 2);
}

#[test]
fn a_clock_ahead_by_nearly_a_life_causes_no_storm() {
    let mut role = Role::begin();
    role.ahead = 3595;
    role.answer(HOUR);
    assert_eq!(role.wait(), 30 * SECOND);
    // Put right, it need not rest so long.
    assert!(!role.pass(SECOND).set_clock(0).attempt);
    assert_eq!(role.wait(), SECOND);
}

#[test]
fn a_date_ahead_by_nearly_a_life_causes_no_storm() {
    let mut role = Role::begin();
    let mut grant = samples::grant(1, role.now().wall, HOUR);
    grant.date = grant.date.map(|date| clock::later(date, 3597 * SECOND));
    snapshot(role.on(Event::Got(grant)));
    assert_eq!(role.wait(), 30 * SECOND);
}

#[test]
fn sessions_from_two_seconds_to_36_hours_rotate_without_a_gap() {
    for seconds in [2, 3, 5, 30, 120, 900, 3600, 12 * 3600, 36 * 3600] {
        let life = Duration::from_secs(seconds);
        let mut role = Role::holding(life);
        for generation in 2..10 {
            assert_ne!(role.phase(), Phase::Expired);
            let wait = role.wait();
            assert!(wait >= SECOND / 2 && wait <= life / 2);
            assert!(role.pass(wait).on(Event::Due).attempt);
            assert_ne!(role.phase(), Phase::Expired, "{seconds} s");
            assert_eq!(snapshot(role.answer(life)).generation, generation);
        }
    }
}

#[test]
fn the_standing_tells_what_a_reader_of_the_status_asks() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE).on(Event::Due);
    let now = role.now();
    assert_eq!(role.machine.standing(now).next, None);
    role.fail(Kind::Throttled);
    let standing = role.machine.standing(now);
    assert_eq!(standing.failures, 1);
    assert_eq!((standing.attempts, standing.attempting, standing.landed()), (2, false, 2));
    assert_eq!(standing.next, Some(clock::later(now.wall, SECOND)));
}

#[test]
fn a_locked_role_holds_nothing_and_attempts_nothing() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE).on(Event::Due);
    let step = role.on(Event::Lock);
    assert!(!step.attempt && step.alarm.is_none());
    assert_eq!(role.phase(), Phase::Locked);
    let late = role.answer(HOUR);
    assert!(late.news.is_none() && !late.attempt, "what was in flight is not ours any more");
    for event in [Event::Due, Event::Demand, Event::Refresh, Event::ClockChanged] {
        assert!(!role.pass(HOUR).on(event).attempt);
    }
    assert!(role.on(Event::Unlock).attempt, "at once");
    assert_eq!(role.phase(), Phase::Waiting);
    assert_eq!(snapshot(role.answer(HOUR)).generation, 2, "counted on");
}

#[test]
fn who_rests_is_not_tried_until_somebody_asks() {
    let mut role = Role::holding(HOUR);
    role.pass(31 * MINUTE);
    let step = role.on(Event::Rest);
    assert!(!step.attempt && step.alarm.is_none() && role.machine.rests());
    assert_eq!(role.phase(), Phase::Stale, "what is valid is served");
    assert!(!role.on(Event::ClockChanged).attempt);
    assert!(role.on(Event::Demand).attempt, "due, and asked for");
    assert!(!role.machine.rests());
    role.answer(HOUR);

    role.pass(2 * HOUR).on(Event::Rest);
    assert!(role.machine.standing(role.now()).resting);
    assert!(role.on(Event::Refresh).attempt);
}

#[test]
fn a_lock_wakes_nobody() {
    let mut role = Role::holding(HOUR);
    role.on(Event::Rest);
    role.on(Event::Lock);
    assert_eq!(role.phase(), Phase::Locked);
    assert!(!role.on(Event::Unlock).attempt);
    assert!(role.on(Event::Demand).attempt);
}
