#!/usr/bin/env python3
"""A pod that asks for credentials, honestly or not, and the cluster that signs its token.

pod.py cluster FOLDER             makes keys `one`, `two` and `evil`, and jwks.json with `one`
pod.py publish FOLDER [KEY...]    writes jwks.json anew, with these keys
pod.py token FOLDER KEY [HEADER [CLAIMS]]  signs a token; JSON objects change its header and claims
pod.py ask TOKEN [HOST]           prints status and body
pod.py raw TEXT                   sends a request as it stands, \\r\\n resolved, and prints the reply
pod.py flood SECONDS KID          shows forged tokens, each another one; prints a count for each status. KID may be `random`
pod.py serve SECONDS TOKEN        asks ten times a second; fails unless each answer is 200 and 99 % take 100 ms at most
"""

import base64
import collections
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

ADDRESS = "169.254.170.23"
ISSUER = "https://kubernetes.default.svc.cluster.local"


def encoded(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def openssl(*words, said=None):
    return subprocess.run(["openssl", *words], input=said, capture_output=True, check=True).stdout


def modulus(folder, key):
    text = openssl("rsa", "-in", f"{folder}/{key}.pem", "-noout", "-modulus").decode().strip()
    return encoded(bytes.fromhex(text.split("=")[1]))


def jwk(folder, key):
    kid = "one" if key == "evil" else key
    return {"kty": "RSA", "kid": kid, "use": "sig", "n": modulus(folder, key), "e": "AQAB"}


def publish(folder, *keys):
    """In one step, as kubelet does."""
    beside = pathlib.Path(folder, "jwks.new")
    beside.write_text(json.dumps({"keys": [jwk(folder, key) for key in keys]}))
    beside.rename(pathlib.Path(folder, "jwks.json"))


def cluster(folder):
    for key in ("one", "two", "evil"):
        openssl("genrsa", "-out", f"{folder}/{key}.pem", "2048")
        openssl("rsa", "-in", f"{folder}/{key}.pem", "-pubout", "-out", f"{folder}/{key}.pub")
    publish(folder, "one")


def parts(header, claims):
    now = int(time.time())
    usual = {
        "iss": ISSUER, "sub": "system:serviceaccount:shop:web", "aud": ["pods.eks.amazonaws.com"],
        "iat": now, "nbf": now, "exp": now + 600,
    }
    for name in ("exp", "nbf", "iat"):
        if name in claims:
            claims[name] += now
    header = {"alg": "RS256", "kid": "one", **header}
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, {**usual, **claims}))


def token(folder, key, header="{}", claims="{}"):
    """KEY is `none`, `garbage`, `hmac:FILE`, or the name of a key."""
    header = json.loads(header)
    if header.pop("own_jwk", False):
        header["jwk"] = jwk(folder, key)
    if key in ("one", "two"):
        header = {"kid": key, **header}
    text = parts(header, json.loads(claims))
    if key == "none":
        return f"{text}."
    if key == "garbage":
        return f"{text}.{encoded(os.urandom(256))}"
    if key.startswith("hmac:"):
        secret = pathlib.Path(key[5:]).read_bytes().hex()
        words = ("dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{secret}", "-binary")
        return f"{text}.{encoded(openssl(*words, said=text.encode()))}"
    signature = openssl("dgst", "-sha256", "-sign", f"{folder}/{key}.pem", said=text.encode())
    return f"{text}.{encoded(signature)}"


def ask(shown, host=ADDRESS):
    connection = http.client.HTTPConnection(ADDRESS, timeout=5)
    connection.request("GET", "/v1/credentials", headers={"Host": host, "Authorization": shown})
    reply = connection.getresponse()
    print(reply.status, reply.read().decode().strip())


def raw(text):
    with socket.create_connection((ADDRESS, 80), timeout=5) as stream:
        stream.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
        stream.shutdown(socket.SHUT_WR)
        reply = b""
        while piece := stream.recv(65536):
            reply += piece
        print(reply.decode("latin-1"))


def flood(seconds, kid):
    counts, end = collections.Counter(), time.monotonic() + float(seconds)
    connection = http.client.HTTPConnection(ADDRESS, timeout=5)
    number, signature = 0, encoded(os.urandom(256))
    while time.monotonic() < end:
        number += 1
        header = {"kid": str(number) if kid == "random" else kid}
        forged = f"{parts(header, {'jti': number})}.{signature}"
        connection.request("GET", "/v1/credentials", headers={"Authorization": forged})
        reply = connection.getresponse()
        reply.read()
        counts[reply.status] += 1
    print(*(f"{status}={count}" for status, count in sorted(counts.items())))


def serve(seconds, shown):
    took, end = [], time.monotonic() + float(seconds)
    while time.monotonic() < end:
        begun = time.monotonic()
        connection = http.client.HTTPConnection(ADDRESS, timeout=5)
        connection.request("GET", "/v1/credentials", headers={"Authorization": shown})
        status = connection.getresponse().status
        took.append(time.monotonic() - begun)
        if status != 200:
            sys.exit(f"answer {len(took)} is {status}")
        time.sleep(0.1)
    took.sort()
    slow = took[int(len(took) * 0.99) - 1]
    print(f"{len(took)} answers, 99 % within {slow * 1000:.1f} ms")
    sys.exit(slow > 0.1)


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "token":
        print(token(*words))
    else:
        {"cluster": cluster, "publish": publish, "ask": ask, "raw": raw, "flood": flood, "serve": serve}[verb](*words)
