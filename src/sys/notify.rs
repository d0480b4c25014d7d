//! What systemd is told: ready, how it stands, alive, reloading, stopping.
//!
//! Datagrams of `sd_notify(3)`. By hand, for it is one `send`, and the crate
//! for it reads the process environment, which here is read once and passed on.
//! Without a service manager each of them goes nowhere.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock;
use crate::environment::Environment;

/// Where the service manager listens, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` have it.
    ///
    /// # Errors
    /// Where the socket's address is none.
    pub fn of(environment: &Environment) -> io::Result<Self> {
        let to = environment.get("NOTIFY_SOCKET").map(address).transpose()?;
        // Somebody else's watchdog is not fed by us.
        let other = |pid: &str| pid != std::process::id().to_string();
        let usec = environment.get("WATCHDOG_USEC").and_then(|usec| usec.parse().ok());
        let ours = to.is_some() && !environment.get("WATCHDOG_PID").is_some_and(other);
        let watchdog = usec.filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        Ok(Self { to, watchdog })
    }

    /// True where somebody listens.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.to.is_some()
    }

    /// How long the service manager waits for [`Self::alive`] before it kills us.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The start is over, or the reload.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// How it stands, on one line.
    pub fn status(&self, text: &str) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.send(&format!("STATUS={line}"));
    }

    /// A reload begins; [`Self::ready`] ends it. The time is what `Type=notify-reload` wants.
    pub fn reloading(&self) {
        let since = clock::monotonic().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={since}"));
    }

    /// Feeds the watchdog.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// The end begins.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, message: &str) {
        let Some(to) = &self.to else { return };
        // Nothing of ours depends on being heard.
        let _ =
            UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(message.as_bytes(), to));
    }
}

fn address(name: &str) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn each_message_is_a_datagram_of_its_own() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let environment = Environment::default().with("NOTIFY_SOCKET", path.to_str().unwrap());
        let notify = Notify::of(&environment).unwrap();
        assert!(notify.is_heard() && notify.watchdog().is_none());
        notify.status("dev: refused\nREADY=1");
        assert_eq!(heard(&socket), "STATUS=dev: refused READY=1", "one line, whatever STS wrote");
        notify.reloading();
        let told = heard(&socket);
        let usec = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(usec.parse::<u64>().unwrap() > 0);
        notify.ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_abstract_address_is_one_too() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("assumed-test-{}", std::process::id());
        let socket =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let environment = Environment::default().with("NOTIFY_SOCKET", format!("@{name}"));
        Notify::of(&environment).unwrap().alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }

    #[test]
    fn only_our_own_watchdog_is_fed() {
        let environment = |pid: String| {
            Environment::default()
                .with("NOTIFY_SOCKET", "/run/notify")
                .with("WATCHDOG_USEC", "2000000")
                .with("WATCHDOG_PID", pid)
        };
        let watchdog = |environment| Notify::of(&environment).unwrap().watchdog();
        let own = environment(std::process::id().to_string());
        assert_eq!(watchdog(own.clone()), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(own.clone().without("WATCHDOG_PID")), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(environment("1".to_owned())), None);
        assert_eq!(watchdog(own.clone().with("WATCHDOG_USEC", "0")), None);
        assert_eq!(watchdog(own.without("NOTIFY_SOCKET")), None);
    }
}
