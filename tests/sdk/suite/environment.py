"""Where the clients come from: environments of our own, pinned and cached.

Each is made once and kept until a file that pins it changes. Getting packages
may fail for want of a registry or a tool, and is then `Unavailable`; what is
ours and does not build is a failure like any other.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent
PROBES = SDK / "probes"
CACHE = (Path(os.environ["XDG_CACHE_HOME"]) / "assumed-sdk") if os.environ.get("XDG_CACHE_HOME") else SDK / ".cache"
PATIENCE = 600


class Unavailable(Exception):
    """Not to be had on this machine; the reason is one line."""


def python(name):
    """A virtual environment with what pins/NAME.txt names."""
    pins = SDK / "pins" / f"{name}.txt"

    def make(folder):
        fetch(sys.executable, "-m", "venv", folder)
        fetch(folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", pins)

    return kept(f"python-{name}", [pins], make, sys.version)


def node(name):
    """The packages that node/NAME locks."""
    pins = [SDK / "node" / name / file for file in ("package.json", "package-lock.json")]

    def make(folder):
        for pin in pins:
            shutil.copy(pin, folder)
        fetch("npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)

    return kept(f"node-{name}", pins, make)


def aws_cli_v2():
    """The program itself, out of the npm package that carries it for Lambda."""
    packages = node("aws-cli-v2")

    def make(folder):
        with zipfile.ZipFile(packages / "node_modules/@aws-cdk/asset-awscli-v2/lib/layer.zip") as layer:
            layer.extractall(folder)

    folder = kept("aws-cli-v2", [packages / "package-lock.json"], make)
    # The archive keeps no permissions, and its `bin/aws` is a link that became a file.
    program = next(folder.glob("awscli/v2/*.*/dist/aws"))
    program.chmod(0o755)
    return program


def go():
    """The folder with the Go probes, built."""
    need("go")
    source = SDK / "go"
    settings = {"GOFLAGS": "-modcacherw -buildvcs=false -mod=readonly"}
    fetch("go", "mod", "download", cwd=source, env=settings)
    with only_one("go"):
        build("go", "build", "-o", f"{CACHE / 'go'}{os.sep}", "./sdk", "./terraform", cwd=source, env=settings)
    return CACHE / "go"


def java():
    """The class path of the Java probe, built."""
    need("javac")
    pins = [SDK / "java/pom.xml", SDK / "java/Probe.java"]

    def make(folder):
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={folder / 'lib'}"]
        fetch("mvn", "-B", "-q", *copy, cwd=SDK / "java")
        build("javac", "-d", folder / "classes", "-cp", f"{folder}/lib/*", pins[1])

    folder = kept("java", pins, make)
    return f"{folder}/lib/*:{folder}/classes"


def rust():
    """The Rust probe, built."""
    need("cargo")
    source = SDK / "rust"
    target = ["--target-dir", CACHE / "rust"]
    fetch("cargo", "fetch", "--locked", "-q", cwd=source)
    with only_one("rust"):
        build("nice", "cargo", "build", "--locked", "-q", *target, cwd=source)
    return CACHE / "rust/debug/probe-aws-sdk-rust"


def kept(name, pins, make, also=""):
    """The folder NAME of the cache, made anew where its pins have changed."""
    print_of_pins = hashlib.sha256(b"\0".join([pin.read_bytes() for pin in pins] + [also.encode()])).hexdigest()
    folder, mark = CACHE / name, CACHE / f"{name}.made"
    with only_one(name):
        if mark.exists() and mark.read_text() == print_of_pins:
            return folder
        mark.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        mark.write_text(print_of_pins)
    return folder


@contextmanager
def only_one(name):
    """Two rows, or two runs, do not make the same environment at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def need(tool):
    """The tool, or the reason why the row is skipped."""
    if not shutil.which(tool):
        raise Unavailable(f"no {tool} on this machine")


def fetch(*words, **options):
    """A step that asks a registry."""
    need(str(words[0]))
    tool = Path(words[0]).name
    try:
        done = run(words, **options)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{tool} got no answer in {PATIENCE} s") from None
    if done.returncode:
        raise Unavailable(f"{tool} could not fetch: {last_line(done.stderr)}")


def build(*words, **options):
    """A step that compiles what is ours."""
    done = run(words, **options)
    if done.returncode:
        raise RuntimeError(f"{words[0]} could not build: {done.stderr[-2000:]}")


def run(words, cwd=None, env=None):
    """The command, bounded in time, with its output kept."""
    # Flags meant for the daemon's own build would rebuild or break the probes.
    outer = {name: value for name, value in os.environ.items() if name not in ("RUSTFLAGS", "CARGO_TARGET_DIR")}
    return subprocess.run([str(word) for word in words], cwd=cwd, env=outer | (env or {}), timeout=PATIENCE,
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def last_line(text):
    """The line that most likely says why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it said nothing"
