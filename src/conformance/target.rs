//! Which server is judged: `http://host:port` and the address behind it.
//!
//! Plain HTTP only, as IMDS is. Refuses a path, so that nobody believes it
//! would be honoured: SDKs drop it too.

use std::net::{SocketAddr, ToSocketAddrs};

use thiserror::Error;

/// Why a URL names no server that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadUrl {
    /// IMDS is plain HTTP.
    #[error("not an http:// URL: IMDS is plain HTTP, as in http://127.0.0.1:1338")]
    Scheme,
    /// More than a host and a port.
    #[error("the URL has more than a host and a port: SDKs drop a path, so none is tried")]
    More,
    /// No host, or a port that is none.
    #[error("the URL names no host and port, as http://127.0.0.1:1338 does")]
    Authority,
    /// The name leads nowhere.
    #[error("the host {0} has no address")]
    Unknown(String),
}

/// A server: what to call it in `Host`, and where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// As the URL has it, with its port if it has one.
    pub(super) authority: String,
    /// Where the sockets go.
    pub(super) address: SocketAddr,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, BadUrl> {
        let rest = url.strip_prefix("http://").ok_or(BadUrl::Scheme)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(BadUrl::More);
        }
        let (host, port) = split_port(authority).ok_or(BadUrl::Authority)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut found =
            (bare, port).to_socket_addrs().map_err(|_| BadUrl::Unknown(host.to_owned()))?;
        let address = found.next().ok_or_else(|| BadUrl::Unknown(host.to_owned()))?;
        Ok(Self { authority: authority.to_owned(), address })
    }

    /// The address as it stands in `Host`: an IPv6 one in brackets.
    pub(super) fn ip(&self) -> String {
        match self.address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        }
    }
}

/// Host and port, 80 where the authority has none.
fn split_port(authority: &str) -> Option<(&str, u16)> {
    let name_ends = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(name_ends..)?.rfind(':') {
        Some(at) => {
            let (host, port) = authority.split_at_checked(name_ends + at)?;
            (host, port.get(1..)?.parse().ok()?)
        }
        None => (authority, 80),
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        let target = Target::parse("http://127.0.0.1:1338/").unwrap();
        assert_eq!(target.authority, "127.0.0.1:1338");
        assert_eq!(target.address.to_string(), "127.0.0.1:1338");
        let target = Target::parse("http://[::1]:8080").unwrap();
        assert_eq!((target.ip().as_str(), target.address.port()), ("[::1]", 8080));
        let target = Target::parse("http://169.254.169.254").unwrap();
        assert_eq!(target.address.port(), 80);
    }

    #[test]
    fn anything_else_is_refused() {
        for (url, why) in [
            ("https://127.0.0.1", BadUrl::Scheme),
            ("127.0.0.1:1338", BadUrl::Scheme),
            ("http://127.0.0.1/latest", BadUrl::More),
            ("http://me@127.0.0.1", BadUrl::More),
            ("http://", BadUrl::Authority),
            ("http://127.0.0.1:no", BadUrl::Authority),
            ("http://:80", BadUrl::Authority),
        ] {
            assert_eq!(Target::parse(url), Err(why), "{url}");
        }
    }
}
