//! Replies of the kernel, byte by byte.

use proptest::prelude::*;

use crate::sys::peer::netlink::message;
use crate::sys::peer::route::{Route, route};
use crate::sys::peer::socket::{Connection, Verdict, verdict};

const ESTABLISHED: u8 = 1;
const DEVICES: [u32; 2] = [0, 7];

fn connection() -> Connection {
    Connection { peer: "127.0.0.1:50000".parse().unwrap(), local: "127.0.0.1:80".parse().unwrap() }
}

/// `inet_diag_msg` of the peer's socket.
#[derive(Clone)]
struct Reply {
    family: u8,
    state: u8,
    ports: [u16; 2],
    addresses: [[u8; 16]; 2],
    device: u32,
    uid: u32,
    inode: u32,
}

impl Reply {
    fn new() -> Self {
        let mut loopback = [0; 16];
        loopback[..4].copy_from_slice(&[127, 0, 0, 1]);
        Self {
            family: 2,
            state: ESTABLISHED,
            ports: [50000, 80],
            addresses: [loopback; 2],
            device: 0,
            uid: 1000,
            inode: 42,
        }
    }

    fn mapped() -> Self {
        let mut loopback = [0; 16];
        loopback[10..].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
        Self { family: 10, addresses: [loopback; 2], ..Self::new() }
    }

    fn message(&self, sequence: u32) -> Vec<u8> {
        let mut body = vec![self.family, self.state, 0, 0];
        body.extend(self.ports.map(u16::to_be_bytes).concat());
        body.extend(self.addresses.concat());
        body.extend(self.device.to_ne_bytes());
        // Cookie, timer and queues.
        body.extend([9; 20]);
        body.extend(self.uid.to_ne_bytes());
        body.extend(self.inode.to_ne_bytes());
        message(20, sequence, &body)
    }
}

fn error(sequence: u32, errno: i32) -> Vec<u8> {
    message(2, sequence, &[&(-errno).to_ne_bytes()[..], &[0; 16]].concat())
}

fn two(first: &Reply, second: &Reply) -> Option<Verdict> {
    verdict(&[first.message(1), second.message(2)].concat(), &connection(), &DEVICES)
}

fn one(reply: &Reply) -> Option<Verdict> {
    verdict(&reply.message(1), &connection(), &[0])
}

#[test]
fn the_peer_is_a_connected_socket_with_both_addresses() {
    assert_eq!(one(&Reply::new()), Some(Verdict::User(1000)));
    assert_eq!(one(&Reply::mapped()), Some(Verdict::User(1000)));
    for state in 0..=13 {
        let expected =
            if matches!(state, 1 | 4 | 5) { Verdict::User(1000) } else { Verdict::Absent };
        assert_eq!(one(&Reply { state, ..Reply::new() }), Some(expected), "{state}");
    }
    let odd = |change: fn(&mut Reply)| {
        let mut reply = Reply::new();
        change(&mut reply);
        one(&reply)
    };
    for change in [
        |reply: &mut Reply| reply.ports[0] += 1,
        |reply: &mut Reply| reply.ports[1] += 1,
        |reply: &mut Reply| reply.ports.reverse(),
        |reply: &mut Reply| reply.addresses[0][3] = 2,
        |reply: &mut Reply| reply.addresses[1][0] = 10,
        |reply: &mut Reply| reply.family = 10,
        |reply: &mut Reply| reply.device = 7,
        |reply: &mut Reply| reply.inode = 0,
    ] {
        assert_eq!(odd(change), Some(Verdict::Absent));
    }
}

#[test]
fn sockets_of_different_users_are_ambiguous_and_of_the_same_one_are_not() {
    let other = Reply { uid: 1001, device: 7, ..Reply::new() };
    assert_eq!(two(&Reply::new(), &other), Some(Verdict::Ambiguous));
    assert_eq!(two(&other, &Reply::new()), Some(Verdict::User(1000)), "wrong device in the first");
    assert_eq!(two(&Reply::new(), &Reply::new()), Some(Verdict::User(1000)), "the same socket");
}

#[test]
fn a_device_may_be_the_only_one_with_the_socket() {
    let bound = Reply { device: 7, ..Reply::new() };
    let replies = [error(1, 2), bound.message(2)].concat();
    assert_eq!(verdict(&replies, &connection(), &DEVICES), Some(Verdict::User(1000)));
    let replies = [error(1, 2), error(2, 2)].concat();
    assert_eq!(verdict(&replies, &connection(), &DEVICES), Some(Verdict::Absent));
}

#[test]
fn a_reply_that_is_not_whole_and_in_order_says_nothing() {
    let (first, second) = (Reply::new().message(1), Reply::new().message(2));
    let both = [first.clone(), second.clone()].concat();
    for length in 0..both.len() {
        assert_eq!(verdict(&both[..length], &connection(), &DEVICES), None, "{length}");
    }
    for replies in [
        [second.clone(), first.clone()].concat(),
        [first.clone(), first.clone()].concat(),
        [both.clone(), second.clone()].concat(),
        // EPERM, and an errno of 0, which acknowledges a request.
        [first.clone(), error(2, 1)].concat(),
        [first.clone(), error(2, 0)].concat(),
        // NLMSG_DONE, and a message of an unknown kind.
        [first.clone(), message(3, 2, &[0; 4])].concat(),
        [first.clone(), message(21, 2, &[0; 72])].concat(),
        [first.clone(), message(20, 2, &[2; 71])].concat(),
        [first, Reply { family: 1, ..Reply::new() }.message(2)].concat(),
    ] {
        assert_eq!(verdict(&replies, &connection(), &DEVICES), None, "{replies:?}");
    }
}

/// `rtmsg` with a destination and an interface.
fn route_reply(kind: u8, device: u32) -> Vec<u8> {
    let mut body = vec![2, 32, 0, 0, 254, 2, 254, kind, 0, 0, 0, 0];
    body.extend([8, 0, 1, 0, 127, 0, 0, 1]);
    body.extend([&[8, 0, 4, 0], &device.to_ne_bytes()[..]].concat());
    message(24, 1, &body)
}

#[cfg(target_endian = "little")]
#[test]
fn a_route_is_local_only_if_its_type_says_so_and_it_names_an_interface() {
    for (kind, expected) in [
        (2, Route::ThisHost(7)),
        (4, Route::ThisHost(7)),
        (1, Route::Elsewhere),
        (6, Route::Elsewhere),
    ] {
        assert_eq!(route(&route_reply(kind, 7)), Some(expected), "{kind}");
    }
    let whole = route_reply(2, 7);
    for length in 0..whole.len() {
        assert_eq!(route(&whole[..length]), None, "{length}");
    }
    for errno in [101, 113, 13, 22] {
        assert_eq!(route(&error(1, errno)), Some(Route::Elsewhere));
    }
    assert_eq!(
        (route(&error(1, 1)), route(&error(1, 0)), route(&error(2, 101))),
        (None, None, None)
    );
}

proptest! {
    #[test]
    fn any_bytes_can_be_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(verdict(&bytes, &connection(), &DEVICES), None);
        let _ = route(&bytes);
    }

    #[test]
    fn no_changed_byte_makes_another_user(at in 16..84_usize, value in any::<u8>()) {
        let mut reply = Reply::new().message(1);
        reply[at] = value;
        let uid = u32::from_ne_bytes(*reply[80..].first_chunk().unwrap());
        let found = verdict(&reply, &connection(), &[0]);
        prop_assert!(found.is_none_or(|it| it == Verdict::Absent || it == Verdict::User(uid)));
    }
}
