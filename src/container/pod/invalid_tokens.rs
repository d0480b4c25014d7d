//! How many invalid tokens one source may show: beyond that its tokens are not even parsed, so
//! that forging tokens costs neither time nor other pods their answers.
//!
//! Every token counts until it has proved to be valid. A source that shows valid ones only is
//! never limited, whatever else it does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::clock::BootTime;

/// How many sources are remembered; 48 bytes each.
const MAX_SOURCES: usize = 1024;
/// One address: 10 a second, 50 at once.
const ADDRESS: Rate = Rate { interval: Duration::from_millis(100), burst: 50 };
/// All addresses of a /64, which one client may have to itself: ten times as many. Pods with an IPv6 address
/// often share a /64, so that one alone must not use this up.
const NETWORK: Rate = Rate { interval: Duration::from_millis(10), burst: 500 };

/// So many at once, and one more after each interval.
#[derive(Debug, Clone, Copy)]
struct Rate {
    interval: Duration,
    burst: u32,
}

/// Who is counted as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Address(IpAddr),
    /// The first 64 bits of an address.
    Network(u64),
}

/// What each source has used up.
#[derive(Debug, Default)]
pub(super) struct InvalidTokens {
    /// When all that a source has used up will have come back to it.
    paid_by: HashMap<Source, BootTime>,
}

impl Source {
    /// All that an address is counted for.
    fn of(address: IpAddr) -> impl Iterator<Item = (Self, Rate)> {
        let address = address.to_canonical();
        let network = match address {
            IpAddr::V6(address) => Some((Self::Network(first_half(address)), NETWORK)),
            IpAddr::V4(_) => None,
        };
        [(Self::Address(address), ADDRESS)].into_iter().chain(network)
    }
}

fn first_half(address: Ipv6Addr) -> u64 {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d].into_iter().fold(0, |bits, segment| bits << 16 | u64::from(segment))
}

impl InvalidTokens {
    /// True if one more token of this address may be looked at.
    pub(super) fn allow(&self, address: IpAddr, now: BootTime) -> bool {
        Source::of(address).all(|(source, rate)| {
            let used = self.paid_by.get(&source).map_or(Duration::ZERO, |by| by.since(now));
            used + rate.interval <= rate.interval * rate.burst
        })
    }

    /// Counts an invalid token that took so many signature checks.
    pub(super) fn count(&mut self, address: IpAddr, checks: u32, now: BootTime) {
        for (source, rate) in Source::of(address) {
            self.make_room(source, now);
            let paid_by = self.paid_by.entry(source).or_insert(now);
            *paid_by = (*paid_by).max(now).plus(rate.interval * checks.max(1));
        }
    }

    /// Takes one back: the token proved to be valid.
    pub(super) fn forgive(&mut self, address: IpAddr) {
        for (source, rate) in Source::of(address) {
            if let Some(paid_by) = self.paid_by.get_mut(&source) {
                let sooner = paid_by.since_boot().saturating_sub(rate.interval);
                *paid_by = BootTime::from_boot(sooner);
            }
        }
    }

    /// Forgets what is paid for or else the source that comes closest to it.
    fn make_room(&mut self, source: Source, now: BootTime) {
        if self.paid_by.len() < MAX_SOURCES || self.paid_by.contains_key(&source) {
            return;
        }
        self.paid_by.retain(|_, paid_by| *paid_by > now);
        if self.paid_by.len() >= MAX_SOURCES
            && let Some(closest) = self.paid_by.iter().min_by_key(|(_, by)| **by).map(|it| *it.0)
        {
            self.paid_by.remove(&closest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(1000) + Duration::from_millis(milliseconds))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many tokens, all invalid, are looked at.
    fn looked_at(
        tokens: &mut InvalidTokens,
        from: &[IpAddr],
        shown: usize,
        now: BootTime,
    ) -> usize {
        let mut allowed = 0;
        for address in from.iter().cycle().take(shown) {
            if tokens.allow(*address, now) {
                allowed += 1;
                tokens.count(*address, 1, now);
            }
        }
        allowed
    }

    #[test]
    fn a_source_has_fifty_at_once_and_ten_a_second() {
        let mut tokens = InvalidTokens::default();
        let evil = [address("10.0.0.1")];
        assert_eq!(looked_at(&mut tokens, &evil, 10_000, at(0)), 50);
        assert_eq!(looked_at(&mut tokens, &evil, 10_000, at(99)), 0);
        assert_eq!(looked_at(&mut tokens, &evil, 10_000, at(1000)), 10);
        assert_eq!(looked_at(&mut tokens, &evil, 10_000, at(60_000)), 50, "and not more later");
        assert!(tokens.allow(address("10.0.0.2"), at(0)), "another source");
        let mapped = address("::ffff:10.0.0.1");
        assert!(!tokens.allow(mapped, at(60_000)), "the same source");
    }

    #[test]
    fn valid_tokens_cost_nothing() {
        let mut tokens = InvalidTokens::default();
        let pod = address("10.0.0.1");
        for _ in 0..10_000 {
            assert!(tokens.allow(pod, at(0)));
            tokens.count(pod, 1, at(0));
            tokens.forgive(pod);
        }
        assert_eq!(looked_at(&mut tokens, &[pod], 100, at(0)), 50);
    }

    #[test]
    fn a_token_that_took_many_checks_counts_as_many() {
        let mut tokens = InvalidTokens::default();
        let evil = address("10.0.0.1");
        tokens.count(evil, 64, at(0));
        assert!(!tokens.allow(evil, at(1400)));
        assert!(tokens.allow(evil, at(1500)));
    }

    #[test]
    fn a_network_of_addresses_is_limited_and_one_address_does_not_use_it_up() {
        let mut tokens = InvalidTokens::default();
        let one = [address("2001:db8::1")];
        let seconds = (0..600).map(|second| looked_at(&mut tokens, &one, 1000, at(second * 1000)));
        assert_eq!(seconds.sum::<usize>(), 50 + 599 * 10);
        assert!(tokens.allow(address("2001:db8::2"), at(599_000)), "a neighbour");

        let mut tokens = InvalidTokens::default();
        let many: Vec<IpAddr> =
            (0..5000_u16).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n).into()).collect();
        assert_eq!(looked_at(&mut tokens, &many, 50_000, at(0)), 500);
        assert_eq!(looked_at(&mut tokens, &many, 50_000, at(1000)), 100);
        assert!(tokens.allow(address("2001:db8:0:1::1"), at(1000)), "another network");
    }

    #[test]
    fn a_flood_of_sources_takes_no_room_and_frees_nobody() {
        let mut tokens = InvalidTokens::default();
        let evil = [address("10.0.0.1")];
        looked_at(&mut tokens, &evil, 50, at(0));
        for number in 0..100_000_u32 {
            tokens.count(IpAddr::V4(number.into()), 1, at(0));
        }
        assert_eq!(tokens.paid_by.len(), MAX_SOURCES);
        assert!(!tokens.allow(evil[0], at(0)), "who has used up most is remembered");
    }
}
