//! Moments and spans as people read them: where on the calendar, and how far off.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock;

/// `2026-01-02 03:04:05Z`
#[must_use]
pub fn absolute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `in 4m 5s`, `4m 5s ago` or `now`.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (clock::until(now, at), clock::until(at, now));
    match (ahead.as_secs(), behind.as_secs()) {
        (0, 0) => "now".to_owned(),
        (0, _) => format!("{} ago", spoken(behind)),
        _ => format!("in {}", spoken(ahead)),
    }
}

/// `2026-01-02 03:04:05Z (in 4m 5s)`
#[must_use]
pub fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", absolute(at), relative(at, now))
}

/// Its two largest units: `1d 2h`, `2h 3m`, `3m 4s`, `4s`.
#[must_use]
pub(super) fn spoken(span: Duration) -> String {
    let (larger, smaller) = units(span);
    smaller.map_or_else(|| larger.clone(), |smaller| format!("{larger} {smaller}"))
}

/// Its largest unit: `2h`.
#[must_use]
pub fn short(span: Duration) -> String {
    units(span).0
}

fn units(span: Duration) -> (String, Option<String>) {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let unit = |number: u64, letter: char| format!("{number}{letter}");
    if days > 0 {
        (unit(days, 'd'), Some(unit(hours % 24, 'h')))
    } else if hours > 0 {
        (unit(hours, 'h'), Some(unit(minutes % 60, 'm')))
    } else if minutes > 0 {
        (unit(minutes, 'm'), Some(unit(seconds % 60, 's')))
    } else {
        (unit(seconds, 's'), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_on_the_calendar_and_as_a_distance() {
        let now = Timestamp::from_second(1_767_323_045).unwrap();
        let later = |seconds: i64| Timestamp::from_second(1_767_323_045 + seconds).unwrap();
        assert_eq!(absolute(now), "2026-01-02 03:04:05Z");
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(later(245), now), "in 4m 5s");
        assert_eq!(relative(later(-3600), now), "1h 0m ago");
        assert_eq!(relative(later(93_784), now), "in 1d 2h");
        assert_eq!(short(Duration::from_secs(59)), "59s");
        assert_eq!(short(Duration::from_secs(3599)), "59m");
    }
}
