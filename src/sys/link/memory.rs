//! Which addresses this program added since the machine booted.

use std::fs::DirBuilder;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::super::identity;
use super::super::private::{PrivateFile, Unfit};
use super::Place;

/// Its name in the state directory.
const FILE: &str = "link";

/// The file that remembers them.
#[derive(Debug)]
pub struct Memory {
    folder: PathBuf,
    file: PrivateFile,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned(pub Vec<Place>);

impl Memory {
    /// In this state directory; touches nothing.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), file: PrivateFile::new(folder.join(FILE)) }
    }

    /// What was added since the machine booted.
    ///
    /// # Errors
    /// Where the file cannot be read, or somebody else could have written it.
    pub fn read(&self) -> Result<Owned, Unfit> {
        let text = self.file.read()?.unwrap_or_default();
        let mut lines = text.lines();
        // Addresses do not outlive a boot, and what has them then is another's.
        if lines.next() != Some(identity::boot_id().as_str()) {
            return Ok(Owned::default());
        }
        let place = |line: &str| {
            let (interface, address) = line.split_once(' ')?;
            Some(Place { address: address.parse().ok()?, interface: interface.to_owned() })
        };
        Ok(Owned(lines.filter_map(place).collect()))
    }

    /// Keeps this instead of what was kept.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(&self, owned: &Owned) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let places = owned.0.iter().map(|place| format!("{} {}\n", place.interface, place.address));
        let text = format!("{}\n{}", identity::boot_id(), places.collect::<String>());
        self.file.replace(text.as_bytes())
    }
}

impl Owned {
    /// True where this program added it.
    #[must_use]
    pub fn has(&self, address: IpAddr, interface: &str) -> bool {
        self.0.iter().any(|place| place.address == address && place.interface == interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_remembered_until_the_next_boot() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let memory = Memory::new(&folder);
        assert_eq!(memory.read().unwrap(), Owned::default());
        let place = Place { address: "fd00:ec2::254".parse().unwrap(), interface: "lo".to_owned() };
        let owned = Owned(vec![place.clone()]);
        memory.keep(&owned).unwrap();
        assert_eq!(memory.read().unwrap(), owned);
        assert!(owned.has(place.address, "lo") && !owned.has(place.address, "eth0"));

        let text = std::fs::read_to_string(folder.join(FILE)).unwrap();
        let (_, places) = text.split_once('\n').unwrap();
        memory.file.replace(format!("another boot\n{places}").as_bytes()).unwrap();
        assert_eq!(memory.read().unwrap(), Owned::default());
    }
}
