//! What systemd is told: ready, how it stands, alive, reloading, stopping; and what
//! it is given to keep for the next process.
//!
//! Datagrams of `sd_notify(3)`. By hand, for it is one `send`, and the crate
//! for it reads the process environment, which here is read once and passed on.
//! Without a service manager each of them goes nowhere.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::clock;
use crate::environment::Environment;

/// Where the service manager listens, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<SocketAddr>,
    watchdog: Option<Duration>,
    keeps: bool,
}

impl Notify {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID` and `FDSTORE` have it.
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
        // Set by systemd since 254, and by our unit before.
        let places = environment.get("FDSTORE").and_then(|places| places.parse::<u32>().ok());
        let keeps = to.is_some() && places.is_some_and(|places| places > 0);
        Ok(Self { to, watchdog, keeps })
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

    /// True where the service manager keeps descriptors over a restart.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keeps
    }

    /// Has it keep this one, which comes back under its name.
    pub fn keep(&self, name: &str, descriptor: impl AsFd) {
        let message = format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0");
        // Where it is not kept, it is not there after a restart.
        let _ = self.hand_over(&message, descriptor);
    }

    /// Has it close all that it keeps under this name.
    pub fn keep_no_more(&self, name: &str) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
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

    fn hand_over(&self, message: &str, descriptor: impl AsFd) -> io::Result<()> {
        let Some(to) = &self.to else { return Ok(()) };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(to)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut enclosed = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor.as_fd()];
        enclosed.push(SendAncillaryMessage::ScmRights(&descriptors));
        let text = [IoSlice::new(message.as_bytes())];
        sendmsg(socket, &text, &mut enclosed, SendFlags::empty())?;
        Ok(())
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
    fn a_descriptor_goes_along_where_the_service_manager_keeps_any() {
        use std::io::{IoSliceMut, Read as _, Seek as _, Write as _};

        use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let environment = Environment::default().with("NOTIFY_SOCKET", path.to_str().unwrap());
        assert!(!Notify::of(&environment).unwrap().keeps());
        assert!(!Notify::of(&environment.clone().with("FDSTORE", "0")).unwrap().keeps());
        let notify = Notify::of(&environment.with("FDSTORE", "1")).unwrap();
        assert!(notify.keeps());

        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"kept").unwrap();
        file.rewind().unwrap();
        notify.keep("it", &file);
        let (mut text, mut space) =
            ([0; 64], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))]);
        let mut enclosed = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut text)];
        let received = recvmsg(&socket, &mut slices, &mut enclosed, RecvFlags::empty()).unwrap();
        assert_eq!(&text[..received.bytes], b"FDSTORE=1\nFDNAME=it\nFDPOLL=0");
        let Some(RecvAncillaryMessage::ScmRights(mut fds)) = enclosed.drain().next() else {
            panic!("no descriptor")
        };
        let mut read = String::new();
        std::fs::File::from(fds.next().unwrap()).read_to_string(&mut read).unwrap();
        assert_eq!(read, "kept");
        notify.keep_no_more("it");
        assert_eq!(heard(&socket), "FDSTOREREMOVE=1\nFDNAME=it");
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
