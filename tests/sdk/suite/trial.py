"""The five questions that every client is asked.

a, b and e are asked with a session of an hour, as users have it. c and d are
asked with a session so short that each client comes to the end of the one it
holds and asks again by itself; only who cannot is helped (`Client.again`).
"""

import json
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from . import daemon as under_test
from .daemon import Failed, assuming
from .mirror import Mirror
from .observer import Relay, Wire
from .probe import Probe

QUESTIONS = {
    "a": "the first fetch",
    "b": "six uses cost one fetch",
    "c": "the new key after a rotation, in one process",
    "d": "credentials after a restart of the daemon, in one process",
    "e": "the region, where this client looks for it",
}
LONG = "1h"
SHORT = "40s"
# A client may hold what it has to the very end; the rest is for slow machines.
TURN = 40 + 30
USES = 6
LINK_LOCAL = ("169.254.169.254", 80)
A_PROCESS_EACH = "every command is a process of its own; the next one was checked to use the new key"


@dataclass
class Outcome:
    """One cell of the table."""

    mark: str  # ok, FAIL, SKIP or n/a
    note: str = ""


class Trial:
    """One client, one daemon, and whoever watches between them."""

    def __init__(self, client, command, binary):
        self._client, self._command, self._binary = client, command, binary
        self._fetches = client.fetches
        self.outcomes = {}

    def run(self):
        """All five questions."""
        with self._bed(LONG) as (daemon, seen, probe):
            self._note("a", self._first, daemon, seen, probe)
            self._note("b", self._six, daemon, seen, probe)
            self._note("e", self._region, daemon, seen, probe)
        with self._bed(SHORT) as (daemon, seen, probe):
            self._note("c", self._rotation, daemon, seen, probe)
            self._note("d", self._restart, daemon, seen, probe)
        return self.outcomes

    def _note(self, question, ask, daemon, seen, probe):
        try:
            self.outcomes[question] = ask(daemon, seen, probe) or Outcome("ok")
        except Failed as failure:
            asked = "; ".join(seen.lines[-12:]) or "nothing"
            self.outcomes[question] = Outcome("FAIL", f"{failure}\n  asked: {asked}\n  daemon: {daemon.said[-1200:]}")

    @contextmanager
    def _bed(self, session):
        local = self._client.link_local
        with tempfile.TemporaryDirectory(prefix="assumed-sdk-") as folder:
            home = Path(folder) / "client"
            home.mkdir()
            with assuming(self._binary, Path(folder), session, [LINK_LOCAL] if local else []) as daemon:
                # The suite's own looks go to the daemon's other address, and are not seen.
                watch = Wire(LINK_LOCAL[1]) if local else Relay(daemon.address)
                mirror = Mirror()
                try:
                    endpoint = {} if local else endpoints(watch.port)
                    env = under_test.bare(home) | endpoint | {"MIRROR": mirror.url}
                    with Probe(self._command, env) as probe:
                        yield daemon, watch.seen, probe
                finally:
                    mirror.close()
                    watch.close()

    def _first(self, daemon, _seen, probe):
        same(probe.ask("use"), daemon.key())

    def _six(self, daemon, seen, probe):
        if self._client.again == "process":
            before = seen.fetches
            keys = probe.ask("many").split()
        else:
            # The first of the six was asked for by the question before.
            before, keys = 0, [probe.ask("use") for _ in range(USES - 1)]
            keys.append(keys[0])
        if len(keys) != USES or set(keys) != {daemon.key()}:
            raise Failed(f"keys used: {' '.join(keys)}; served: {daemon.key()}")
        cost = seen.fetches - before
        if cost != self._fetches:
            raise Failed(f"{cost} fetches for {USES} uses, expected {self._fetches}")
        return Outcome("ok", f"{cost} fetches at its start, none after" if cost > 1 else "")

    def _region(self, _daemon, _seen, probe):
        if self._client.no_region:
            return Outcome("n/a", self._client.no_region)
        same(probe.ask("region"), under_test.REGION)
        if self._client.account:
            same(probe.ask("account"), under_test.ACCOUNT)
        return None

    def _rotation(self, daemon, _seen, probe):
        old = probe.ask("use")
        same(old, daemon.key())
        daemon.rotate()
        return self._turned(daemon, probe, old)

    def _restart(self, daemon, _seen, probe):
        old = probe.ask("use")
        daemon.restart()
        return self._turned(daemon, probe, old)

    def _turned(self, daemon, probe, old):
        """Uses the client until it has left the old key behind."""
        if self._client.again == "renew":
            probe.ask("renew")
        deadline = time.monotonic() + (TURN if self._client.again == "own" else 0)
        while True:
            # The daemon may rotate between a look and a use; either side of it is right.
            before, key, after = daemon.key(), probe.ask("use"), daemon.key()
            if key in (before, after) and key != old:
                break
            if time.monotonic() > deadline:
                raise Failed(f"still uses {key}; served: {after}")
            time.sleep(1)
        return Outcome("n/a", A_PROCESS_EACH) if self._client.again == "process" else None


def endpoints(port):
    """What docs/clients.md tells users to set, and nothing else."""
    return {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/",
        "AWS_METADATA_ENDPOINT": f"http://127.0.0.1:{port}/",
    }


def same(got, expected):
    """Fails where the two differ."""
    if got != expected:
        raise Failed(f"got {got}, expected {expected}")


def as_text(outcomes):
    """For a trial that runs in a namespace, and so in another process."""
    return json.dumps({question: asdict(outcome) for question, outcome in outcomes.items()})


def from_text(text):
    """The other way."""
    return {question: Outcome(**cell) for question, cell in json.loads(text).items()}
