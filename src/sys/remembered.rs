//! A port that is chosen once and stays, so that what was told to consumers
//! goes on being true over a restart.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::private::PrivateFile;
use super::{identity, sockets};

/// Its name in the state directory.
pub const PORT: &str = "container.port";

/// Below what systems hand out by themselves, lest an outgoing connection has
/// the port when we come back.
const FIRST: u16 = 20_000;
const CHOICE: u64 = 10_000;
/// So many ports in use by others are bad luck no more.
const TRIES: usize = 32;

/// A listener, and what became of the port that was remembered.
#[derive(Debug)]
pub struct Remembered {
    /// On loopback.
    pub listener: TcpListener,
    /// The port of before, where somebody else has it now.
    pub lost: Option<u16>,
}

/// Listens on loopback, at the remembered port where that can be had.
///
/// Without a file, or where the file cannot be read, the port is another one
/// each time; a port that others have taken is forgotten.
///
/// # Errors
/// Where nothing can be bound, or the new port cannot be remembered.
pub fn listen(file: Option<&PrivateFile>) -> io::Result<Remembered> {
    let known = file.and_then(|file| file.read().ok().flatten());
    let known = known.and_then(|text| text.trim().parse::<u16>().ok()).filter(|port| *port != 0);
    if let Some(Ok(listener)) = known.map(on) {
        return Ok(Remembered { listener, lost: None });
    }
    let listener = anywhere()?;
    if let Some(file) = file {
        let port = listener.local_addr()?.port();
        file.replace(port.to_string().as_bytes())?;
    }
    Ok(Remembered { listener, lost: known })
}

fn anywhere() -> io::Result<TcpListener> {
    let choice = || u16::try_from(identity::nonce() % CHOICE).unwrap_or_default();
    let mut found = (0..TRIES).map(|_| on(FIRST + choice()));
    found.find_map(Result::ok).map_or_else(|| on(0), Ok)
}

fn on(port: u16) -> io::Result<TcpListener> {
    sockets::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_stays_until_somebody_else_has_it() {
        let home = tempfile::tempdir().unwrap();
        let file = PrivateFile::new(home.path().join(PORT));
        let port = |found: &Remembered| found.listener.local_addr().unwrap().port();
        let first = listen(Some(&file)).unwrap();
        let chosen = port(&first);
        assert!((FIRST..30_000).contains(&chosen));
        let second = listen(Some(&file)).unwrap();
        assert_ne!(port(&second), chosen, "it was taken");
        assert_eq!((first.lost, second.lost), (None, Some(chosen)));
        let kept = port(&second);
        drop((first, second));
        assert_eq!(port(&listen(Some(&file)).unwrap()), kept);
    }

    #[test]
    fn a_file_that_says_nothing_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let file = PrivateFile::new(home.path().join(PORT));
        for text in ["", "0", "70000", "http"] {
            file.replace(text.as_bytes()).unwrap();
            let Remembered { listener, lost } = listen(Some(&file)).unwrap();
            assert_eq!(lost, None);
            let port = listener.local_addr().unwrap().port().to_string();
            assert_eq!(file.read().unwrap().unwrap(), port);
        }
        assert!(listen(None).is_ok());
    }
}
