"""s5cmd, which is AWS SDK for Go v1: one `s5cmd run` that is fed command by command.

Arguments: the program.
"""

import os
import subprocess
import sys

from answers import serve

s5cmd = subprocess.Popen([sys.argv[1], "--endpoint-url", os.environ["MIRROR"], "--retry-count", "0", "run"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def use():
    s5cmd.stdin.write("cat s3://mirror/object-1\n")
    s5cmd.stdin.flush()
    line = s5cmd.stdout.readline().strip()
    if line.startswith("ERROR"):
        raise RuntimeError(line)
    return line


serve(use=use)
s5cmd.stdin.close()
s5cmd.wait(timeout=10)
