"""Asks for credentials over and over until a file appears; fails if one request does.

Four at a time, each set of credentials over a connection of its own.
"""
import os
import sys
import threading

from client import Client

address, end = sys.argv[1:]
obtained = []
failures = []


def ask():
    while not os.path.exists(end):
        client = Client(address, timeout=5)
        try:
            obtained.append(client.key_id())
        except Exception as error:
            failures.append(repr(error))
        client.close()


threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for failure in failures[:5]:
    print(failure)
print(f"{len(obtained)} sets of credentials, {len(failures)} failures, {len(set(obtained))} keys")
sys.exit(bool(failures) or len(set(obtained)) < 3)
