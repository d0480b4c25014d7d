"""Asks a daemon for a metadata token as one user, in a way that may hide or change who asks.

`peer.py UID HOST PORT [OPTION...]`, as root. Exits with 0 if a token came, with 1 if it was
refused, and with 2 if the request could not be made that way: a row about an attack must not
pass because the attack did not take place.
"""
import argparse
import contextlib
import ctypes
import encodings.idna  # for names, while this user can still read the library
import os
import signal
import socket
import struct
import sys

SERVED, REFUSED, IMPOSSIBLE = 0, 1, 2
# Numbers of linux/in.h and linux/sched.h that this Python does not know.
IP_FREEBIND, IPV6_FREEBIND, IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE = 15, 78, 24, 51
IPPROTO_MPTCP, MSG_FASTOPEN = 262, 0x20000000
CLONE_NEWUSER, PR_SET_DUMPABLE = 0x10000000, 4
libc = ctypes.CDLL(None, use_errno=True)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("uid", type=int)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--mapped", action="store_true", help="an IPv6 socket to the mapped IPv4 address")
    parser.add_argument("--source", default="", help="the address to connect from")
    parser.add_argument("--freebind", action="store_true", help="which need not be one of this host")
    parser.add_argument("--device", help="bound to this device before connecting")
    parser.add_argument("--device-after", help="bound to it after the request was sent")
    parser.add_argument("--half-close", action="store_true", help="shuts down its side after the request")
    parser.add_argument("--mptcp", action="store_true")
    parser.add_argument("--fast-open", action="store_true")
    parser.add_argument("--reuseport", action="store_true")
    parser.add_argument("--victim", type=int, help="the other user, for the options below")
    parser.add_argument("--listens", help="the victim listens on the port that is connected from, at this address")
    parser.add_argument("--listens-late", action="store_true", help="not before the connection was made")
    parser.add_argument("--twin", help="the victim has a connection between the same addresses, by this device")
    parser.add_argument("--used-by-victim", action="store_true", help="the victim sends the request")
    parser.add_argument("--claims", type=int, help="this is its uid in a user namespace of its own")
    parser.add_argument("--daemon", type=int, help="a process that is stopped until the request was sent")
    return parser.parse_args()


@contextlib.contextmanager
def user(uid):
    """The kernel gives a socket the effective user of the moment, who has no capabilities."""
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def claim(uid, claimed):
    """Becomes another user as it seems, in a user namespace in which there is only that one."""
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with open("/proc/self/uid_map", "w") as file:
        file.write(f"{claimed} {uid} 1")
    assert os.geteuid() == claimed


def address(host, port):
    """With the scope of a link-local address: fe80::1%eth0."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4]


def destination_name(args):
    return ("::ffff:" if args.mapped else "") + args.host


def bound_to(sock, device):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")


def client(args, family):
    sock = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP if args.mptcp else 0)
    sock.settimeout(3)
    # As servers do, so that a listening socket may have the port beside it.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if args.reuseport:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if args.freebind:
        level, option = (socket.IPPROTO_IP, IP_FREEBIND) if family == socket.AF_INET else (socket.IPPROTO_IPV6, IPV6_FREEBIND)
        sock.setsockopt(level, option, 1)
    if args.device:
        bound_to(sock, args.device)
    return sock


def listen(at, port):
    family = socket.AF_INET6 if ":" in at else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((at, port))
    sock.listen()
    return sock


def twin(args, destination):
    """A connection of the victim to whoever has the daemon's address behind a device."""
    sock = socket.socket(socket.AF_INET)
    sock.settimeout(3)
    bound_to(sock, args.twin)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((args.source, 0))
    sock.connect(destination)
    return sock


def connect(args, destination, family):
    """All sockets of the scene; the first one is the attacker's."""
    others = []
    if args.twin:
        with user(args.victim):
            others.append(twin(args, destination))
    with user(args.uid) if args.claims is None else contextlib.nullcontext():
        sock = client(args, family)
        if args.twin:
            # The very port of the victim's connection, which is bound to another device.
            port = others[0].getsockname()[1]
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port))
        if args.source or args.listens:
            sock.bind(address(args.source or destination_name(args), 0))
    if args.listens and not args.listens_late:
        with user(args.victim):
            others.append(listen(args.listens, sock.getsockname()[1]))
    if args.daemon:
        os.kill(args.daemon, signal.SIGSTOP)
    with user(args.uid) if args.claims is None else contextlib.nullcontext():
        if args.fast_open:
            sock.settimeout(None)
            sock.sendto(b"", MSG_FASTOPEN, destination)
            sock.settimeout(3)
        else:
            sock.connect(destination)
    if args.listens and args.listens_late:
        with user(args.victim):
            others.append(listen(args.listens, sock.getsockname()[1]))
    if args.twin:
        assert sock.getsockname() == others[0].getsockname(), "the addresses are others"
    return sock, others


def token(sock, host, port):
    name = f"[{host.split('%')[0]}]" if ":" in host else host
    sock.sendall(
        f"PUT /latest/api/token HTTP/1.1\r\nHost: {name}:{port}\r\n"
        "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n".encode()
    )


def outcome(sock, args):
    if args.daemon:
        os.kill(args.daemon, signal.SIGCONT)
    try:
        reply = sock.recv(4096)
    except ConnectionResetError:
        reply = b""
    print(reply.split(b"\r\n")[0].decode() or "closed without a reply")
    return SERVED if reply.startswith(b"HTTP/1.1 200 ") else REFUSED


def main():
    args = options()
    if args.claims is not None:
        claim(args.uid, args.claims)
    destination = address(destination_name(args), args.port)
    family = socket.AF_INET6 if len(destination) == 4 else socket.AF_INET
    sock, others = connect(args, destination, family)
    with user(args.victim) if args.used_by_victim else contextlib.nullcontext():
        token(sock, args.host, args.port)
    if args.device_after:
        with user(args.uid):
            bound_to(sock, args.device_after)
    if args.half_close:
        sock.shutdown(socket.SHUT_WR)
    return outcome(sock, args)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:
        print(f"impossible: {error!r}")
        sys.exit(IMPOSSIBLE)
