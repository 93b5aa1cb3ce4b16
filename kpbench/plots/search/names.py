"""Short names of the leading cells, told apart by what differs among them."""

from collections.abc import Sequence

from kpbench.cell import RunResult
from kpbench.plots.factors import describe, trials_of, varying
from kpbench.plots.search.standings import Standing


def cut(text: str, *, length: int) -> str:
    """The text without what is past `length` characters, at a comma where there is one."""
    if len(text) <= length:
        return text
    whole = text[: length - 2].rpartition(",")[0]
    return f"{whole}, …" if whole else f"{text[: length - 1]}…"


def cell_names(rows: Sequence[RunResult], cells: Sequence[Standing]) -> dict[str, str]:
    """Cell -> `#1 depth 4, norm batch`: its place, then what differs among the cells.

    Decimals, which say little at a glance, come last, where a plot cuts the name.
    """
    differing = [
        factor
        for factor in varying(trials_of(rows))
        if len({(type(value := cell.params.get(factor.name)), value) for cell in cells}) > 1
    ]
    factors = sorted(differing, key=lambda factor: any(isinstance(level, float) for level in factor.levels))
    return {
        cell.cell: f"#{place} {describe(cell.params, factors)}".rstrip() for place, cell in enumerate(cells, start=1)
    }
