"""Makes a process make system calls, as code would that an attacker runs in it: `inject.py PID CALL ARGUMENT...`.

An argument is a number, or a text, which is written into the process and passed by its address. Prints what the
call returned. Ends with 0 if it was refused, with 1 if it was not. For root, on x86_64.
"""

import ctypes
import errno
import os
import signal
import struct
import sys

CALLS = {
    "socket": 41, "clone": 56, "execve": 59, "kill": 62, "ptrace": 101, "prctl": 157, "chroot": 161, "mount": 165,
    "add_key": 248, "openat": 257, "unshare": 272, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310,
    "bpf": 321, "io_uring_setup": 425, "clone3": 435, "ioctl": 16,
}
SEIZE, INTERRUPT, CONT, DETACH, GETREGS, SETREGS, EXITKILL = 0x4206, 0x4207, 7, 17, 12, 13, 0x100000
# The order of struct user_regs_struct.
REGISTERS = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs"
).split()
CODE = b"\x0f\x05\xcc"  # syscall; int3
FAR = 48 * 1024  # Below the stack pointer, where a handler does not reach.

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def trace(request, pid, address=None, data=None):
    if libc.ptrace(request, pid, address, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def registers(pid):
    buffer = (ctypes.c_ulonglong * len(REGISTERS))()
    trace(GETREGS, pid, None, ctypes.addressof(buffer))
    return dict(zip(REGISTERS, buffer, strict=True))


def resume(pid, values):
    buffer = (ctypes.c_ulonglong * len(REGISTERS))(*(values[name] for name in REGISTERS))
    trace(SETREGS, pid, None, ctypes.addressof(buffer))


def entry(pid):
    """The address at which the program began: nothing runs there any more."""
    program = os.readlink(f"/proc/{pid}/exe")
    with open(f"/proc/{pid}/exe", "rb") as file:
        head = file.read(64)
    kind, start = struct.unpack_from("<H", head, 16)[0], struct.unpack_from("<Q", head, 24)[0]
    with open(f"/proc/{pid}/maps") as maps:
        first = next(line for line in maps if line.rstrip().endswith(program))
    return start + (int(first.split("-")[0], 16) if kind == 3 else 0)


def call(pid, memory, number, arguments):
    """What the call returns; None if the process did not come back from it."""
    before, at = registers(pid), entry(pid)
    original = os.pread(memory, len(CODE), at)
    place, passed = (before["rsp"] - FAR) & ~0xF, []
    for argument in arguments:
        if isinstance(argument, bytes):
            os.pwrite(memory, argument + b"\0", place)
            passed.append(place)
            place += 256
        else:
            passed.append(argument % 2**64)
    os.pwrite(memory, CODE, at)
    names = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    given = dict(zip(names, passed + [0] * (6 - len(passed)), strict=True))
    resume(pid, before | given | {"rax": number, "orig_rax": 2**64 - 1, "rip": at})
    delivered = 0
    while True:
        trace(CONT, pid, None, delivered)
        _, status = os.waitpid(pid, 0x40000000)  # __WALL
        if not os.WIFSTOPPED(status):
            return None
        delivered = os.WSTOPSIG(status)
        if delivered == signal.SIGTRAP:
            break
    returned = ctypes.c_long(registers(pid)["rax"]).value
    os.pwrite(memory, original, at)
    resume(pid, before)
    return returned


def main():
    pid, name = int(sys.argv[1]), sys.argv[2]
    number = lambda text: int(text, 0) if text.lstrip("-")[:1].isdigit() else text.encode()
    trace(SEIZE, pid, None, None)
    trace(INTERRUPT, pid)
    os.waitpid(pid, 0x40000000)
    memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    returned = call(pid, memory, CALLS[name], [number(text) for text in sys.argv[3:]])
    if returned is None:
        sys.exit(f"{name}: the process has become another program")
    trace(DETACH, pid)
    if returned in {-errno.EPERM, -errno.EACCES, -errno.ENOSYS}:
        return print(f"{name}: {errno.errorcode[-returned]}")
    word = errno.errorcode.get(-returned, "?") if returned < 0 else "done"
    sys.exit(f"{name}: returned {returned} ({word})")


main()
