"""The AWS CLI, either version: every command is a process of its own.

Arguments: the program.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from answers import serve

PROGRAM = sys.argv[1]
MIRROR = ["--endpoint-url", os.environ["MIRROR"]]


def run(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout


def use():
    return run("sts", "get-caller-identity", "--query", "UserId", "--output", "text",
               "--region", "us-east-1", *MIRROR).strip()


def many():
    """Six objects copied by one command."""
    with tempfile.TemporaryDirectory() as folder:
        run("s3", "cp", "--recursive", "--quiet", "--region", "us-east-1", "s3://mirror/", folder, *MIRROR)
        return " ".join(path.read_text().strip() for path in sorted(Path(folder).iterdir()))


def region():
    """The value in the row of `configure list` that names the Region."""
    for line in run("configure", "list").splitlines():
        words = [word.strip() for word in line.replace(":", " ").split()]
        if words and words[0] == "region":
            return words[1]
    raise RuntimeError("`configure list` shows no region")


serve(use=use, many=many, region=region)
