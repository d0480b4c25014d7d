"""The servers that can stand in place of AWS STS: ours, moto and MiniStack.

Each knows one user, with the keys that the embedded STS prints, and lets that
user, one OIDC provider and one SAML provider into one role.
"""

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import environment
from .daemon import REGION, Failed, Program, bare, free_port, listening
from .materials import ISSUER

ACCOUNT = "123456789012"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAASSUMED77EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not/a/secret/assumed/demo/key/EXAMPLEKEY",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass
class Server:
    """One of them: what it calls the user, and where it falls short.

    `lacks` has the reasons for the actions that it does not have. For those of
    `constant` it gives everybody the same key, which it takes for the user's.
    """

    name: str
    user: str
    lacks: dict = field(default_factory=dict)
    pins: str = ""
    constant: str = ""

    @property
    def version(self):
        """As pinned; ours is what is under test."""
        if not self.pins:
            return "this one"
        pinned = (environment.SDK / "pins" / f"{self.pins}.txt").read_text().splitlines()
        return next(line.split("==")[1] for line in pinned if line.startswith(f"{self.pins}=="))

    def command(self, binary, port):
        """What starts it, and the variables that it wants."""
        if self.name == "moto":
            return [environment.python("moto") / "bin/moto_server", "-H", "127.0.0.1", "-p", str(port)], {}
        if self.name == "MiniStack":
            settings = {
                "AUTH": "true",
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "SERVICES": "iam,sts",
                "MINISTACK_ACCOUNT_ID": ACCOUNT,
            }
            return [environment.python("ministack") / "bin/ministack"], settings | KEYS
        return [binary, "demo", "--sts-only", "--sts-faults", "--session", "1h", "--sts-listen", f"127.0.0.1:{port}"], {}


SERVERS = [
    Server("embedded", f"arn:aws:iam::{ACCOUNT}:user/assumed-demo"),
    Server("moto", f"arn:aws:sts::{ACCOUNT}:user/moto", pins="moto", constant="TF"),
    Server("MiniStack", f"arn:aws:iam::{ACCOUNT}:root", {"S": "it has no AssumeRoleWithSAML"}, pins="ministack"),
]


@contextmanager
def serving(server, binary, folder):
    """The server with its role; its address."""
    folder.mkdir()
    port = free_port()
    command, variables = server.command(binary, port)
    program = Program(command[0], [str(word) for word in command[1:]], folder, server.name, bare(folder) | variables)
    program.start()
    url = f"http://127.0.0.1:{port}"
    try:
        listening(program, f"127.0.0.1:{port}")
        if server.pins:
            populate(url, folder)
        yield url
    finally:
        program.stop()


def populate(url, folder):
    """The role, whom it trusts, and the OIDC provider."""
    statement = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
         "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": {"sts:ExternalId": "agreed"}}},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
         "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.partition('://')[2]}"}},
    ]
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    script = environment.PROBES / "populate.py"
    done = subprocess.run([environment.python("boto3") / "bin/python", script, url, trust, ISSUER], text=True, check=False,
                          capture_output=True, env=bare(Path(folder)) | KEYS, stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode:
        raise Failed(f"the role could not be made: {done.stderr.strip().splitlines()[-1:]}")
