"""The daemon as its users run it, and the embedded STS that it assumes the role at.

Both are the released binary. Everything they keep is in a temporary directory,
and everything they say is kept for the report of a failure.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROLE_ARN = "arn:aws:iam::123456789012:role/probed"
ACCOUNT = "aws/123456789012"
# Not the default of any client, so that a region found by luck shows.
REGION = "eu-west-2"
# The one user that the embedded STS knows; it says itself that these open nothing.
BASE = """[base]
aws_access_key_id = AKIAASSUMED77EXAMPLE
aws_secret_access_key = not/a/secret/assumed/demo/key/EXAMPLEKEY
"""
PROMPT = 15
TOKEN = "X-aws-ec2-metadata-token"


class Failed(Exception):
    """What was expected did not happen."""


class Program:
    """One run of the binary."""

    def __init__(self, binary, words, folder, name, env):
        self._log = folder / f"{name}.log"
        self._words, self._env = [str(binary), *words], env
        self._process = None

    def start(self):
        """Starts it; it is not ready yet."""
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(self._words, env=self._env, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log)

    def stop(self):
        """Ends it, gently first."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PROMPT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise Failed("the daemon did not end on SIGTERM") from None
        finally:
            self._process = None

    def rotate(self):
        """Asks for a rotation now."""
        self._process.send_signal(signal.SIGUSR1)

    @property
    def said(self):
        """Its last lines."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    @property
    def ended(self):
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None


class Daemon:
    """`assumed run`, once it serves credentials."""

    def __init__(self, program, address):
        self._program, self.address = program, address

    def __enter__(self):
        self._program.start()
        try:
            self.key()
        except Failed as failure:
            self._program.stop()
            raise Failed(f"{failure}\n{self.said}") from None
        return self

    def __exit__(self, *_):
        self._program.stop()

    def key(self):
        """The access key id it serves, waiting for the first one."""
        deadline = time.monotonic() + PROMPT
        while True:
            try:
                return self._served()
            except (OSError, KeyError, ValueError) as error:
                if self._program.ended or time.monotonic() > deadline:
                    raise Failed(f"the daemon serves no credentials: {error}") from None
                time.sleep(0.1)

    def _served(self):
        token = self._ask("PUT", "/latest/api/token", {f"{TOKEN}-ttl-seconds": "60"})
        bearer = {TOKEN: token}
        role = self._ask("GET", "/latest/meta-data/iam/security-credentials/", bearer)
        document = json.loads(self._ask("GET", f"/latest/meta-data/iam/security-credentials/{role}", bearer))
        return document["AccessKeyId"]

    def _ask(self, verb, path, fields):
        request = urllib.request.Request("http://%s:%d%s" % (*self.address, path), method=verb, headers=fields)
        with DIRECT.open(request, timeout=5) as answer:
            return answer.read().decode()

    def rotate(self):
        """Rotates now; the access key id served after it."""
        old = self.key()
        self._program.rotate()
        deadline = time.monotonic() + PROMPT
        while (new := self.key()) == old:
            if time.monotonic() > deadline:
                raise Failed("the daemon did not rotate on SIGUSR1")
            time.sleep(0.05)
        return new

    def restart(self):
        """Ends it and starts it again on the same address and state."""
        self._program.stop()
        self._program.start()
        return self.key()

    @property
    def said(self):
        """Its last lines."""
        return self._program.said


@contextmanager
def assuming(binary, folder, session, also=(), flags=()):
    """A daemon with those flags, whose role is assumed at an embedded STS that grants that session."""
    at = f"127.0.0.1:{free_port()}"
    sts = Program(binary, ["demo", "--sts-only", "--sts-listen", at, "--session", session], folder, "sts", bare(folder))
    sts.start()
    try:
        listening(sts, at)
        address = ("127.0.0.1", free_port())
        words = ["run", "--role-arn", ROLE_ARN, "--source-profile", "base", "--region", REGION, *flags]
        for host, port in (address, *also):
            words += ["--listen", f"{host}:{port}"]
        user_files(folder, "[profile base]\n", BASE)
        env = bare(folder) | {"AWS_ENDPOINT_URL_STS": f"http://{at}"}
        with Daemon(Program(binary, words, folder, "daemon", env), address) as daemon:
            yield daemon
    finally:
        sts.stop()


def user_files(home, config, credentials):
    """`~/.aws` of a user who has nothing else."""
    aws = home / ".aws"
    aws.mkdir()
    (aws / "config").write_text(config)
    (aws / "credentials").write_text(credentials)


# No proxy of the machine's may stand between the suite and the daemon.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def bare(folder):
    """An environment in which nothing of this user or machine is found."""
    return {"HOME": str(folder), "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}


def free_port():
    """A port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(program, address):
    """Waits until somebody accepts connections there."""
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + PROMPT
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError as error:
            if program.ended or time.monotonic() > deadline:
                raise Failed(f"nobody listens on {address}: {error}\n{program.said}") from None
            time.sleep(0.05)


def found(given):
    """The binary under test: as given, or where a release build leaves it."""
    root = Path(__file__).resolve().parents[3]
    target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target")
    return Path(given).resolve() if given else target / "release/assumed"
