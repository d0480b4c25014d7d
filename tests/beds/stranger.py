"""Asks an address as a stranger would, and fails if a single byte comes back.

It tries a token, the credentials and a page with each name that might be taken
for one of ours. With --token, only a token, so that it is the reply to the PUT
that has to come, or not.
"""
import socket
import sys

CREDENTIALS = "/latest/meta-data/iam/security-credentials/"
TTL = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"


def answer(address, head):
    try:
        with socket.create_connection(address, timeout=1) as connection:
            connection.settimeout(1)
            connection.sendall(head.encode())
            return connection.recv(4096)
    except (TimeoutError, OSError):
        return b""


def requests(host):
    for name in host, "127.0.0.1", "localhost":
        yield f"PUT /latest/api/token HTTP/1.1\r\nHost: {name}\r\n{TTL}\r\n"
        yield f"GET {CREDENTIALS} HTTP/1.1\r\nHost: {name}\r\n\r\n"
        yield f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n"


host = sys.argv[1]
heads = list(requests(f"[{host}]" if ":" in host else host))
for head in heads[:1] if "--token" in sys.argv else heads:
    got = answer((host, 80), head)
    if got:
        sys.exit(f"{head.splitlines()[0]}: {got[:80]!r}")
