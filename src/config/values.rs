//! Texts that several settings share: spans of time, addresses, URLs, and the
//! nearest of the known names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::role::Malformed;

/// Whole seconds, or `90s`, `15m`, `1h`.
///
/// # Errors
/// Where the text is none of these.
pub fn duration(text: &str) -> Result<Duration, Malformed> {
    let (number, unit) = [("s", 1), ("m", 60), ("h", 3600)]
        .into_iter()
        .find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, unit)))
        .unwrap_or((text, 1));
    let seconds = Some(number)
        .filter(|number| number.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|number| number.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(unit));
    seconds
        .map(Duration::from_secs)
        .ok_or(Malformed { expected: "a duration", why: "write whole seconds, or 90s, 15m, 1h" })
}

/// `HOST:PORT`, where the host is an IP address or `localhost`.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Malformed> {
    if let Some(port) = text.strip_prefix("localhost:")
        && let Ok(port) = port.parse()
    {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().map_err(|_| Malformed {
        expected: "an address to listen on",
        why: if text.parse::<IpAddr>().is_ok() {
            "the port is missing: 127.0.0.1:1338 or [::1]:1338"
        } else {
            "it looks like 127.0.0.1:1338 or [::1]:1338"
        },
    })
}

/// The parts of an endpoint's URL that decide something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) encrypted: bool,
    pub(super) loopback: bool,
}

/// `http` or `https`, a host, perhaps a port and a path; nothing else.
pub(super) fn url(text: &str) -> Result<Url, Malformed> {
    let wrong = |why| Malformed { expected: "the URL of an endpoint", why };
    let (encrypted, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => return Err(wrong("it begins with https:// or http://")),
    };
    if !rest.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("it holds no blanks and no control characters"));
    }
    if rest.contains(['?', '#', '@', '\\']) {
        return Err(wrong("it has no user name, query or fragment"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = split_port(authority).ok_or_else(|| wrong("its host is malformed"))?;
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return Err(wrong("its port is a number up to 65535"));
    }
    let loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    Ok(Url { encrypted, loopback })
}

/// The host and the port that a well-formed URL leads to.
pub(super) fn authority(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, port) = split_port(rest.split('/').next()?)?;
    let usual = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    Some((host, port.map_or(Some(usual), |port| port.parse().ok())?))
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!host.is_empty() && host.bytes().all(valid)).then_some((host, port))
}

/// A host's name or address, as it may stand in `Host`, without a port.
pub(super) fn host(text: &str) -> Result<&str, Malformed> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let named = (1..=253).contains(&text.len()) && text.bytes().all(valid);
    if named || text.parse::<IpAddr>().is_ok() {
        Ok(text)
    } else {
        Err(Malformed { expected: "a host", why: "it is a name or an address, without a port" })
    }
}

/// The one of `known` that somebody may have meant.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        // A third of the letters wrong is another word.
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).clamp(1, 3))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_seconds_minutes_or_hours() {
        let seconds = |text| duration(text).map(|d| d.as_secs()).ok();
        assert_eq!(seconds("900"), Some(900));
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("15m"), Some(900));
        assert_eq!(seconds("1h"), Some(3600));
        for text in ["", "s", "1.5h", "-1", "+1", "1d", "1 h", "1ss", "99999999999999999h"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_to_listen_on_has_a_port() {
        assert_eq!(listen_address("localhost:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert!(listen_address("[fd00:ec2::254]:80").is_ok());
        for text in ["", "1338", ":1338", "127.0.0.1", "::1", "example.com:80"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_http_with_a_host_and_little_else() {
        let parts = |encrypted, loopback| Ok(Url { encrypted, loopback });
        assert_eq!(url("https://sts.example.com/path"), parts(true, false));
        assert_eq!(url("HTTP://[::1]:4566"), parts(false, true));
        assert_eq!(url("http://localhost:1"), parts(false, true));
        for text in [
            "",
            "sts.example.com",
            "ftp://x",
            "https://",
            "https://:80",
            "https://a b",
            "https://u:p@host",
            "https://host?x",
            "https://host:99999",
            "https://host:",
            "https://[::1",
            "https://[nonsense]",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["prod", "staging", "dev"];
        assert_eq!(nearest("prdo", known), Some("prod"));
        assert_eq!(nearest("stagin", known), Some("staging"));
        assert_eq!(nearest("sandbox", known), None);
    }
}
