//! Memory that is no longer needed: wiped when it is freed, and given back to the system.
//!
//! Of several megabytes of program, TLS and the SDK included, requests touch a
//! few hundred kilobytes. The rest is read again from the page cache when the
//! next attempt runs, half an hour later.

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator, by default the system's, which overwrites each block before it is freed.
///
/// hyper, rustls and the SDK keep credentials in buffers of their own and do not wipe them.
#[derive(Debug, Clone, Copy, Default)]
pub struct WipingAllocator<A = System>(pub A);

#[allow(unsafe_code)]
// SAFETY: every block comes from `A` and goes back to it with the layout that it came with.
unsafe impl<A: GlobalAlloc> GlobalAlloc for WipingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's, has this size, and is not used afterwards.
        unsafe {
            wipe(block, layout.size());
            self.0.dealloc(block, layout);
        }
    }

    /// Always moves the block: the system would free the old one with its content.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that `size`, rounded up to this alignment, fits `isize`.
        let moved = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `size` is not zero, by the contract of `realloc`.
        let new = unsafe { self.0.alloc(moved) };
        if !new.is_null() {
            // SAFETY: both blocks are at least this long, and the new one is nobody else's.
            unsafe {
                block.copy_to_nonoverlapping(new, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        new
    }
}

/// Overwrites memory with zeros, which no optimisation leaves out.
///
/// # Safety
/// So many bytes from `start` must be valid for writing.
#[allow(unsafe_code)]
pub(super) unsafe fn wipe(start: *mut u8, length: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller guarantees that these bytes may be written.
    unsafe {
        libc::explicit_bzero(start.cast(), length);
    }
    #[cfg(target_os = "macos")]
    // SAFETY: the caller guarantees that these bytes may be written.
    unsafe {
        libc::memset_s(start.cast(), length, 0, length);
    }
}

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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts the bytes of freed blocks, and those among them that are not zero.
    #[derive(Default)]
    struct Inspecting {
        freed: AtomicUsize,
        not_wiped: AtomicUsize,
    }

    #[allow(unsafe_code)]
    // SAFETY: each call is passed on as it came.
    unsafe impl GlobalAlloc for Inspecting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller keeps the contract of `alloc`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the block was written to in its whole length, and is not freed yet.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            self.freed.fetch_add(bytes.len(), Ordering::Relaxed);
            let left = bytes.iter().filter(|byte| **byte != 0).count();
            self.not_wiped.fetch_add(left, Ordering::Relaxed);
            // SAFETY: the block came from `System`.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[test]
    #[allow(unsafe_code)]
    fn a_block_is_wiped_when_it_is_freed_and_when_it_moves() {
        let allocator = WipingAllocator(Inspecting::default());
        let layout = Layout::from_size_align(1000, 8).unwrap();
        // SAFETY: each block is used within its size, and freed once with its own layout.
        unsafe {
            let block = allocator.alloc(layout);
            block.write_bytes(7, 1000);
            let grown = allocator.realloc(block, layout, 3000);
            let kept = std::slice::from_raw_parts(grown, 1000);
            assert!(kept.iter().all(|byte| *byte == 7), "the content moves along");
            grown.write_bytes(7, 3000);
            let shrunk = allocator.realloc(grown, Layout::from_size_align(3000, 8).unwrap(), 10);
            let kept = std::slice::from_raw_parts(shrunk, 10);
            assert!(kept.iter().all(|byte| *byte == 7));
            allocator.dealloc(shrunk, Layout::from_size_align(10, 8).unwrap());
        }
        assert_eq!(allocator.0.freed.load(Ordering::Relaxed), 1000 + 3000 + 10);
        assert_eq!(allocator.0.not_wiped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_in_use_stays_when_the_heap_is_given_back() {
        let kept = vec![7_u8; 1 << 20];
        drop(vec![1_u8; 1 << 22]);
        shed_heap();
        assert!(kept.iter().all(|byte| *byte == 7));
    }

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
