"""Equal tuning: the same recipes tried in every cell, anew in each block, with seeds that no block uses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kpbench.cell import RunResult, Scalar, Value
from kpbench.space.space import varied

NEAR_END = 0.05
"""A choice this close to an end of its range, as a share of the range, is a boundary hit."""


class Span(Value):
    """A range that is tuned; on a logarithmic scale where `log`."""

    low: int | float
    high: int | float
    log: bool

    def at(self, share: float) -> int | float:
        """The value at a share of the range, 0 to 1: whole between whole bounds, else to four digits."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low + share * (high - low)
        value = math.exp(value) if self.log else value
        if isinstance(self.low, int) and isinstance(self.high, int):
            return min(self.high, max(self.low, round(value)))
        return min(float(self.high), max(float(self.low), float(f"{value:.4g}")))

    def share(self, value: float) -> float:
        """Where in the range a value lies, 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Replicate(Value):
    """One tuning: the recipes tried in a cell with one seed, for the runs of one block.

    Attributes:
        block: the run seed of the block that gets the choice; None for all of them.
        seed: run seed of the tuning runs.
        recipes: the values tried, the same in every cell; the first changes nothing that lies in its range.
    """

    block: int | None
    seed: int
    recipes: tuple[dict[str, Scalar], ...]


class Tuning(Value):
    """How the recipes of a design are found, fixed before the first run.

    Attributes:
        how: `per-cell` or `locked`.
        seed, recipes: of the one tuning of `locked`; of `per-cell` in plans of earlier versions, which tuned a cell
            once for all blocks, so that luck in tuning is in no interval.
        spans: the parameters tuned, by dotted name.
        by_block: of `per-cell`, a tuning for each block and each block of the A/A cohort.
    """

    how: str
    seed: int
    spans: dict[str, Span]
    recipes: tuple[dict[str, Scalar], ...]
    by_block: tuple[Replicate, ...] | None = None

    @property
    def once(self) -> bool:
        """Whether cells were tuned each by itself and once for all blocks."""
        return self.how == "per-cell" and self.by_block is None

    def replicates(self) -> tuple[Replicate, ...]:
        """Every tuning of a cell."""
        return self.by_block or (Replicate(block=None, seed=self.seed, recipes=self.recipes),)

    def of_block(self, block: int) -> Replicate:
        """The tuning that a block's runs follow."""
        return next(one for one in self.replicates() if one.block in (None, block))


@dataclass(frozen=True)
class TunedCell:
    """The audit of one tuning of a cell.

    Attributes:
        levels: the cell by its factors.
        block: the block it is for; None for all.
        trials, epochs: what was spent; equal for all cells unless a recipe changes nothing there or a run failed.
        diverged: trials whose loss was no longer a number, an outcome.
        failed: trials that broke in every attempt (memory, a lost worker).
        chosen: the tuned parameters of the recipe taken; empty while none is complete.
        val_score: its validation score; None likewise.
        at_ends: tuned parameters whose chosen value lies within 5 % of an end of its range.
    """

    levels: Mapping[str, Scalar]
    block: int | None
    trials: int
    epochs: int
    diverged: int
    failed: int
    chosen: Mapping[str, Scalar]
    val_score: float | None
    at_ends: tuple[str, ...]


def best_recipe(rows: Sequence[RunResult]) -> RunResult | None:
    """The tuning run with the lowest validation MSE of those that completed; the first of equals, None of none."""
    complete = [row for row in rows if row.state == "complete" and row.val_mse is not None]
    return min(complete, key=lambda row: (row.val_mse, row.cell), default=None)


def of_cell(rows: Sequence[RunResult], levels: Mapping[str, Scalar], replicate: Replicate) -> list[RunResult]:
    """The runs of one tuning of a cell, one for each recipe that differs there: its last."""
    mine = [
        row
        for row in rows
        if row.role == "tuning"
        and row.seed == replicate.seed
        and all(row.params.get(name) == level for name, level in levels.items())
    ]
    return list({row.cell: row for row in mine}.values())


def tunings(
    cells: Sequence[Mapping[str, Scalar]], control: Sequence[int], tuning: Tuning
) -> list[tuple[Mapping[str, Scalar], Replicate]]:
    """Every cell with every tuning it gets: `locked` looks at the baseline alone, the A/A cohort at nothing else."""
    if tuning.how == "locked":
        return [(cells[0], tuning.replicates()[0])]
    found = [(levels, one) for levels in cells for one in tuning.replicates() if one.block not in control]
    return found + [(cells[0], one) for one in tuning.replicates() if one.block in control]


def audit(
    rows: Sequence[RunResult], cells: Sequence[Mapping[str, Scalar]], control: Sequence[int], tuning: Tuning
) -> tuple[TunedCell, ...]:
    """What each tuning spent and chose, the baseline first."""
    return tuple(
        _audit(of_cell(rows, levels, one), levels, one, tuning) for levels, one in tunings(cells, control, tuning)
    )


def _audit(rows: Sequence[RunResult], levels: Mapping[str, Scalar], replicate: Replicate, tuning: Tuning) -> TunedCell:
    best = best_recipe(rows)
    chosen = {} if best is None else varied(best.params, tuning.spans, {})
    shares = {name: tuning.spans[name].share(float(value)) for name, value in chosen.items()}
    return TunedCell(
        levels=levels,
        block=replicate.block,
        trials=len(rows),
        epochs=sum(row.epochs for row in rows),
        diverged=sum(row.reason == "nan" for row in rows),
        failed=sum(row.state == "failed" and row.reason != "nan" for row in rows),
        chosen=chosen,
        val_score=None if best is None else best.val_score,
        at_ends=tuple(name for name, share in shares.items() if min(share, 1.0 - share) <= NEAR_END),
    )
