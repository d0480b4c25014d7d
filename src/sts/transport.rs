//! What a connection died of, in words a user can act on.
//!
//! Walks the chain of causes: types where there are types, the words of the
//! libc and of hyper-util where there are none. Knows no reply of STS.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_smithy_async::future::timeout::TimedOutError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use rustls::CertificateError;

use super::request::Timeouts;
use super::wording::tidy;
use crate::failure::{Failure, Kind};

pub(super) fn timed_out(what: &str, limit: Duration) -> Failure {
    Failure::new(Kind::Unreachable, format!("{what} within {limit:?}"))
        .hint("is there a firewall in the way, or a proxy to be set?")
}

/// What a connection died of, if the chain of causes tells.
pub(super) fn transport(error: &(dyn Error + 'static), timeouts: Timeouts) -> Option<Failure> {
    // One of our own: there was no way to take.
    if let Some(ours) = find::<Failure>(error) {
        return Some(ours.clone());
    }
    // The type is private to hyper-util, its words are not.
    let tunnel =
        causes(error).map(ToString::to_string).find(|text| text.starts_with("tunnel error"));
    match tunnel {
        None => direct(error, timeouts),
        Some(words) => Some(tunnelled(error, &words, timeouts)),
    }
}

fn direct(error: &(dyn Error + 'static), timeouts: Timeouts) -> Option<Failure> {
    if find::<ResolveDnsError>(error).is_some() {
        return Some(unresolved(error));
    }
    if find::<TimedOutError>(error).is_some() {
        return Some(timed_out("no connection", timeouts.connect));
    }
    if let Some(error) = find::<rustls::Error>(error) {
        return Some(no_tls(error));
    }
    causes(error).find_map(|cause| broken(cause.downcast_ref::<io::Error>()?.kind()))
}

fn tunnelled(error: &(dyn Error + 'static), words: &str, timeouts: Timeouts) -> Failure {
    if words.contains("authorization") {
        return unauthorized_by_proxy();
    }
    let mut failure = direct(error, timeouts).unwrap_or_else(|| {
        Failure::new(Kind::Unreachable, "it refuses to connect us to the endpoint")
            .hint("is STS allowed by the proxy, and is the proxy the right one?")
    });
    failure.message = format!("at the proxy: {}", failure.message);
    failure
}

pub(super) fn unauthorized_by_proxy() -> Failure {
    Failure::new(Kind::Unreachable, "the proxy wants a user name and a password")
        .hint("put them into the URL of the proxy, as http://USER:PASSWORD@HOST:PORT")
}

pub(super) fn cut_short() -> Failure {
    Failure::new(Kind::Unreachable, "the connection broke before the answer was complete")
}

/// Nothing for kinds that files bring about too: the caller knows what it read.
fn broken(kind: io::ErrorKind) -> Option<Failure> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => Failure::new(Kind::Unreachable, "connection refused")
            .hint("is the endpoint, or the proxy, up and its port right?"),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Failure::new(Kind::Unreachable, "no network")
            .hint("nothing to do once the network is back"),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => cut_short(),
        _ => return None,
    })
}

/// The resolver's own code is lost on the way; its words are those of every libc.
fn unresolved(error: &(dyn Error + 'static)) -> Failure {
    let words = last(error);
    if words.contains("emporary failure") || words.contains("ry again") {
        return Failure::new(Kind::Unreachable, "no network, or no name server answers")
            .hint("nothing to do once the network is back");
    }
    Failure::new(Kind::Unreachable, "the name is not found")
        .hint("is the region, or endpoint_url, or the proxy, spelt right?")
}

fn no_tls(error: &rustls::Error) -> Failure {
    let rustls::Error::InvalidCertificate(flaw) = error else {
        return Failure::new(Kind::Unreachable, format!("TLS fails: {}", tidy(&error.to_string())))
            .hint("does the endpoint, or a proxy in the way, speak TLS 1.2 or 1.3?");
    };
    let hint = match flaw {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "is this machine's clock right? if it is, the certificate has to be renewed"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "does endpoint_url name the host that the certificate is for?"
        }
        _ => "set ca_bundle, or AWS_CA_BUNDLE, to the authority of your network or proxy",
    };
    let message = format!("the TLS certificate is not trusted: {}", tidy(&flaw.to_string()));
    Failure::new(Kind::Unreachable, message).hint(hint)
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>() {
            // `source` of an io::Error skips what it wraps.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The innermost cause, in its own words.
pub(super) fn last(error: &(dyn Error + 'static)) -> String {
    tidy(&causes(error).last().unwrap_or(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_io_error_is_found() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(io::Error::other(refused));
        assert_eq!(last(&wrapped), "connection refused");
    }

    #[test]
    fn a_name_unknown_and_a_network_down_are_told_apart() {
        let told = |words: &str| {
            let words = format!("failed to lookup address information: {words}");
            let error = ResolveDnsError::new(io::Error::other(words));
            transport(&error, Timeouts::default()).unwrap().message
        };
        for words in ["Name or service not known", "nodename nor servname provided, or not known"] {
            assert_eq!(told(words), "the name is not found");
        }
        for words in ["Temporary failure in name resolution", "Try again"] {
            assert_eq!(told(words), "no network, or no name server answers");
        }
        for kind in [io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable] {
            let error = io::Error::other(io::Error::from(kind));
            assert_eq!(transport(&error, Timeouts::default()).unwrap().message, "no network");
        }
        let file = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(transport(&file, Timeouts::default()), None);
    }
}
