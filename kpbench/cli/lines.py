"""Lines that fit the terminal: entries of a name and a text, and tables; in a pipe a line is never broken."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from shutil import get_terminal_size
from textwrap import wrap

COLUMNS = 80
"""Width at which a paragraph is broken."""

STEP = 2
"""Spaces between columns where a table does not say otherwise, and before what stands below its row's name."""


def terminal_columns() -> int | None:
    """The width of the terminal; None where the output goes elsewhere."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def entries(found: Iterable[tuple[str, str]], *, indent: int = 9) -> list[str]:
    """A name and its text a line, the text broken under itself where the terminal is too narrow for it."""
    return [part for name, text in found for part in fitted(f"{name:{indent}}{text}", indent)]


def fitted(line: str, indent: int = 9) -> list[str]:
    """A line, broken where the terminal is too narrow for it; what follows is indented as its text is."""
    most = terminal_columns()
    return [line] if most is None or len(line) <= most else wrapped(line, most, indent)


def paragraph(text: str, indent: int = 0) -> list[str]:
    """A text in lines of `COLUMNS`, or fewer where the terminal has fewer; also in a pipe, for it is prose."""
    return wrapped(text, min(COLUMNS, terminal_columns() or COLUMNS), indent)


def wrapped(line: str, most: int, indent: int = 0) -> list[str]:
    """A line broken between words; a path or a number is never cut."""
    return wrap(line, most, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), gap: int = STEP
) -> list[str]:
    """A table in lines, its columns as wide as what they hold.

    In a terminal too narrow for it each row's first column stands on a line of its own, the others below it.

    Args:
        right: the columns that are aligned to the right, by place from 0.
        gap: spaces between columns.
    """
    cells = [head, *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    found = [[f"{text:{'>' if at in right else '<'}{widths[at]}}" for at, text in enumerate(row)] for row in cells]
    between = " " * gap
    whole = [between.join(row).rstrip() for row in found]
    most = terminal_columns()
    if most is None or max(map(len, whole)) <= most:
        return whole
    return [line for row in found for line in (row[0].rstrip(), " " * STEP + between.join(row[1:]).rstrip())]


def listed(found: Mapping[str, str]) -> Iterator[str]:
    """A name and its title a line; in a terminal too narrow for that the title below, indented and broken."""
    width = max(map(len, found), default=0)
    most = terminal_columns()
    narrow = most is not None and any(width + STEP + len(title) > most for title in found.values())
    for name, title in found.items():
        if narrow:
            yield name
            yield from wrapped(" " * STEP + title, most or 0, STEP)
        else:
            yield f"{name:{width}}{' ' * STEP}{title}".rstrip()
