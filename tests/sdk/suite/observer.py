"""What a client asked, seen from outside: request lines and nothing else.

Neither observer keeps a header, a body or the secret in a path, so no token and
no secret can end up in a report. The daemon runs as released and does not know
that it is watched.
"""

import re
import socket
import threading

# A request for a role's credentials, as against the listing of role names.
FETCH = re.compile(r"^GET /+latest/+meta-data/+iam/+security-credentials/+[^/ ]")
REQUEST_LINE = re.compile(rb"(GET|HEAD|PUT|POST|OPTIONS) (\S+) HTTP/1\.[01]\r\n")
# Of a consumer that shows its secret in the path.
SECRET_PATH = re.compile(r"(?<=/v2/credentials/)[^/?]+")
# Linux: the kind of packet address that means "this host is sending it".
OUTGOING = 4


class Seen:
    """The request lines so far, shared between threads; what matches `fetch` asks for credentials."""

    def __init__(self, fetch=FETCH):
        self._fetch = fetch
        self._lines = []
        self._lock = threading.Lock()

    def note(self, data):
        """Writes down the request lines in `data`."""
        found = [SECRET_PATH.sub("…", f"{verb.decode()} {path.decode('latin-1')}")
                 for verb, path in REQUEST_LINE.findall(data)]
        with self._lock:
            self._lines.extend(found)

    @property
    def lines(self):
        """A copy, oldest first."""
        with self._lock:
            return list(self._lines)

    @property
    def fetches(self):
        """How often a role's credentials were asked for."""
        return sum(bool(self._fetch.match(line)) for line in self.lines)


class Relay:
    """A TCP relay on loopback in front of the daemon, for one client.

    A request line never straddles two reads here: every client writes its head
    in one piece, and on loopback it arrives in one.
    """

    def __init__(self, upstream, fetch=FETCH):
        self.seen = Seen(fetch)
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Takes no new connection; those that are open end with their peers."""
        # shutdown, because close alone does not wake a thread inside accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                daemon = socket.create_connection(self._upstream, timeout=5)
            except OSError:
                client.close()
                continue
            daemon.settimeout(None)
            threading.Thread(target=self._pass, args=(client, daemon, self.seen.note), daemon=True).start()
            threading.Thread(target=self._pass, args=(daemon, client, None), daemon=True).start()

    @staticmethod
    def _pass(source, sink, note):
        try:
            while data := source.recv(65536):
                if note:
                    note(data)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            # Half a connection is of no use to either side.
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Wire:
    """A passive look at loopback, for a client that cannot be told of a relay.

    Only inside a network namespace of our own: it sees every packet there.
    """

    def __init__(self, port, fetch=FETCH):
        self.seen = Seen(fetch)
        self._port = port
        every_protocol = socket.htons(0x0003)
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, every_protocol)
        self._packets.bind(("lo", 0))
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self):
        """Stops looking."""
        self._packets.close()

    def _watch(self):
        while True:
            try:
                packet, address = self._packets.recvfrom(65536)
            except OSError:
                return
            # Loopback shows each packet twice; the way out is enough.
            if address[2] == OUTGOING:
                self.seen.note(self._payload(packet))

    def _payload(self, packet):
        head = (packet[0] & 0x0F) * 4
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP or len(packet) < head + 20:
            return b""
        segment = packet[head:]
        if int.from_bytes(segment[2:4], "big") != self._port:
            return b""
        return segment[(segment[12] >> 4) * 4:]
