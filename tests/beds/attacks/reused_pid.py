"""Registers a process as a consumer by the control socket: `reused_pid.py SOCKET UID`, as root.

With `--reused-by UID`, the process ends once it is connected, and a process of that user gets its
pid before the request is sent. Exits with 0 if a token came.
"""
import http.client
import json
import os
import socket
import sys
import time

path, uid = sys.argv[1], int(sys.argv[2])
reused_by = int(sys.argv[4]) if len(sys.argv) > 4 else None
TRIES = 50


def become(number):
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def connected():
    """A connection and the process that made it, which ends when it is killed."""
    sock = socket.socket(socket.AF_UNIX)
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(uid)
        sock.connect(path)
        os.write(done, b"x")
        time.sleep(60)
        os._exit(0)
    os.close(done)
    assert os.read(ready, 1) == b"x", "cannot connect"
    return sock, pid


def end(pid):
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def reuse(pid):
    """A process of the other user with this number; None if yet another one was faster."""
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(pid - 1))
        last.flush()
        new = os.fork()
    if new == 0:
        become(reused_by)
        time.sleep(60)
        os._exit(0)
    if new == pid:
        return new
    end(new)
    return None


def order(sock):
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = sock
    body = json.dumps({"role": "dev", "process": True})
    connection.request("POST", "/v1/tokens", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read().decode()


for _ in range(TRIES):
    sock, process = connected()
    if reused_by is not None:
        # So that the daemon has accepted the connection.
        time.sleep(0.05)
        end(process)
        process = reuse(process)
    if process is not None:
        break
    sock.close()
else:
    sys.exit("the pid was never to be had")
status, said = order(sock)
end(process)
print(status, said if status != 200 else "a token")
sys.exit(0 if status == 200 else 1)
