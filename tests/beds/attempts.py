"""What a command of the daemon's tries, and what it gets: one line for each, `NAME refused` or `NAME WHAT`.

`attempts.py OTHER DAEMON`: the pids of another program of this user, and of the daemon.
"""

import ctypes
import errno
import os
import sys

# Besides standard input, output and error, and the listing itself.
inherited = [number for number in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{number}")]
other, daemon = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
NEWUSER, SIGCHLD = 0x10000000, 17
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}


def tell(name, got):
    refused = isinstance(got, int) and got in REFUSED
    print(name, "refused" if refused else got, flush=True)


def call(name, *arguments):
    """In a process of its own: one that succeeds must not change what the next one gets."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    returned = libc.syscall(*(ctypes.c_long(argument) for argument in arguments))
    # What a new process returns from here is 0, too.
    if returned != 0 or not name.startswith("clone"):
        tell(name, ctypes.get_errno() if returned == -1 else "done")
    os._exit(0)


def read(name, path):
    try:
        with open(path, "rb") as file:
            # Of a file of memory, nothing is at its beginning.
            tell(name, "opened" if path.endswith("mem") else file.read()[:40])
    except OSError as error:
        tell(name, error.errno)


tell("descriptors", errno.EPERM if len(inherited) == 3 else inherited)
call("unshare", 272, NEWUSER)
call("setns", 308, os.open("/proc/self/ns/user", os.O_RDONLY), 0)
call("clone", 56, NEWUSER | SIGCHLD, 0, 0, 0, 0)
arguments = (ctypes.c_uint64 * 8)(NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0)
call("clone3", 435, ctypes.addressof(arguments), 64)
call("chroot", 161, ctypes.addressof(ctypes.create_string_buffer(b"/")))
parameters = ctypes.create_string_buffer(120)
call("io_uring_setup", 425, 1, ctypes.addressof(parameters))
call("ptrace", 101, 16, int(other), 0, 0)
call("process_vm_readv", 310, int(other), 0, 0, 0, 0, 0)
call("bpf", 321, 5, 0, 0)
call("add_key", 248, 0, 0, 0, 0, 0)
read("other-mem", f"/proc/{other}/mem")
read("other-environ", f"/proc/{other}/environ")
read("daemon-mem", f"/proc/{daemon}/mem")
read("daemon-environ", f"/proc/{daemon}/environ")
with open(f"/proc/{os.getppid()}/stat") as stat:
    # The shell's parent is what starts commands.
    read("helper-mem", f"/proc/{stat.read().split()[3]}/mem")
# TIOCSTI, with bits that the kernel does not look at.
call("type", 16, 0, 0x100005412, ctypes.addressof(ctypes.create_string_buffer(b"x")))
