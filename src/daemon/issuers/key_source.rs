//! Where a key set is read from: the issuer itself, or a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use super::Origin;
use crate::container::pod::Keyring;
use crate::failure::{Failure, Kind};
use crate::sts::issuer_keys;

/// Bytes of a file: as many as an issuer may answer with.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// What came of an attempt.
pub(super) type Fetched = Result<Keyring, Failure>;

/// Reads the key set, once for each call.
pub(super) type KeySource =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Fetched> + Send>> + Send + Sync>;

/// The source of these settings.
pub(super) fn of(origin: Origin) -> KeySource {
    Box::new(move || Box::pin(fetch(origin.clone())))
}

async fn fetch(origin: Origin) -> Fetched {
    let Origin { issuer, jwks_file, route, timeouts } = origin;
    let text = match jwks_file {
        Some(path) => read_file(path).await?,
        None => issuer_keys(&issuer, route, timeouts).await?,
    };
    Keyring::read(&text).map_err(|error| {
        Failure::new(Kind::NoBase, format!("what stands for the keys is of no use: {error}"))
            .hint("`kubectl get --raw /openid/v1/jwks` prints those of a cluster")
    })
}

async fn read_file(path: PathBuf) -> Result<String, Failure> {
    let name = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await;
    read.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(|error| {
        Failure::new(Kind::NoBase, format!("jwks_file {name}: {error}"))
            .hint("may this user read it?")
    })
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
