"""The one exception a person is meant to read."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

SHOWN = 12
"""Names listed in a message."""


class UsageError(Exception):
    """Something the caller gave cannot be used; the message names it and the remedy on one line.

    The command line prints the message and leaves with exit code 2.
    """


def plural(count: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`, `1,200 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """What helps with a misspelt name, after a semicolon: `did you mean 'tpe'? Known: grid, tpe`, or `known: ...`."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'? Known" if close else "known"
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return f"{hint}: {shown or 'none'}"


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry `name` of a literal table.

    Raises:
        UsageError: the table has no such name; the message shows the nearest one.
    """
    if name not in table:
        raise UsageError(f"unknown {what} '{name}'; {nearest(name, table)}")
    return table[name]
