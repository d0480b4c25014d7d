//! Who and where this process is: boot, user, host.

/// Tells one boot of this machine from the next; goes under each token's MAC (T13).
#[must_use]
pub fn boot_id() -> String {
    #[cfg(target_os = "linux")]
    if let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        return id.trim().to_owned();
    }
    #[cfg(target_os = "macos")]
    if let Some(id) = boot_session() {
        return id;
    }
    // A unit with `ProcSubset=pid` hides that file, and says what is in it.
    if let Ok(id) = std::env::var("ASSUMED_BOOT_ID") {
        return id;
    }
    // Without one, tokens end with this process.
    format!("process {} {}", std::process::id(), nonce())
}

#[cfg(target_os = "macos")]
#[allow(unsafe_code)]
fn boot_session() -> Option<String> {
    let (mut text, mut length) = ([0_u8; 64], 64);
    let name = c"kern.bootsessionuuid".as_ptr();
    // SAFETY: the name ends with a zero, and the kernel writes no more than this length, which
    // the buffer has.
    let code = unsafe {
        let to = text.as_mut_ptr().cast();
        libc::sysctlbyname(name, to, &raw mut length, std::ptr::null_mut(), 0)
    };
    let text = std::ffi::CStr::from_bytes_until_nul(&text).ok()?.to_str().ok()?;
    (code == 0 && !text.is_empty()).then(|| text.to_owned())
}

/// Whom this process acts as.
#[must_use]
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The host's name, for `{host}` in a session name.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A number that no other start of the program begins with.
#[must_use]
pub fn nonce() -> u64 {
    let mut bytes = [0; 8];
    random(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Fills `bytes` from the system's generator.
///
/// # Panics
/// Where the system has no random numbers: nothing here is safe without them.
pub fn random(bytes: &mut [u8]) {
    use ring::rand::SecureRandom;
    ring::rand::SystemRandom::new().fill(bytes).expect("the system gives random numbers");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_one_id_and_a_start_a_number_of_its_own() {
        assert_eq!(boot_id(), boot_id());
        assert_ne!(nonce(), nonce());
    }
}
