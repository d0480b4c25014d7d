"""The container endpoint, by each way to it that an environment can show a client.

All ways of one client are tried against one daemon at once, each with a consumer
and a process of its own. The questions are those of `trial.py` but the region,
which this endpoint does not have. A relative URI means 169.254.170.2, so those
ways are tried in a network namespace, or skipped where there is none.
"""

import json
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import daemon as under_test
from . import namespace, report
from .cluster import Cluster
from .daemon import PROMPT, ROLE_ARN, Failed, assuming
from .environment import Unavailable
from .mirror import Mirror
from .observer import Relay, Wire
from .probe import Probe
from .trial import LONG, QUESTIONS, SHORT, Outcome, Trial

WAYS = {
    "variable": "full URI, the token in the variable",
    "file": "full URI, the token in the file",
    "both": "full URI, the token in both",
    "relative": "relative URI, the token in both",
    "path": "relative URI with a secret path, no token",
    "pod": "full URI of the pod identity endpoint, a service account's token in the file",
}
RELATIVE = ("relative", "path")
ASKED = {letter: question for letter, question in QUESTIONS.items() if letter != "e"}
LINK_LOCAL = ("169.254.170.2", 80)
FETCHES = {way: re.compile(rf"^GET /+{'v2' if way == 'path' else 'v1'}/+credentials\b") for way in WAYS}

FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
PART = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
ROLE = ROLE_ARN.rsplit("/", 1)[1]


def run(script, rows, binary, at_once):
    """Prints the table; the exit code."""
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(lambda client: row(script, client, binary), rows))
    lines = [((client.name, client.version, way), {letter: outcomes[f"{way} {letter}"] for letter in ASKED})
             for client, outcomes in zip(rows, found) for way in WAYS]
    report.show(lines, ("client", "version", "way"), ASKED)
    print()
    for way, meaning in WAYS.items():
        print(f"{way}: {meaning}")
    return report.closing([cell.mark for outcomes in found for cell in outcomes.values()])


def row(script, client, binary):
    """One client's outcomes, whatever happens."""
    begun = time.monotonic()
    try:
        outcomes = anywhere(script, client, client.command(), binary)
    except Unavailable as reason:
        outcomes = cells(WAYS, "SKIP", str(reason))
    except Exception as failure:  # a row never takes the others with it
        outcomes = cells(WAYS, "FAIL", f"{type(failure).__name__}: {failure}")
    marks = "  ".join(f"{way}=" + ",".join(outcomes[f"{way} {letter}"].mark for letter in ASKED) for way in WAYS)
    print(f"{client.name:14} {marks}  ({time.monotonic() - begun:.0f} s)", flush=True)
    return outcomes


def anywhere(script, client, command, binary):
    """In a namespace all ways can be tried; without one, those that need no address."""
    try:
        namespace.entered()
    except Unavailable as reason:
        full = [way for way in WAYS if way not in RELATIVE]
        return cells(RELATIVE, "SKIP", str(reason)) | ContainerTrial(client, command, binary, full).run()
    words = json.dumps([str(word) for word in command])
    return namespace.run(script, client, binary, ["--container", "--command", words])


def inside(client, command, binary):
    """The outcomes of that client where 169.254.170.2 is this host."""
    return ContainerTrial(client, command, binary, list(WAYS), [LINK_LOCAL]).run()


def cells(ways, mark, note):
    """The same for each question of those ways."""
    return {f"{way} {letter}": Outcome(mark, note) for way in ways for letter in ASKED}


