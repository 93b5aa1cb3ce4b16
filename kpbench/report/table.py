"""A table of a page as texts: what stands in each column, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

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
    """

    label: str
    columns: Mapping[str, Kind]
    rows: Sequence[Sequence[str | Cell]] = field(default_factory=tuple)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def records(self) -> list[dict[str, str | Cell]]:
        """Each row by its headings."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]
