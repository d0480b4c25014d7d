//! The journal's own protocol: an event is a datagram, each of its fields a field
//! that `journalctl` can match and `journalctl -o json` shows.
//!
//! Names are ours in capitals: `event` becomes `EVENT`, `role` becomes `ROLE`. By
//! hand, for it is one `send`; the crate for it does not bound what it sends, and
//! waits for a journal that hangs as long as that hangs.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where every journal listens (`systemd-journald.service(8)`).
const SOCKET: &str = "/run/systemd/journal/socket";
/// A journal that takes longer loses the line: the daemon has clients to answer.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is longer is cut, so that every event fits into a datagram.
const LONGEST: usize = 8 * 1024;

/// A journal that listens.
#[derive(Debug, Clone)]
pub(super) struct Journal(Arc<UnixDatagram>);

impl Journal {
    /// The machine's own.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn open() -> io::Result<Self> {
        Self::at(Path::new(SOCKET)).map_err(|error| {
            io::Error::new(error.kind(), format!("no journal listens on {SOCKET}: {error}"))
        })
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Arc::new(socket)))
    }

    fn send(&self, entry: &Entry, level: Level) {
        let Err(error) = self.0.send(&entry.datagram(level)) else { return };
        if error.kind() != io::ErrorKind::WouldBlock {
            // The journal has gone: its stream may still be there, and knows this prefix.
            let _ = writeln!(io::stderr(), "<{}>{}", priority(level), entry.line);
        }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        self.send(&entry, *event.metadata().level());
    }
}

/// One event, as it is read.
#[derive(Debug, Default)]
struct Entry {
    /// What `journalctl` prints: the message, and after it all fields but the name.
    line: String,
    /// The fields, encoded.
    fields: Vec<u8>,
}

impl Entry {
    fn datagram(&self, level: Level) -> Vec<u8> {
        let mut datagram = Vec::new();
        field(&mut datagram, "MESSAGE", &self.line);
        field(&mut datagram, "PRIORITY", priority(level));
        field(&mut datagram, "SYSLOG_IDENTIFIER", "assumed");
        datagram.extend(&self.fields);
        datagram
    }

    fn take(&mut self, name: &str, value: &str) {
        let value = cut(value);
        let shown = value.chars().map(|c| if c.is_control() { ' ' } else { c });
        match name {
            "message" => {
                let rest = std::mem::take(&mut self.line);
                self.line.extend(shown);
                self.line.push_str(&rest);
                return;
            }
            "event" => {}
            _ => {
                let _ = write!(self.line, " {name}=");
                self.line.extend(shown);
            }
        }
        field(&mut self.fields, &in_capitals(name), value);
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), &format!("{value:?}"));
    }
}

/// Other crates have dots in theirs, which the journal does not take.
fn in_capitals(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(legal).skip_while(|c| *c == '_').collect()
}

/// In the form that takes any value: name, length, value.
fn field(datagram: &mut Vec<u8>, name: &str, value: &str) {
    let length = u64::try_from(value.len()).unwrap_or_default();
    datagram.extend(name.as_bytes());
    datagram.push(b'\n');
    datagram.extend(length.to_le_bytes());
    datagram.extend(value.as_bytes());
    datagram.push(b'\n');
}

/// As `syslog(3)` counts.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// As the journal reads it; panics on what it would reject.
    fn read(mut datagram: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while !datagram.is_empty() {
            let end = datagram.iter().position(|byte| *byte == b'\n').unwrap();
            let name = String::from_utf8(datagram[..end].to_vec()).unwrap();
            let legal = |c: char| c.is_ascii_uppercase() || c == '_';
            assert!(name.chars().all(legal) && !name.starts_with('_'), "{name}");
            let (length, rest) = datagram[end + 1..].split_first_chunk().unwrap();
            let (value, rest) = rest.split_at(u64::from_le_bytes(*length).try_into().unwrap());
            assert_eq!(rest[0], b'\n');
            datagram = &rest[1..];
            fields.insert(name, String::from_utf8(value.to_vec()).unwrap());
        }
        fields
    }

    fn told(event: impl FnOnce()) -> BTreeMap<String, String> {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        let journal = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(journal, event);
        let mut buffer = vec![0; 256 * 1024];
        let length = socket.recv(&mut buffer).unwrap();
        read(&buffer[..length])
    }

    #[test]
    fn an_event_is_an_entry_with_its_fields() {
        let fields = told(|| {
            let next: Option<&str> = None;
            tracing::info!(event = "rotated", role = %"dev", generation = 2_u64, next, "rotated");
        });
        let field = |name| fields[name].as_str();
        assert_eq!(field("MESSAGE"), "rotated role=dev generation=2");
        assert_eq!((field("EVENT"), field("ROLE"), field("GENERATION")), ("rotated", "dev", "2"));
        assert_eq!((field("PRIORITY"), field("SYSLOG_IDENTIFIER")), ("6", "assumed"));
        assert_eq!(fields.len(), 6, "what is absent is no field: {fields:?}");
    }

    #[test]
    fn no_value_is_taken_for_a_field_or_another_line() {
        let fields = told(|| tracing::error!(error = "a\nPRIORITY=0", "failed"));
        assert_eq!(fields["ERROR"], "a\nPRIORITY=0");
        assert_eq!(fields["MESSAGE"], "failed error=a PRIORITY=0");
        assert_eq!(fields["PRIORITY"], "3");
    }

    #[test]
    fn names_are_those_that_the_journal_takes() {
        assert_eq!(in_capitals("__http.status-code2"), "HTTP_STATUS_CODE2");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = format!("x{}", "ß".repeat(LONGEST));
        let fields = told(|| tracing::warn!(hint = long, "w"));
        assert_eq!(fields["HINT"].len(), LONGEST - 1);
    }
}
