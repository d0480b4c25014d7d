//! Addresses of an interface on macOS: added and removed by ioctl(2), listed by
//! getifaddrs(3).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl};
use rustix::net::{AddressFamily, SocketType, socket};

use super::{Place, alias};

/// An interface of this machine.
#[derive(Debug)]
pub struct Interface {
    name: String,
}

impl Interface {
    /// The one of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(name: &str) -> io::Result<Self> {
        let text = CString::new(name)?;
        // SAFETY: the name ends with a zero.
        match unsafe { libc::if_nametoindex(text.as_ptr()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Self { name: name.to_owned() }),
        }
    }

    /// Adds an address for this host alone; false where it is there already.
    ///
    /// # Errors
    /// Where the kernel refuses: it takes root.
    pub fn add(&self, address: IpAddr) -> io::Result<bool> {
        let place = Place { address, interface: self.name.clone() };
        if addresses()?.contains(&place) {
            return Ok(false);
        }
        match address {
            IpAddr::V4(ip) => {
                tell::<{ alias::ADD_V4 }, _>(AddressFamily::INET, alias::add_v4(&self.name, ip))
            }
            IpAddr::V6(ip) => {
                tell::<{ alias::ADD_V6 }, _>(AddressFamily::INET6, alias::add_v6(&self.name, ip))
            }
        }?;
        Ok(true)
    }

    /// Removes an address; false where it is not there.
    ///
    /// # Errors
    /// Where the kernel refuses: it takes root.
    pub fn remove(&self, address: IpAddr) -> io::Result<bool> {
        let name = &self.name;
        let told = match address {
            IpAddr::V4(ip) => {
                tell::<{ alias::REMOVE_V4 }, _>(AddressFamily::INET, alias::remove_v4(name, ip))
            }
            IpAddr::V6(ip) => {
                tell::<{ alias::REMOVE_V6 }, _>(AddressFamily::INET6, alias::remove_v6(name, ip))
            }
        };
        match told {
            Ok(()) => Ok(true),
            Err(Errno::ADDRNOTAVAIL) => Ok(false),
            Err(refused) => Err(refused.into()),
        }
    }
}

/// One request, on a socket of the address's own family.
fn tell<const NUMBER: u64, Request>(
    family: AddressFamily,
    request: Request,
) -> rustix::io::Result<()> {
    let socket = socket(family, SocketType::DGRAM, None)?;
    // SAFETY: each number of `alias` is called with the request whose size it holds, and the
    // kernel only reads that.
    unsafe { ioctl(socket, Setter::<NUMBER, Request>::new(request)) }
}

pub(super) fn addresses() -> io::Result<Vec<Place>> {
    let mut first = ptr::null_mut();
    // SAFETY: the place may be written to.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: each entry is there until the list is freed, and the last one points nowhere.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: the list was not freed yet.
        found.extend(unsafe { place(entry) });
        next = entry.ifa_next;
    }
    // SAFETY: this frees what the call made; nothing borrows from it any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// Where this entry has an address of a family that we know.
///
/// # Safety
/// The entry is one of getifaddrs(3), and its list was not freed.
unsafe fn place(entry: &libc::ifaddrs) -> Option<Place> {
    // SAFETY: an entry without an address points nowhere.
    let family = unsafe { entry.ifa_addr.as_ref() }?.sa_family;
    let address = match i32::from(family) {
        libc::AF_INET => {
            // SAFETY: what is of this family has this layout; nothing is said of its alignment.
            let socket = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Ipv4Addr::from_bits(u32::from_be(socket.sin_addr.s_addr)).into()
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let socket = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            Ipv6Addr::from(socket.sin6_addr.s6_addr).into()
        }
        _ => return None,
    };
    // SAFETY: every entry has a name, which ends with a zero.
    let interface = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
    Some(Place { address, interface })
}
