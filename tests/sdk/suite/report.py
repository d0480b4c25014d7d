"""What the reader gets: one table, the reasons under it, one closing line."""

from .trial import QUESTIONS


def show(rows):
    """Prints the table; `rows` are (client, outcomes) in the order of the list."""
    widths = (max(len(client.name) for client, _ in rows), max(len(client.version) for client, _ in rows))
    print()
    print(f"{'client':{widths[0]}}  {'version':{widths[1]}}  " + "  ".join(f"{letter:4}" for letter in QUESTIONS))
    for client, outcomes in rows:
        marks = "  ".join(f"{outcomes[letter].mark:4}" for letter in QUESTIONS)
        print(f"{client.name:{widths[0]}}  {client.version:{widths[1]}}  {marks}".rstrip())
    print()
    for letter, question in QUESTIONS.items():
        print(f"{letter}: {question}")
    reasons(rows)


def reasons(rows):
    """One line for each reason, however many cells it explains."""
    said = {}
    for client, outcomes in rows:
        for letter, outcome in outcomes.items():
            if outcome.note:
                said.setdefault((client.name, outcome.mark, outcome.note), []).append(letter)
    if said:
        print()
    for (name, mark, note), letters in said.items():
        print(f"{name} {','.join(letters)}: {mark}: {note}")


def closing(marks):
    """The line that machines read, and the exit code. What is n/a is no test.

    Nothing failed, but nothing could be run either: 75, as sysexits has it for
    what may work another time.
    """
    passed, failed, skipped = (sum(mark == which for mark in marks) for which in ("ok", "FAIL", "SKIP"))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 0 if passed else 75
