"""A metadata server that lets everybody in, to show what a page gets from one: `permissive.py ADDRESS PORT`."""
import http.server
import sys

PATHS = {
    "/latest/api/token": "permissive-token",
    "/latest/meta-data/iam/security-credentials/": "dev",
    "/latest/meta-data/iam/security-credentials/dev": '{"AccessKeyId": "ASIAPERMISSIVE"}',
}


class Permissive(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = PATHS.get(self.path, "").encode()
        self.send_response(200)
        for name in "Origin", "Methods", "Headers":
            self.send_header(f"Access-Control-Allow-{name}", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_OPTIONS = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Permissive).serve_forever()
