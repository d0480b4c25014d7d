"""The daemon against somebody else's STS, and boto3 against the daemon.

moto keeps what it issued: asked who calls, it answers with the role only for a
key of its own making. So the keys that boto3 gets from the daemon are proved at
the place where they came from.
"""

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import environment, report
from .daemon import BASE, REGION, Daemon, Failed, Program, bare, free_port, listening, user_files
from .probe import Probe

CONFIG = f"""[profile base]
[profile dev]
role_arn = arn:aws:iam::123456789012:role/dev
role_session_name = probe
source_profile = base
region = {REGION}
"""
CALLER = "arn:aws:sts::123456789012:assumed-role/dev/probe"
ISSUED = re.compile(r"ASIA[A-Z0-9]{16}")


def run(binary):
    """Prints each check; the exit code."""
    try:
        server, client = environment.python("moto"), environment.python("boto3")
    except environment.Unavailable as reason:
        print(f"SKIP moto: {reason}")
        return report.closing(["SKIP"])
    marks = []
    try:
        with bed(binary, server, client) as (daemon, probe):
            for name, check in CHECKS.items():
                marks.append(judged(name, check, daemon, probe))
    except Failed as failure:
        marks.append("FAIL")
        print(f"FAIL start: {failure}")
    return report.closing(marks)


@contextmanager
def bed(binary, server, client):
    """moto, the daemon with nothing but a user's `~/.aws`, and boto3 with nothing but the endpoint."""
    with tempfile.TemporaryDirectory(prefix="assumed-moto-") as folder:
        home, elsewhere = Path(folder) / "user", Path(folder) / "client"
        home.mkdir()
        elsewhere.mkdir()
        with serving_sts(server, home) as url, assuming_from(url, binary, home) as daemon:
            found = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://%s:%d/" % daemon.address, "MIRROR": url}
            command = [client / "bin/python", environment.PROBES / "with_boto3.py"]
            with Probe(command, bare(elsewhere) | found) as probe:
                yield daemon, probe


@contextmanager
def serving_sts(server, folder):
    """moto's server; its address."""
    at = f"127.0.0.1:{free_port()}"
    host, port = at.split(":")
    moto = Program(server / "bin/moto_server", ["-H", host, "-p", port], folder, "moto", bare(folder))
    moto.start()
    try:
        listening(moto, at)
        yield f"http://{at}"
    finally:
        moto.stop()


def assuming_from(url, binary, home):
    """The daemon of a user whose files name the role and whose environment names that STS."""
    user_files(home, CONFIG, BASE)
    address = ("127.0.0.1", free_port())
    words = ["run", "--profile", "dev", "--listen", "%s:%d" % address]
    return Daemon(Program(binary, words, home, "daemon", bare(home) | {"AWS_ENDPOINT_URL_STS": url}), address)


def judged(name, check, daemon, probe):
    """One check's mark, printed."""
    try:
        check(daemon, probe)
    except Failed as failure:
        print(f"FAIL {name}: {failure}\n  daemon: {daemon.said[-1200:]}")
        return "FAIL"
    print(f"ok   {name}")
    return "ok"


def same_key(daemon, probe):
    """boto3 holds what the daemon serves, and it has the form of a temporary key."""
    key, served = probe.ask("key"), daemon.key()
    if key != served or not ISSUED.fullmatch(key):
        raise Failed(f"boto3 has {key}, served is {served}")


def issued(_daemon, probe):
    """moto knows the key for one that it issued for the role."""
    caller = probe.ask("caller")
    if caller != CALLER:
        raise Failed(f"moto takes the caller for {caller}")


def rotated(daemon, probe):
    """After a rotation both hold again, with another key."""
    old = probe.ask("key")
    daemon.rotate()
    probe.ask("renew")
    same_key(daemon, probe)
    issued(daemon, probe)
    if probe.ask("key") == old:
        raise Failed("the key is the old one")


def region(_daemon, probe):
    """The profile's region reaches the client."""
    found = probe.ask("region")
    if found != REGION:
        raise Failed(f"boto3 finds {found}")


CHECKS = {
    "boto3 holds the key that is served": same_key,
    "moto issued that key for the role": issued,
    "and so after a rotation": rotated,
    "the region is the profile's": region,
}
