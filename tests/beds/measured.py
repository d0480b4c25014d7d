"""A Markdown table of what was measured: `measured.py OUTCOMES [DOCUMENT]`.

OUTCOMES has a line for each case: the client, the settings, what it got, parted by
"|", after a line that names these columns; "=" before the name of a column makes it an
outcome. Settings that change nothing become "any". With DOCUMENT, the table is
written there between its marks.
"""
import sys

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"


def rows(cases, settings, fixed=()):
    """The fewest rows for these cases, of which the first settings are fixed."""
    outcomes = {outcome for _, outcome in cases}
    if len(outcomes) == 1:
        yield fixed + ("any",) * (settings - len(fixed)) + outcomes.pop()
        return
    values = {case[len(fixed)]: None for case, _ in cases}
    for value in values:
        own = [one for one in cases if one[0][len(fixed)] == value]
        # One that changes nothing is not worth a row of its own.
        if all(same(own, cases, other, len(fixed)) for other in values):
            yield from rows(own, settings, fixed + ("any",))
            return
        yield from rows(own, settings, fixed + (value,))


def same(own, cases, other, at):
    """Whether the cases with another value of this setting come to the same."""
    there = {case[:at] + case[at + 1 :]: outcome for case, outcome in cases if case[at] == other}
    return all(there[case[:at] + case[at + 1 :]] == outcome for case, outcome in own)


def table(text):
    head, *lines = (line.split("|") for line in text.splitlines())
    first = next(n for n, name in enumerate(head) if name.startswith("="))
    yield [name.lstrip("=") for name in head]
    yield ["---"] * len(head)
    cases = {}
    for line in lines:
        case, outcome = tuple(line[:first]), tuple(line[first:])
        assert cases.setdefault(case, outcome) == outcome, f"{case}: {outcome}, and {cases[case]}"
    for client in {case[0]: None for case in cases}:
        own = [(case, outcome) for case, outcome in cases.items() if case[0] == client]
        yield from rows(own, first, (client,))


outcomes, *documents = sys.argv[1:]
with open(outcomes) as file:
    written = "".join(f"| {' | '.join(row)} |\n" for row in table(file.read()))
print(written, end="")
for document in documents:
    with open(document) as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(document, "w") as file:
        file.write(before + BEGIN + written + END + after)
