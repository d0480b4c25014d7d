"""A client that lives in a process of its own and answers one question a line."""

import queue
import subprocess
import threading

from .daemon import Failed

PATIENCE = 60


class Probe:
    """One long-lived process. What it writes besides its answers is kept for a report."""

    def __init__(self, command, env):
        self._process = subprocess.Popen([str(word) for word in command], env=env, text=True, errors="replace",
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._answers = queue.Queue()
        self._other = []
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, question):
        """The answer; `Failed` with the client's own words where it has none."""
        try:
            self._process.stdin.write(f"{question}\n")
            self._process.stdin.flush()
            verdict, _, text = self._answers.get(timeout=PATIENCE).partition(" ")
        except (OSError, queue.Empty):
            raise Failed(f"{question}: no answer: {self.said}") from None
        if verdict != "ok":
            raise Failed(f"{question}: {text[:600]}")
        return text

    @property
    def said(self):
        """The last of what is no answer."""
        return " | ".join(self._other[-5:])[-600:]

    def _read(self):
        for line in self._process.stdout:
            line = line.rstrip("\n")
            if line.startswith(("ok ", "error ")):
                self._answers.put(line)
            elif line.strip():
                self._other.append(line.strip())
        # Wakes the one who waits for an answer that will not come.
        self._answers.put(f"error the process ended: {self.said}")
