"""Searches the memory of a process for texts: `memory.py PID TEXT...`; ends with 1 if there is any. For root."""

import re
import sys

pid, texts = sys.argv[1], [text.encode() for text in sys.argv[2:]]
found = []
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
    for line in maps:
        place, rights, *_, name = line.split()
        start, end = (int(number, 16) for number in place.split("-"))
        if "w" not in rights:
            continue
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except (OSError, OverflowError, ValueError):
            continue
        found += [f"{text.decode()} in {name}" for text in texts if re.search(re.escape(text), content)]
print("\n".join(found))
sys.exit(bool(found))