class ContainerTrial(Trial):
    """One client, one daemon, and a consumer for each way."""

    def __init__(self, client, command, binary, ways, also=()):
        super().__init__(client, command, binary)
        # Here nobody asks twice at the start.
        self._fetches = 1
        without = client.container_without
        if "file" in without:
            without = {"pod": without["file"]} | without
        self._ways = [way for way in ways if way not in without]
        self._also = also
        for way in set(ways) - set(self._ways):
            self.outcomes |= cells([way], "n/a", without[way])

    def run(self):
        """All questions, for all ways that this client has."""
        if self._ways:
            with self._stand(LONG) as (daemon, consumers):
                for way, (seen, probe) in consumers.items():
                    self._note(f"{way} a", self._first, daemon, seen, probe)
                    self._note(f"{way} b", self._six, daemon, seen, probe)
            with self._stand(SHORT) as (daemon, consumers):
                self._change("c", daemon.rotate, daemon, consumers)
                self._change("d", daemon.restart, daemon, consumers)
        return self.outcomes

    def _change(self, letter, change, daemon, consumers):
        """Each client uses a key, then the daemon changes, then each client has to follow."""
        old = {}

        def before(way):
            return lambda _daemon, _seen, probe: old.update({way: probe.ask("use")})

        def after(way):
            return lambda daemon, _seen, probe: self._turned(daemon, probe, old[way])

        for way, consumer in consumers.items():
            self._note(f"{way} {letter}", before(way), daemon, *consumer)
        change()
        for way in old:
            self._note(f"{way} {letter}", after(way), daemon, *consumers[way])

    @contextmanager
    def _stand(self, session):
        """The daemon, and by way who watches and who asks."""
        with tempfile.TemporaryDirectory(prefix="assumed-sdk-") as name, ExitStack() as stack:
            folder = Path(name)
            address, agent = (("127.0.0.1", under_test.free_port()) for _ in range(2))
            cluster = Cluster(folder)
            flags = settings(folder, [address, *self._also], agent, cluster)
            daemon = stack.enter_context(assuming(self._binary, folder, session, flags=flags))
            mirror = Mirror()
            stack.callback(mirror.close)
            consumers = {}
            for way in self._ways:
                behind = agent if way == "pod" else address
                watch = Wire(LINK_LOCAL[1], FETCHES[way]) if way in RELATIVE else Relay(behind, FETCHES[way])
                stack.callback(watch.close)
                env = self._environment(folder, way, watch, cluster) | {"MIRROR": mirror.url}
                consumers[way] = (watch.seen, stack.enter_context(Probe(self._command, env)))
            yield daemon, consumers

    def _environment(self, folder, way, watch, cluster):
        """What `token create` says, as far as that way shows it, and nothing that leads elsewhere."""
        home = folder / way
        home.mkdir()
        file = home / "token"
        if way == "pod":
            # Longer than the sessions, for nobody projects another one here.
            file.write_text(cluster.token(3600))
            shown = {FULL: f"http://127.0.0.1:{watch.port}/v1/credentials", f"{TOKEN}_FILE": str(file)}
        elif way == "path":
            shown = minted(self._binary, folder, way, ["--path"])
        else:
            shown = minted(self._binary, folder, way, [] if way == "variable" else ["--file", str(file)])
        if way in ("both", "relative"):
            shown[TOKEN] = file.read_text()
        if way == "relative":
            shown[PART] = "/" + shown.pop(FULL).split("/", 3)[3]
        if FULL in shown:
            shown[FULL] = re.sub(r":\d+/", f":{watch.port}/", shown[FULL])
        return under_test.bare(home) | shown | {"AWS_EC2_METADATA_DISABLED": "true"}


def settings(folder, addresses, agent, cluster):
    """The flags of a daemon with container listeners there, an agent of pods, and a socket that is nobody else's."""
    kinds = [(address, "container") for address in addresses] + [(agent, "pod-identity")]
    listeners = ", ".join(f'{{ address = "{host}:{port}", kind = "{kind}" }}' for (host, port), kind in kinds)
    file = folder / "assumed.toml"
    file.write_text(f"listen = [{listeners}]\n{cluster.entry(ROLE)}")
    return ["--config", str(file), "--state-dir", str(folder / "state"), "--control", str(folder / "control.sock")]


def minted(binary, folder, name, flags):
    """A consumer's variables, from `assumed token create`."""
    words = [str(binary), "token", "create", name, "--json", "--control", str(folder / "control.sock"), *flags]
    done = subprocess.run(words, env=under_test.bare(folder), timeout=PROMPT,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"token create: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)["environment"]
