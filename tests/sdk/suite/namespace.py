"""A network namespace of our own, in which 169.254.169.254 and 169.254.170.2 are this host.

The suite runs itself again inside, for one client; nothing of it outlives that
process. As another user than root it needs user namespaces that are switched on.
"""

import os
import shutil
import subprocess
import sys

from .environment import Unavailable
from .trial import from_text

PATIENCE = 600
SET_UP = ('ip link set lo up && ip address add 169.254.169.254/32 dev lo && '
          'ip address add 169.254.170.2/32 dev lo && exec "$@"')


def entered():
    """The words in front of a command that has to run inside; `Unavailable` with the reason if there is no way in."""
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            raise Unavailable(f"a network namespace needs {tool}")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    words = ["unshare", *user, "--net", "--", "sh", "-c", SET_UP, "inside"]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode:
        raise Unavailable(f"no network namespace without root here: {tried.stderr.strip()[:120]}")
    return words


def run(script, client, binary, flags=()):
    """The outcomes of that client, found inside."""
    words = [*entered(), sys.executable, str(script), "--inside", client.name, "--binary", str(binary), *flags]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return from_text(done.stdout)
