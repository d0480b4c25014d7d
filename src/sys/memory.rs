//! Memory that was needed for a while, given back to the system.
//!
//! Of several megabytes of program, TLS and the SDK included, requests touch a
//! few hundred kilobytes. The rest is read again from the page cache when the
//! next attempt runs, half an hour later.

/// Gives back what the allocator keeps of a crowd of connections that has left.
pub fn shed_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code)]
    // SAFETY: it takes a number, touches no memory that is in use, and is thread-safe.
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(target_os = "macos")]
    #[allow(unsafe_code)]
    // SAFETY: no zone means all of them; it touches no memory that is in use, and is thread-safe.
    unsafe {
        unsafe extern "C" {
            fn malloc_zone_pressure_relief(zone: *mut std::ffi::c_void, goal: usize) -> usize;
        }
        malloc_zone_pressure_relief(std::ptr::null_mut(), 0);
    }
}

/// Gives the pages of our own code back; those in use return at their next use.
pub fn shed_code() {
    #[cfg(target_os = "linux")]
    shed();
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn shed() {
    use std::ptr::{addr_of, with_exposed_provenance_mut};

    use rustix::mm::{Advice, madvise};

    unsafe extern "C" {
        // Both are set by the linker: where the program begins, and where its code ends.
        static __executable_start: u8;
        static etext: u8;
    }
    let page = rustix::param::page_size();
    let (start, end) = (addr_of!(__executable_start).addr(), addr_of!(etext).addr());
    let (first, last) = (start.next_multiple_of(page), end - end % page);
    // SAFETY: the range is mapped from the program's file and never written to,
    // so a page that is dropped comes back with the same content.
    let shed =
        unsafe { madvise(with_exposed_provenance_mut(first), last - first, Advice::LinuxDontNeed) };
    // An old kernel keeps them resident, and no more.
    let _ = shed;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn code_that_is_shed_goes_and_comes_back() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("RssFile:")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        // Other tests run, and touch code, beside this one.
        let shrinks = (0..100).any(|_| {
            let before = resident();
            shed_code();
            resident() < before
        });
        assert!(shrinks);
        assert_eq!("still here".to_uppercase(), "STILL HERE");
    }
}
