"""The clients, one row each: where it comes from and what is to be expected of it.

`command` makes the environment and returns what to run. Whatever differs from
client to client is said here as data; `trial.py` knows no client by name.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from . import environment
from .environment import PROBES

NO_FILE = "Go v1 of this version does not know the token file"
NO_TOKEN = "object_store sends no token with a relative URI"
NO_VARIABLE = "object_store takes no notice of a full URI without the token file, and goes to IMDS"
ASKS_NOTHING = "this client never asks IMDS for a region"


@dataclass(frozen=True)
class Client:
    """One row of the table."""

    name: str
    version: str
    command: Callable[[], list]
    # Only Python and Node are needed to run it.
    quick: bool = False
    # How it comes to ask again: `own` by the expiry it saw, `renew` when the
    # application opens a new session, `process` by being a process a command.
    again: str = "own"
    # Credential fetches from IMDS that six uses in one process cost.
    fetches: int = 1
    # Why it cannot be asked for a region, or nothing.
    no_region: str = ""
    # Reads the account from iam/info as well.
    account: bool = False
    # Knows only the link-local address.
    link_local: bool = False
    # The ways to the container endpoint that it has not, with the reason.
    container_without: dict = field(default_factory=dict)


def python_probe(environment_name, script, *programs):
    """A probe in Python; `programs` are commands of the same environment that it drives."""
    def command():
        folder = environment.python(environment_name) / "bin"
        return [folder / "python", PROBES / script, *(folder / program for program in programs)]
    return command


def node_probe(name, script):
    """A probe in JavaScript."""
    def command():
        packages = environment.node(name) / "node_modules"
        environment.need("node")
        return ["env", f"NODE_PATH={packages}", "node", PROBES / script]
    return command


CLIENTS = [
    Client("boto3", "1.44.5", python_probe("boto3", "with_boto3.py"), quick=True, again="renew"),
    Client("aiobotocore", "3.10.0", python_probe("aiobotocore", "with_aiobotocore.py"), quick=True, again="renew"),
    Client("aws-cli-v1", "1.46.3", python_probe("awscli", "with_aws_cli.py", "aws"), quick=True, again="process",
           no_region=ASKS_NOTHING),
    Client("aws-cli-v2", "2.36.12", lambda: [sys.executable, PROBES / "with_aws_cli.py", environment.aws_cli_v2()],
           quick=True, again="process"),
    Client("awscrt", "0.38.1", python_probe("awscrt", "with_awscrt.py"), quick=True, no_region=ASKS_NOTHING),
    Client("js-v2", "2.1693.0", node_probe("js-v2", "with_js_v2.js"), quick=True),
    Client("js-v3", "3.1169.0", node_probe("js-v3", "with_js_v3.js"), quick=True),
    Client("go-v1", "s5cmd 2.3.0", python_probe("s5cmd", "with_s5cmd.py", "s5cmd"), quick=True,
           no_region="s5cmd never asks IMDS for a region", container_without={"file": NO_FILE}),
    Client("rclone", "1.75.2 (Go v2)", python_probe("rclone", "with_rclone.py", "rclone"), quick=True,
           no_region="rclone never asks IMDS for a region"),
    Client("opendal", "0.47.12", python_probe("opendal", "with_opendal.py"), quick=True, no_region=ASKS_NOTHING),
    Client("object_store", "obstore 0.12.1", python_probe("obstore", "with_obstore.py"), quick=True,
           no_region=ASKS_NOTHING, container_without={"variable": NO_VARIABLE, "relative": NO_TOKEN}),
    # Its credential chain and its S3 client each fetch once at the start.
    Client("cpp", "pyarrow 26.0.1", python_probe("pyarrow", "with_pyarrow.py"), quick=True, again="renew", fetches=2),
    Client("minio-py", "7.2.20", python_probe("minio", "with_minio.py"), quick=True, link_local=True,
           no_region=ASKS_NOTHING),
    Client("go-v2", "1.48.0", lambda: [environment.go() / "sdk"]),
    Client("terraform", "aws-sdk-go-base 2.0.0-beta.74", lambda: [environment.go() / "terraform"], account=True),
    Client("java-v2", "2.57.8", lambda: ["java", "-XX:TieredStopAtLevel=1", "-cp", environment.java(), "Probe"]),
    Client("rust", "aws-config 1.13.0", lambda: [environment.rust()]),
]
