"""Both sides of tests/beds/attacks/limits.sh.

`limits.py attack NAME [--count N] ADDRESS`: takes as many connections as it can, and goes on until
it is ended. Whatever the server closes is opened again. Prints `ready` once all are open, or after
five seconds. An ADDRESS is HOST:PORT, [HOST]:PORT, or the path of a Unix socket.

`limits.py probe [--limit MS] NAME=ADDRESS...`: how long another caller waits for an answer: one new
connection per request. The best of eight rounds counts, because other work on the machine can only
make a round slower. Fails if its median, on any of the addresses, is above the limit.

`limits.py burst COUNT ADDRESS`: COUNT clients at the same time, each of which must get an answer.
"""
import argparse
import os
import selectors
import socket
import statistics
import sys
import threading
import time

TTL = "X-aws-ec2-metadata-token-ttl-seconds: 60"
PUT = f"PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\n{TTL}\r\n"
GET = "GET / HTTP/1.1\r\nHost: localhost\r\n"
KEEP = "Connection: keep-alive\r\n"
# Connections that an attack opens in a second, so that a small machine has time for other programs.
RATE = 20_000


def endpoint(text):
    """The family and the address of a socket."""
    if text.startswith("/"):
        return socket.AF_UNIX, text
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, int(port))


class Idle:
    """Connects and is silent."""

    def __init__(self, address, number):
        self.family, self.address = endpoint(address)
        self.number = number
        self.open()

    def open(self):
        self.socket = socket.socket(self.family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.prepare()
        try:
            self.socket.connect(self.address)
        except BlockingIOError:
            # A Unix socket whose queue is full does not connect later by itself.
            if self.family == socket.AF_UNIX:
                raise
        self.begun = False

    def prepare(self):
        """Before it connects."""

    def connected(self):
        """Once, when it can be written to."""

    def readable(self):
        """False if the server has closed it."""
        return bool(self.socket.recv(65536))

    def tick(self):
        """Once a second."""


class HalfHead(Idle):
    """Sends a head that never ends."""

    def connected(self):
        self.socket.send(GET.encode())

    def tick(self):
        self.socket.send(b"X-Slow: 1\r\n")


class Unread(Idle):
    """Sends requests and reads no answer."""

    def prepare(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def connected(self):
        self.socket.send((PUT + KEEP + "\r\n").encode() * 100)

    def tick(self):
        self.socket.send((PUT + KEEP + "\r\n").encode() * 100)

    def readable(self):
        time.sleep(0)
        return True


class KeptAlive(Idle):
    """Gets one answer, and leaves the connection open."""

    def connected(self):
        self.socket.send((PUT + KEEP + "\r\n").encode())

    def tick(self):
        self.connected()


class Waiting(Idle):
    """Asks for credentials that are not there, over and over."""

    head = ""

    def connected(self):
        self.socket.send((self.head + KEEP + "\r\n").encode())

    def readable(self):
        answered = super().readable()
        if answered:
            self.connected()
        return answered


class Churn(Idle):
    """Connects and closes."""

    def connected(self):
        raise ConnectionError


class Foreign(Idle):
    """Is refused for its Host, over and over, on connections that should stay open."""

    def connected(self):
        self.socket.send(GET.replace("localhost", f"n{self.number}.example").encode() + (KEEP + "\r\n").encode())

    def readable(self):
        answered = super().readable()
        if answered:
            self.connected()
        return answered


class ManyUsers(Idle):
    """Each connection is another user's: root only, in place of a user with subordinate uids."""

    def open(self):
        os.seteuid(100_000 + self.number)
        try:
            super().open()
        finally:
            os.seteuid(0)


class ManyNetworks(Idle):
    """Each connection comes from another /64."""

    def prepare(self):
        ipv6_freebind = 78
        self.socket.setsockopt(socket.IPPROTO_IPV6, ipv6_freebind, 1)
        self.number += 1 << 12
        self.socket.bind((f"2001:db8:{self.number >> 16 & 0xffff:x}:{self.number & 0xffff:x}::1", 0))


class Order(Idle):
    """Orders on the control socket."""

    def connected(self):
        self.socket.send(b"GET /v1/events HTTP/1.1\r\nHost: control\r\n\r\n")


ATTACKS = {
    "idle": Idle,
    "half-head": HalfHead,
    "unread": Unread,
    "kept-alive": KeptAlive,
    "waiting": Waiting,
    "churn": Churn,
    "foreign": Foreign,
    "many-users": ManyUsers,
    "many-networks": ManyNetworks,
    "order": Order,
}


class Attack:
    def __init__(self, kind, address, count):
        self.kind, self.address, self.count = kind, address, count
        self.selector = selectors.DefaultSelector()
        self.pending = list(range(count))
        self.opened = 0
        self.lost = 0
        self.start = self.ticked = time.monotonic()

    def run(self):
        ready = False
        while True:
            self.fill()
            for key, events in self.selector.select(0.02):
                self.guarded(key.data, lambda client: self.serve(client, events))
            now = time.monotonic()
            if now - self.ticked > 1:
                self.ticked = now
                for client in [key.data for key in self.selector.get_map().values()]:
                    if client.begun:
                        self.guarded(client, lambda client: client.tick())
            if not ready and (len(self.pending) == 0 or now - self.start > 5):
                ready = True
                print("ready", flush=True)

    def fill(self):
        allowed = int((time.monotonic() - self.start) * RATE) + 100 - self.opened
        for _ in range(min(allowed, len(self.pending))):
            number = self.pending.pop()
            self.opened += 1
            try:
                client = self.kind(self.address, number)
            except OSError:
                self.pending.insert(0, number)
                return
            self.selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)

    def serve(self, client, events):
        if events & selectors.EVENT_WRITE and not client.begun:
            client.begun = True
            wanted = 0 if isinstance(client, Unread) else selectors.EVENT_READ
            if wanted:
                self.selector.modify(client.socket, wanted, client)
            client.connected()
        if events & selectors.EVENT_READ and not client.readable():
            raise ConnectionError

    def guarded(self, client, action):
        try:
            action(client)
        except BlockingIOError:
            pass
        except OSError:
            self.lost += 1
            self.selector.unregister(client.socket)
            client.socket.close()
            self.pending.append(client.number)


def ask(address, request, timeout=30):
    """The first bytes of an answer on a connection of its own, and the milliseconds until then."""
    family, where = endpoint(address)
    begun = time.monotonic()
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        client.connect(where)
        client.sendall(request.encode())
        answer = client.recv(4096)
    return answer, (time.monotonic() - begun) * 1000


REQUESTS = {
    "imds": PUT + "\r\n",
    "container": GET.replace("/", "/v1/credentials/dev", 1) + "\r\n",
    "pods": GET.replace("/", "/v1/credentials", 1).replace("localhost", "169.254.170.23") + "\r\n",
    "metrics": GET.replace("/", "/health", 1) + "\r\n",
    "control": "GET /v1/status HTTP/1.1\r\nHost: control\r\n\r\n",
}


def probe(limit, targets):
    failed = False
    for name, address in (target.split("=", 1) for target in targets):
        request = REQUESTS[name.split("-")[0]]
        medians, errors = [], []
        for _ in range(8):
            times = []
            for _ in range(9):
                try:
                    answer, taken = ask(address, request, timeout=5)
                    assert answer.startswith(b"HTTP/1.1 "), answer
                    times.append(taken)
                except (OSError, AssertionError) as error:
                    errors.append(repr(error))
                    times.append(5000)
                if times[-1] >= 2000:
                    break
            medians.append(statistics.median(times))
            if medians[-1] <= limit or medians[-1] >= 2000:
                break
        print(f"{name}: {min(medians):.1f} ms", *errors[:1])
        failed |= min(medians) > limit
    sys.exit(failed)


def burst(count, address):
    results = []

    def client():
        try:
            results.append(ask(address, PUT + KEEP + "\r\n")[0][:12])
        except OSError as error:
            results.append(repr(error))

    threading.stack_size(128 * 1024)
    threads = [threading.Thread(target=client) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = [result for result in results if result != b"HTTP/1.1 200"]
    print(f"{count} clients, {len(failures)} failures", *failures[:3])
    sys.exit(bool(failures))


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    attack = verbs.add_parser("attack")
    attack.add_argument("name", choices=ATTACKS)
    attack.add_argument("address")
    attack.add_argument("--count", type=int, default=1400)
    attack.add_argument("--head", default="")
    prober = verbs.add_parser("probe")
    prober.add_argument("targets", nargs="+")
    prober.add_argument("--limit", type=float, default=100)
    many = verbs.add_parser("burst")
    many.add_argument("count", type=int)
    many.add_argument("address")
    given = parser.parse_args()
    if given.verb == "attack":
        Waiting.head = given.head.replace("\\r\\n", "\r\n")
        Attack(ATTACKS[given.name], given.address, given.count).run()
    elif given.verb == "probe":
        probe(given.limit, given.targets)
    else:
        burst(given.count, given.address)


main()
