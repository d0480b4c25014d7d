//! How long to wait before STS is asked again.
//!
//! Arithmetic on durations and nothing else: no clock, no random numbers, no
//! knowledge of STS. `jitter` is always a number in `0.0..=1.0` that the caller
//! draws; `left` the validity still to run, zero where nothing valid is held.

use std::time::Duration;

/// The pause after an attempt before a waiting request may cause another.
pub const REST: Duration = Duration::from_secs(2);

/// The shortest time for which a set is held, whatever its life.
const SHORTEST_HOLD: Duration = Duration::from_millis(500);
/// The longest time for which a success forbids another attempt.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The shortest back-off: attempts crowd towards the expiration no closer than this.
const FLOOR: Duration = Duration::from_secs(1);
/// The longest back-off while something valid is served.
const CEILING: Duration = Duration::from_mins(5);
/// The longest back-off while clients go without.
const CEILING_UNSERVED: Duration = Duration::from_secs(30);

/// How long a set of this `life` is kept before it is due (C15).
///
/// Half of it, or up to a tenth of that half earlier: an hour's session is
/// replaced with 30 to 33 minutes to go, which leaves STS five to answer in
/// before clients see less than 25.
#[must_use]
pub fn hold(life: Duration, jitter: f64) -> Duration {
    let half = life / 2;
    half.saturating_sub(share(half / 10, jitter)).max(SHORTEST_HOLD)
}

/// How long a success forbids another attempt, for a set with this life by
/// whichever clock gives it more.
///
/// Of no account while the clocks agree. Where they differ by nearly a whole
/// life, every set seems to end at once, and asking sooner gets nothing better.
#[must_use]
pub fn rest(life: Duration) -> Duration {
    (life / 20).clamp(SHORTEST_HOLD, LONGEST_REST)
}

/// How long to wait after `failures` attempts failed in a row.
///
/// Full jitter: anything from the floor to a ceiling that doubles. No wait
/// reaches beyond half of what is left, so attempts crowd before the end.
#[must_use]
pub fn back_off(left: Duration, failures: u32, jitter: f64) -> Duration {
    let doubled = FLOOR.saturating_mul(1 << failures.min(16));
    let ceiling = if left.is_zero() {
        doubled.min(CEILING_UNSERVED)
    } else {
        doubled.min(CEILING).min(left / 2).max(FLOOR)
    };
    FLOOR + share(ceiling.saturating_sub(FLOOR), jitter)
}

/// How long to wait after a refusal, which no haste will change.
///
/// The ceiling, or up to a tenth less, but with one attempt at the moment
/// when the last valid set ends.
#[must_use]
pub fn after_refusal(left: Duration, jitter: f64) -> Duration {
    let ceiling = left.clamp(CEILING_UNSERVED, CEILING);
    ceiling.saturating_sub(share(ceiling / 10, jitter))
}

/// `jitter` of `span`; a number that is none counts as zero.
fn share(span: Duration, jitter: f64) -> Duration {
    let jitter = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) };
    span.mul_f64(jitter).min(span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From 1 s to 36 h, dense where sessions are short.
    fn life() -> impl Strategy<Value = Duration> {
        prop_oneof![1_000_u64..=120_000, 120_000_u64..=3_600_000, 3_600_000_u64..=36 * 3_600_000,]
            .prop_map(Duration::from_millis)
    }

    fn jitter() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), Just(1.0), 0.0..1.0]
    }

    proptest! {
        #[test]
        fn jitter_only_rotates_earlier_and_by_a_tenth_at_most(life in life(), jitter in jitter()) {
            let half = life / 2;
            let hold = hold(life, jitter);
            prop_assert!(hold <= half.max(SHORTEST_HOLD));
            prop_assert!(hold + half / 10 >= half);
        }

        #[test]
        fn no_rest_outlasts_the_hold(life in life(), jitter in jitter()) {
            prop_assert!(rest(life) <= hold(life, jitter));
        }

        #[test]
        fn an_hour_or_more_keeps_25_minutes_through_the_first_attempt(
            life in 3600_u64..=36 * 3600, jitter in jitter(), answer in 0_u64..=40, lost in 0_u64..=41,
        ) {
            // `lost`: what the reply's age and the grain of its `Date` take from the life.
            let session = Duration::from_secs(life);
            let known = session.saturating_sub(Duration::from_secs(lost));
            let spent = hold(known, jitter) + Duration::from_secs(lost + answer);
            prop_assert!(session.saturating_sub(spent) >= Duration::from_mins(25));
        }

        #[test]
        fn no_back_off_leaves_its_bounds(left in life(), failures in 0_u32.., jitter in jitter()) {
            let served = back_off(left, failures, jitter);
            prop_assert!(served >= FLOOR && served <= CEILING);
            let unserved = back_off(Duration::ZERO, failures, jitter);
            prop_assert!(unserved >= FLOOR && unserved <= CEILING_UNSERVED);
        }

        #[test]
        fn attempts_crowd_before_the_end(left in life(), failures in 0_u32.., jitter in jitter()) {
            prop_assert!(back_off(left, failures, jitter) <= (left / 2).max(FLOOR));
        }

        #[test]
        fn more_failures_or_jitter_never_shorten_the_wait(
            left in life(), failures in 0_u32..40, low in jitter(), high in jitter(),
        ) {
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            prop_assert!(back_off(left, failures, low) <= back_off(left, failures, high));
            prop_assert!(back_off(left, failures, low) <= back_off(left, failures + 1, low));
        }

        #[test]
        fn a_refusal_is_retried_at_the_ceiling(left in life(), jitter in jitter()) {
            let unserved = after_refusal(Duration::ZERO, jitter);
            prop_assert!(unserved >= CEILING_UNSERVED * 9 / 10 && unserved <= CEILING_UNSERVED);
            let served = after_refusal(left, jitter);
            prop_assert!(served >= CEILING_UNSERVED * 9 / 10 && served <= CEILING);
            prop_assert!(served <= left.max(CEILING_UNSERVED));
        }
    }

    #[test]
    fn full_jitter_spans_from_the_floor_to_a_ceiling_that_doubles() {
        let hours = Duration::from_hours(6);
        let longest: Vec<u64> =
            (1..=10).map(|failures| back_off(hours, failures, 1.0).as_secs()).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(back_off(hours, 10, 0.0), FLOOR);
        assert_eq!(back_off(Duration::ZERO, 10, 1.0), CEILING_UNSERVED);
    }

    #[test]
    fn a_life_too_short_to_halve_causes_no_storm() {
        for life in [0, 1, 10, 999] {
            assert_eq!(hold(Duration::from_millis(life), 1.0), SHORTEST_HOLD);
        }
    }

    #[test]
    fn a_jitter_that_is_no_fraction_does_no_harm() {
        let life = Duration::from_hours(1);
        assert_eq!(hold(life, f64::NAN), hold(life, 0.0));
        assert_eq!(hold(life, f64::INFINITY), hold(life, 1.0));
        assert_eq!(hold(life, -3.0), hold(life, 0.0));
        assert!(hold(Duration::MAX, 1.0) < Duration::MAX / 2);
    }
}
