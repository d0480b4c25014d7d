"""Makes the table of docs/conformance.md from what `assumed conformance --json` said of each server."""
import json
import sys
from collections import Counter


def cell(cases):
    count = Counter(case["verdict"] if case["verdict"] != "failed" else case["grade"] for case in cases)
    broken = f"{count['must']} + {count['should']}" if count["must"] or count["should"] else "0"
    return f"{count['passed']} / {broken} / {count['skipped']}"


servers = []
for path in sys.argv[1:]:
    with open(path) as file:
        servers.append(json.load(file)["cases"])
assert len({len(cases) for cases in servers}) == 1, [len(cases) for cases in servers]

sections = list(dict.fromkeys(case["section"] for case in servers[0]))
for section in sections:
    cells = [cell([case for case in cases if case["section"] == section]) for cases in servers]
    print("|", " | ".join([section, *cells]), "|")
print("|", " | ".join(["all", *map(cell, servers)]), "|")
