//! The socket file: who may open it, and whose it is.
//!
//! What a daemon that died left behind is replaced; what a living one listens
//! on, or what is no socket at all, never is. The file's mode is set before
//! the socket listens, so that there is no moment at which others could come in.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};
use thiserror::Error;

/// Connections that the kernel keeps until they are accepted; one more is refused.
const BACKLOG: i32 = 1024;

/// Who may steer besides the owner and root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The group whose members may open the file: a name or a number.
    pub group: Option<String>,
    /// Users who are served besides; with a group, the only ones of it.
    pub uids: Vec<u32>,
}

impl Access {
    /// Whether a peer that could open the file may give orders.
    #[must_use]
    pub fn admits(&self, peer: u32, owner: u32) -> bool {
        let by_group = self.group.is_some() && self.uids.is_empty();
        peer == owner || peer == 0 || by_group || self.uids.contains(&peer)
    }
}

/// Why the socket cannot be had at a place.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Somebody listens there.
    #[error("another daemon listens on {}", .0.display())]
    Taken(PathBuf),
    /// A file that is no socket, and not ours to remove.
    #[error("{} is no socket", .0.display())]
    InTheWay(PathBuf),
    /// There is no such group.
    #[error("there is no group {0}")]
    NoGroup(String),
    /// The system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// Where the socket was to be.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// A socket that listens; its file goes with this value.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Absent where the file is somebody else's to remove.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// One that the service manager holds: its file, and who may open it, are of its making.
    #[must_use]
    pub fn passed(listener: UnixListener) -> Self {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        Self { path: path.map(Path::to_owned).unwrap_or_default(), listener, file: None }
    }

    /// Makes the directory (0700, or 0750 for a group) where it is missing, for a socket to come.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn furnish(path: &Path, access: &Access) -> Result<(), Trouble> {
        let group = access.group.as_deref().map(gid).transpose()?;
        make(folder(path), group).map_err(|cause| Trouble::Io { path: path.to_owned(), cause })
    }

    /// Furnishes the place, and listens there.
    ///
    /// # Errors
    /// Where somebody listens there already, or the system refuses.
    pub fn bind(path: &Path, access: &Access) -> Result<Self, Trouble> {
        let group = access.group.as_deref().map(gid).transpose()?;
        let trouble = |cause| Trouble::Io { path: path.to_owned(), cause };
        make(folder(path), group).map_err(trouble)?;
        // Two daemons that start at once must not remove each other's socket.
        let busy = File::open(folder(path)).map_err(trouble)?;
        busy.lock().map_err(trouble)?;
        make_room(path)?;
        let listener = listen(path, group).map_err(trouble)?;
        let found = fs::symlink_metadata(path).map_err(trouble)?;
        Ok(Self { listener, path: path.to_owned(), file: Some((found.dev(), found.ino())) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| Some((found.dev(), found.ino())) == self.file);
        if ours {
            // What stays is replaced by the next daemon.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

fn make(folder: &Path, group: Option<u32>) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if group.is_some() {
        chown(folder, None, group)?;
        fs::set_permissions(folder, Permissions::from_mode(0o750))?;
    }
    Ok(())
}

/// Removes what a dead daemon left, and nothing else.
fn make_room(path: &Path) -> Result<(), Trouble> {
    let trouble = |cause| Trouble::Io { path: path.to_owned(), cause };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(trouble(error)),
        Ok(found) if found.file_type().is_socket() => {}
        // A link of ours to a socket elsewhere.
        Ok(found) if found.is_symlink() => {}
        Ok(_) => return Err(Trouble::InTheWay(path.to_owned())),
    }
    if is_alive(path).map_err(trouble)? {
        return Err(Trouble::Taken(path.to_owned()));
    }
    fs::remove_file(path).map_err(trouble)
}

/// Whether anybody listens there; never waits for a daemon that is busy.
fn is_alive(path: &Path) -> io::Result<bool> {
    let probe = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(true),
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            _ => Err(error),
        },
    }
}

fn listen(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    let ready = chown_to(path, group)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| socket.set_nonblocking(true));
    if let Err(error) = ready {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(socket.into())
}

fn chown_to(path: &Path, group: Option<u32>) -> io::Result<()> {
    match group {
        Some(_) => chown(path, None, group),
        None => Ok(()),
    }
}

fn gid(group: &str) -> Result<u32, Trouble> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let known = fs::read_to_string("/etc/group").unwrap_or_default();
    known
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
        })
        .ok_or_else(|| Trouble::NoGroup(group.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_open_it_and_it_goes_with_its_daemon() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/assumed/control.sock");
        let socket = Socket::bind(&path, &Access::default()).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_group_may_open_it_where_one_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/control.sock");
        let own = fs::metadata(home.path()).unwrap().gid();
        let access = Access { group: Some(own.to_string()), uids: Vec::new() };
        let _socket = Socket::bind(&path, &access).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
        let unknown = Access { group: Some("no such group".to_owned()), uids: Vec::new() };
        assert!(matches!(Socket::bind(&path, &unknown), Err(Trouble::NoGroup(_))));
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control.sock");
        // std leaves the file behind, as a daemon does that was killed.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let live = Socket::bind(&path, &Access::default()).unwrap();
        assert!(matches!(Socket::bind(&path, &Access::default()), Err(Trouble::Taken(_))));
        UnixStream::connect(&path).unwrap();
        drop(live);
    }

    #[test]
    fn what_is_no_socket_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::bind(&path, &Access::default()), Err(Trouble::InTheWay(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_successor_keeps_its_socket_when_the_old_daemon_ends_late() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control.sock");
        let old = Socket::bind(&path, &Access::default()).unwrap();
        fs::remove_file(&path).unwrap();
        let _new = Socket::bind(&path, &Access::default()).unwrap();
        drop(old);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn owner_and_root_are_admitted_and_the_settings_add_others() {
        let access = |group: Option<&str>, uids: &[u32]| Access {
            group: group.map(str::to_owned),
            uids: uids.to_vec(),
        };
        let nobody = access(None, &[]);
        assert!(nobody.admits(1000, 1000) && nobody.admits(0, 1000));
        assert!(!nobody.admits(1001, 1000) && !nobody.admits(1000, 0));
        assert!(access(None, &[1001]).admits(1001, 1000));
        assert!(access(Some("aws"), &[]).admits(1002, 1000));
        let some = access(Some("aws"), &[1001]);
        assert!(some.admits(1001, 1000) && !some.admits(1002, 1000));
    }
}
