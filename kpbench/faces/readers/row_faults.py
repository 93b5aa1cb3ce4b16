"""What is wrong with the rows of a data set, collected, so that a person hears of all at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from kpbench.errors import UsageError

SHOWN = 4
"""Faults told one by one; the others are counted."""

REMEDY = "; correct or remove the row"
"""The end of most faults of a row; said once where several are told."""


class RowFaults:
    """Faults that were met while rows were read; `refuse` raises them as one."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps a UsageError within for later, and goes on with the next row."""
        try:
            yield
        except UsageError as error:
            self._found.append(str(error))

    def __len__(self) -> int:
        return len(self._found)

    def refuse(self) -> None:
        """Raises a UsageError on what was met, if anything was: the first of several, and how many more there are."""
        if len(self._found) == 1:
            raise UsageError(self._found[0])
        if self._found:
            told = [fault.removesuffix(REMEDY) for fault in self._found[:SHOWN]]
            file, found, _ = told[0].rpartition(", line ")
            told = [told[0], *(fault.removeprefix(f"{file}, " if found else "") for fault in told[1:])]
            if len(self._found) > SHOWN:
                told.append(f"and {len(self._found) - SHOWN:,} more")
            raise UsageError(f"{len(self._found):,} rows are wrong: {'; '.join(told)}; correct or remove the rows")
