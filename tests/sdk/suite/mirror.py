"""A service in which every caller sees the access key id it signed with.

To STS clients it is STS: `GetCallerIdentity` answers with the key id as the
user id. To S3 clients it is a bucket: the content of every object is the key
id of its reader. So a client's own request shows which key it really uses.
"""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SIGNER = re.compile(r"Credential=([A-Z0-9]+)/")
OBJECTS = [f"object-{number}" for number in range(1, 7)]
WRITTEN = "Wed, 25 Nov 2026 00:00:00 GMT"
XML = {"Content-Type": "text/xml"}
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

CALLER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/mirror/caller</Arn>
<UserId>{key}</UserId><Account>123456789012</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>"""

LISTED = ("<Contents><Key>{name}</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified>"
          "<ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>")


class Mirror:
    """The service, on a port of its own on loopback."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        """Takes no more requests."""
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """STS."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = self._signer()
        if key:
            self._answer(200, CALLER.format(key=key).encode(), XML)

    def do_GET(self):
        """S3: a listing, a location or an object."""
        key = self._signer()
        if not key:
            return
        target = urlsplit(self.path)
        query = parse_qs(target.query, keep_blank_values=True)
        bucket, _, name = target.path.lstrip("/").partition("/")
        content = f"{key}\n".encode()
        if name:
            self._object(content)
        elif "location" in query:
            self._answer(200, f'<LocationConstraint xmlns="{NAMESPACE}"/>'.encode(), XML)
        else:
            self._answer(200, listing(bucket, query.get("prefix", [""])[0], content), XML)

    do_HEAD = do_GET

    def _signer(self):
        signed = SIGNER.search(self.headers.get("Authorization", ""))
        if not signed:
            error = b"<Error><Code>AccessDenied</Code><Message>the request is not signed</Message></Error>"
            self._answer(403, error, XML)
            return None
        return signed.group(1)

    def _object(self, content):
        fields = {"ETag": f'"{etag(content)}"', "Last-Modified": WRITTEN,
                  "Accept-Ranges": "bytes", "Content-Type": "text/plain"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self._answer(200, content, fields)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        fields["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._answer(206, content[first:last + 1], fields)

    def _answer(self, status, body, fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: who asked what is the observer's business."""


def etag(content):
    """As S3 makes it for an object written in one piece."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def listing(bucket, prefix, content):
    """Six objects, as `ListObjectsV2` shows them."""
    entries = "".join(LISTED.format(name=name, etag=etag(content), size=len(content))
                      for name in OBJECTS if name.startswith(prefix))
    return (f'<ListBucketResult xmlns="{NAMESPACE}"><Name>{bucket}</Name><Prefix>{prefix}</Prefix>'
            f"<KeyCount>{len(OBJECTS)}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
            f"{entries}</ListBucketResult>").encode()
