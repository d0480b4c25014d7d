//! Listeners: whether they answer as they should, and who else does.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Finding;
use crate::cli::env::reached_at;
use crate::cli::inputs::Found;
use crate::config::ListenKind;
use crate::fatal::Exit;
use crate::status::Status;
use crate::sys::sockets;

/// So that the status tells the doctor from programs.
const SELF: &str = concat!("User-Agent: assumed-doctor/", env!("CARGO_PKG_VERSION"), "\r\n");

/// Where SDKs ask that were told nothing.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
/// What is asked for there, the status that is right, and what that means.
type Door = (ListenKind, &'static str, u16, &'static str);

/// Nobody gets credentials without a token of its own.
const DOORS: [Door; 3] = [
    (ListenKind::Container, "/v1/credentials/x", 401, "wants a token"),
    (ListenKind::PodIdentity, "/v1/credentials", 400, "wants the token of a service account"),
    (ListenKind::Metrics, "/metrics", 200, "has metrics"),
];

/// A listener on this host needs no longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Nobody else is waited for long.
const GLANCE: Duration = Duration::from_millis(300);

pub(super) fn look(read: Option<&Found>, status: Option<&Status>, found: &mut Vec<Finding>) {
    let mut served = Vec::new();
    match (status, read) {
        (Some(status), _) => {
            for listener in &status.listeners {
                let address = reached_at(listener.address);
                served.push(address);
                let door = DOORS.into_iter().find(|(kind, ..)| kind.as_str() == listener.kind);
                found.push(match door {
                    Some(door) => knock(address, door),
                    None => metadata(address, listener.role.as_deref(), status),
                });
            }
        }
        (None, Some(read)) => {
            let wanted = read.settings.listen.iter().map(|listen| listen.address);
            found.extend(wanted.map(free));
        }
        (None, None) => {}
    }
    if !served.contains(&USUAL) {
        found.extend(elsewhere());
    }
}

/// As an SDK would: a metadata token first, then the role that is listed, `own` or active.
fn metadata(address: SocketAddr, own: Option<&str>, status: &Status) -> Finding {
    let about = "metadata";
    let token = exchange(
        address,
        &format!(
            "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\n\
             {SELF}X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n"
        ),
    );
    let answer = token.and_then(|(code, token)| match code {
        200 => exchange(
            address,
            &format!(
                "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n\
                 Host: {address}\r\n{SELF}X-aws-ec2-metadata-token: {token}\r\n\r\n"
            ),
        ),
        code => Ok((code, String::new())),
    });
    let role = status.role(own).map(|role| role.role_name.as_str()).unwrap_or_default();
    match answer {
        Ok((200, listed)) if listed == role => {
            Finding::ok(about, format!("http://{address} lists {role}"))
        }
        Ok((403, _)) if status.locked => {
            Finding::warn(about, format!("http://{address} is locked"))
                .hint("`assumed unlock` assumes anew")
        }
        Ok((code, _)) => {
            Finding::fail(Exit::Unavailable, about, format!("http://{address} answers {code}"))
                .hint("is it really the daemon that listens there?")
        }
        Err(error) => Finding::fail(Exit::Unavailable, about, format!("http://{address}: {error}"))
            .hint("does a firewall stand between programs and the daemon?"),
    }
}

/// A listener of another kind than IMDS, by the answer to somebody who shows nothing.
fn knock(address: SocketAddr, (kind, path, wanted, fine): Door) -> Finding {
    let about = kind.as_str();
    let get = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{SELF}Connection: close\r\n\r\n");
    match exchange(address, &get) {
        Ok((code, _)) if code == wanted => Finding::ok(about, format!("http://{address} {fine}")),
        Ok((code, _)) => {
            Finding::fail(Exit::Unavailable, about, format!("http://{address} answers {code}"))
                .hint("is it really the daemon that listens there?")
        }
        Err(error) => Finding::fail(Exit::Unavailable, about, format!("http://{address}: {error}"))
            .hint("does a firewall stand between programs and the daemon?"),
    }
}

/// Whether a daemon could have an address.
fn free(address: SocketAddr) -> Finding {
    let about = "listener";
    match sockets::listen(address) {
        Ok(_) => Finding::ok(about, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::fail(Exit::Unavailable, about, format!("another program has {address}"))
                .hint(format!("`{}` names it", sockets::naming(address.port())))
        }
        Err(error) => Finding::fail(Exit::Unavailable, about, format!("{address}: {error}"))
            .hint(format!("low ports need {}, and an address has to exist", sockets::LOW_PORTS)),
    }
}

/// Another metadata service, which SDKs ask that do not know of ours.
fn elsewhere() -> Option<Finding> {
    TcpStream::connect_timeout(&USUAL, GLANCE).ok()?;
    let what = format!("somebody else answers at {USUAL}");
    Some(
        Finding::warn("metadata", what).hint(
            "programs need AWS_EC2_METADATA_SERVICE_ENDPOINT to find the daemon: `assumed env`",
        ),
    )
}

/// The status and body of one answer.
fn exchange(address: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let code = code.ok_or_else(|| io::Error::other("the answer is no HTTP"))?;
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok((code, body.unwrap_or_default()))
}
