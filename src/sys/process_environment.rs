//! The environment block of this process: the memory in which the system put its variables.
//! Every child inherits it, and `/proc/PID/environ` shows it for as long as the process lives.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use super::memory::wipe;
use super::threads;

/// Overwrites and unsets every variable whose name `is_secret`; does nothing if there is a
/// second thread, which could read one of them meanwhile.
///
/// Call it while the process has one thread; only Linux can check that.
pub fn wipe_variables(is_secret: impl Fn(&str) -> bool) {
    if !threads::is_single() {
        return;
    }
    for (name, value) in variables(is_secret) {
        // SAFETY: it is the value of a variable, up to its null byte; nobody else reads it.
        unsafe {
            wipe(value.cast(), CStr::from_ptr(value).count_bytes());
            std::env::remove_var(name);
        }
    }
}

/// The secret ones: their names, and where their values begin.
fn variables(is_secret: impl Fn(&str) -> bool) -> Vec<(String, *mut c_char)> {
    let mut found = Vec::new();
    let mut entry = block();
    // SAFETY: the block is an array of pointers that ends with a null pointer.
    while let Some(text) = unsafe { entry.as_ref() }.copied().filter(|text| !text.is_null()) {
        // SAFETY: what the block points to are C strings.
        let variable = unsafe { CStr::from_ptr(text) }.to_bytes();
        let length = variable.iter().position(|byte| *byte == b'=');
        let name = length.and_then(|length| std::str::from_utf8(variable.get(..length)?).ok());
        if let Some(name) = name.filter(|name| is_secret(name)) {
            // SAFETY: behind the name there is its `=`, and behind that at least a null byte.
            found.push((name.to_owned(), unsafe { text.add(name.len() + 1) }));
        }
        // SAFETY: this entry was not the last one.
        entry = unsafe { entry.add(1) };
    }
    found
}

/// Null if the process has no environment at all.
fn block() -> *const *mut c_char {
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            // environ(7); libc replaces it when a variable is added.
            static mut environ: *const *mut c_char;
        }
        // SAFETY: it is set before `main`, and there is no other thread.
        unsafe { environ }
    }
    #[cfg(target_os = "macos")]
    {
        // SAFETY: it is never null and points to the one variable `environ`.
        unsafe { (*libc::_NSGetEnviron()).cast() }
    }
}
