"""The line protocol of the probes that are written in Python.

A probe lives as long as its client would in an application. It reads one
question a line and answers `ok VALUE` or `error REASON` on one line:

    use      the access key id of a request made now
    renew    forget the credentials held, by the client's own means
    region   the region, from where this client looks for it
    many     the access key ids of six requests of one command

Some know more questions, which their client alone is asked.
"""

import sys


def serve(**questions):
    """Answers until standard input ends."""
    for line in sys.stdin:
        try:
            print("ok", questions[line.strip()](), flush=True)
        except Exception as error:  # whatever the client raises is its answer
            print("error", type(error).__name__, str(error).replace("\n", " "), flush=True)
