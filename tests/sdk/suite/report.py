"""What the reader gets: one table, the reasons under it, one closing line."""

from .trial import QUESTIONS


def show(rows, heads=("client", "version"), questions=None):
    """Prints the table; `rows` are (labels, outcomes) in the order of the list, a label for each head."""
    questions = questions or QUESTIONS
    widths = [max(map(len, column)) for column in zip(heads, *(labels for labels, _ in rows))]
    print()
    line(heads, widths, questions)
    for labels, outcomes in rows:
        line(labels, widths, [outcomes[letter].mark for letter in questions])
    print()
    for letter, question in questions.items():
        print(f"{letter}: {question}")
    reasons(rows)


def line(labels, widths, cells):
    """One line of the table."""
    print("  ".join([*map(str.ljust, labels, widths), *(f"{cell:4}" for cell in cells)]).rstrip())


def reasons(rows):
    """One line for each reason, however many cells it explains."""
    said = {}
    for labels, outcomes in rows:
        # All that names the row but the version.
        name = " ".join((labels[0], *labels[2:]))
        for letter, outcome in outcomes.items():
            if outcome.note:
                said.setdefault((name, outcome.mark, outcome.note), []).append(letter)
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
