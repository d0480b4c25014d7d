"""A Kubernetes cluster as far as pods show it: an issuer with one key, and tokens of service accounts.

openssl makes the key and signs, so that nothing of the daemon's vouches for itself.
"""

import base64
import json
import shutil
import subprocess
import time

from .environment import Unavailable

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "pods.eks.amazonaws.com"
SUBJECT = "system:serviceaccount:shop:web"


class Cluster:
    """What it keeps is in that folder."""

    def __init__(self, folder):
        if shutil.which("openssl") is None:
            raise Unavailable("there is no openssl to sign tokens with")
        self._key, self.jwks = folder / "cluster.pem", folder / "jwks.json"
        openssl("genrsa", "-out", str(self._key), "2048")
        modulus = openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode().strip()
        modulus = bytes.fromhex(modulus.split("=")[1])
        key = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "n": encoded(modulus), "e": "AQAB"}
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, life=600):
        """A token of the one service account, as kubelet projects it into its pods."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + life}
        parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "one"}, claims)]
        text = ".".join(parts)
        return f"{text}.{encoded(openssl('dgst', '-sha256', '-sign', str(self._key), said=text.encode()))}"

    def entry(self, role):
        """What the settings say about its pods."""
        return f'[[pod]]\nissuer = "{ISSUER}"\njwks_file = "{self.jwks}"\nsubject = "{SUBJECT}"\nrole = "{role}"\n'


def openssl(*words, said=None):
    """What it prints."""
    return subprocess.run(["openssl", *words], input=said, capture_output=True, check=True).stdout


def encoded(octets):
    """As JWT has it."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
