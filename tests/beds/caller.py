"""What a client gets at each URL of an IMDS, a line each: the status of a PUT for a
metadata token, of a GET with it, of a GET without one, and whether boto3 has credentials.
"""
import http.client
import os
import sys
import urllib.parse

import boto3

PATH = "/latest/meta-data/iam/security-credentials/"
NOTHING = "nothing"


def ask(address, method, path, headers):
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return str(response.status), response.read().decode()
    except (OSError, http.client.HTTPException):
        return NOTHING, None
    finally:
        connection.close()


def statuses(address):
    put, token = ask(address, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    own = {"X-aws-ec2-metadata-token": token}
    get = ask(address, "GET", PATH, own)[0] if put == "200" else "no token"
    return put, get, ask(address, "GET", PATH, {})[0]


for url in sys.argv[1:]:
    os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url
    found = boto3.Session().get_credentials()
    print(*statuses(urllib.parse.urlsplit(url).netloc), "credentials" if found else NOTHING, sep="|")
