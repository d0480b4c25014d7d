"""An IMDSv2 client: prints the access key id it gets, or fails.

A connection that was idle may be closed by the server while a request is on
its way; RFC 9112 (9.3.1) has the client send that request again on a new one, and
SDKs do. The first request of a connection has no such excuse.
"""
import http.client
import json
import sys

CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Client:
    def __init__(self, address, timeout=10):
        self.address, self.timeout = address, timeout
        self.connection = None

    def key_id(self):
        token = self.call("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        path = "/latest/meta-data/iam/security-credentials/"
        own = {"X-aws-ec2-metadata-token": token}
        role = self.call("GET", path, own)
        document = json.loads(self.call("GET", path + role, own))
        assert document["Code"] == "Success", document["Code"]
        return document["AccessKeyId"]

    def call(self, *request):
        if self.connection is not None and self.connection.sock is not None:
            try:
                return self.send(*request)
            except CLOSED:
                self.close()
        self.connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        return self.send(*request)

    def send(self, method, path, headers):
        self.connection.request(method, path, headers=headers)
        response = self.connection.getresponse()
        body = response.read().decode()
        assert response.status == 200, f"{method} {path}: {response.status}"
        return body

    def close(self):
        if self.connection is not None:
            self.connection.close()


if __name__ == "__main__":
    print(Client(sys.argv[1]).key_id())
