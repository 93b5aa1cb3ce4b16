"""What a table of a page is, and the tables that several pages have, as texts."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kpbench.cell import RunResult
from kpbench.plots.factors import columns as params_in_columns
from kpbench.plots.factors import show_level, varying
from kpbench.plots.scores import counts

Kind = Literal["", "n", "n strong", "tag", "mono"]
"""Plain text, a number, the number to look at, a word in a frame, text of fixed width."""


@dataclass(frozen=True)
class Cell:
    """A cell with a second line: `flag` in a frame or `detail` in small type; `tag` stands behind the text."""

    text: str
    detail: str = ""
    flag: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the first column names the row.

    Attributes:
        label: what the table holds, for a screen reader.
        columns: heading -> kind.
        folded: headings of the columns that a page shows only where they are asked for.
    """

    label: str
    columns: Mapping[str, Kind]
    rows: Sequence[Sequence[str | Cell]] = field(default_factory=tuple)
    folded: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.rows)

    def narrow(self) -> "Table":
        """The table without its folded columns: what a page shows at first, and a printed page has room for."""
        kept = [at for at, name in enumerate(self.columns) if name not in self.folded]
        columns = {name: kind for name, kind in self.columns.items() if name not in self.folded}
        return Table(self.label, columns, [[row[at] for at in kept] for row in self.rows])

    def records(self) -> list[dict[str, str | Cell]]:
        """Each row by its headings."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Card:
    """A number at the head of a page, and beneath it what it is."""

    name: str
    value: str
    detail: str = ""


REASONS = {
    "nan": "the loss or the score was not a number",
    "oom": "memory ran out",
    "crash": "the process died",
    "error": "the code raised an error",
    "timeout": "it took longer than --trial-timeout",
}
"""Why a run failed, in words."""


@dataclass(frozen=True)
class FailureLine:
    """Runs that failed for one reason: how many, why, and what one of them said."""

    reason: str
    words: str
    count: str
    detail: str
    cells: str


def failure_lines(rows: Sequence[RunResult]) -> tuple[FailureLine, ...]:
    """Failed runs by reason, most frequent first; complete runs without a usable score are a reason of their own."""
    failed: dict[str, list[RunResult]] = {}
    for row in rows:
        if row.state == "failed":
            failed.setdefault(row.reason or "unknown", []).append(row)
        elif row.state == "complete" and not counts(row.val_score):
            failed.setdefault("no score", []).append(row)
    words = {
        **REASONS,
        "unknown": "no reason was recorded",
        "no score": "the run ended, but its score is not a positive number",
    }
    lines = []
    for reason, found in sorted(failed.items(), key=lambda item: (-len(item[1]), item[0])):
        details = Counter(row.detail for row in found if row.detail).most_common(1)
        detail = f"{details[0][0]} ({details[0][1]:,} times)" if details and details[0][1] > 1 else ""
        lines.append(
            FailureLine(
                reason=reason,
                words=words[reason],
                count=f"{len(found):,}",
                detail=detail or (str(details[0][0]) if details else ""),
                cells=f"{len({row.cell for row in found}):,}",
            )
        )
    return tuple(lines)


def fixed_parameters(rows: Sequence[RunResult]) -> tuple[tuple[str, str], ...]:
    """The parameters that have the same value in every row in which they have a part, by name."""
    moving = {factor.name for factor in varying(rows)}
    found = {
        name: next(value for value in reversed(values) if value is not None)
        for name, values in params_in_columns(rows).items()
        if name not in moving
    }
    return tuple((name, show_level(value)) for name, value in sorted(found.items()))


def columns(found: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """The keys of all mappings in order of first appearance: the columns of a table with one mapping a line."""
    return tuple(dict.fromkeys(key for line in found for key in line))


def show(value: object) -> str:
    """Any value of a plan or a session as one line of text: mappings as `key value, ...`, lists with commas."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(show(item) for item in value) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def heading(key: str) -> str:
    """A key as a heading: `n_trials` -> `n trials`."""
    return key.replace("_", " ")
