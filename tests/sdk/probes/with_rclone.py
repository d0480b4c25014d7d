"""rclone, which is AWS SDK for Go v2: one `rclone rcd`, asked over its own API.

Arguments: the program.
"""

import os
import re
import subprocess
import sys
import urllib.request

from answers import serve

REMOTE = f":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{os.environ['MIRROR']}':mirror"
rclone = subprocess.Popen([sys.argv[1], "rcd", "--rc-no-auth", "--rc-addr", "127.0.0.1:0", "--rc-serve",
                           "--config", os.devnull, "--retries", "1", "--low-level-retries", "1"],
                          stderr=subprocess.PIPE, text=True)
ADDRESS = next(found.group() for line in rclone.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))


def use():
    with urllib.request.urlopen(f"{ADDRESS}/[{REMOTE}]/object-1", timeout=30) as answer:
        return answer.read().decode().strip()


serve(use=use)
rclone.terminate()
rclone.wait(timeout=10)
