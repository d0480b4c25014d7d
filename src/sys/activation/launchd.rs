//! `launch_activate_socket(3)`: launchd hands over sockets to whoever names them.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use super::Unusable;

/// One of these may stand for many sockets, but launchd does not tell its names.
const NAMES: [&CStr; 5] = [c"imds", c"container", c"pod-identity", c"metrics", c"control"];

unsafe extern "C" {
    fn launch_activate_socket(
        name: *const c_char,
        sockets: *mut *mut c_int,
        count: *mut usize,
    ) -> c_int;
}

/// All of them, each under its name; none where somebody else started this process.
pub(super) fn passed() -> Result<Vec<(String, OwnedFd)>, Unusable> {
    let mut passed = Vec::new();
    for name in NAMES {
        let called = name.to_string_lossy().into_owned();
        let sockets = activated(name);
        let sockets = sockets.map_err(|cause| Unusable::Io { name: called.clone(), cause })?;
        passed.extend(sockets.into_iter().map(|socket| (called.clone(), socket)));
    }
    Ok(passed)
}

fn activated(name: &CStr) -> io::Result<Vec<OwnedFd>> {
    let (mut sockets, mut count) = (ptr::null_mut(), 0);
    // SAFETY: the name ends with a zero, and both places may be written to.
    let code = unsafe { launch_activate_socket(name.as_ptr(), &raw mut sockets, &raw mut count) };
    match code {
        0 if sockets.is_null() => return Ok(Vec::new()),
        0 => {}
        // No such name in the list, or launchd is not who started this process.
        libc::ENOENT | libc::ESRCH => return Ok(Vec::new()),
        code => return Err(io::Error::from_raw_os_error(code)),
    }
    // SAFETY: on success it is an array of this length.
    let numbers = unsafe { std::slice::from_raw_parts(sockets, count) };
    // SAFETY: launchd opened them for this very process; each is passed once, and taken here.
    let owned = numbers.iter().map(|raw| unsafe { OwnedFd::from_raw_fd(*raw) }).collect();
    // SAFETY: the call allocated it for its caller to free, and nothing looks at it any more.
    unsafe { libc::free(sockets.cast()) };
    Ok(owned)
}
