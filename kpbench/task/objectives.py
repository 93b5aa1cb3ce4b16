"""What a search can be asked to be good at, and what it can be held to."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from kpbench.cell import RunResult
from kpbench.errors import UsageError, lookup
from kpbench.task.score import mean_score

Direction = Literal["maximize", "minimize"]
Rows = Sequence[RunResult]

FAR = 700.0
"""The largest logarithm that a gain can be."""


@dataclass(frozen=True)
class Objective:
    """One objective of a search.

    Attributes:
        known: `before` a cell is trained, or `after`.
        of: its value from the rows of a cell's trial, one a seed; NaN where they do not say.
        unit: behind a number; may be empty.
        constraint: the option that bounds it from above, and so decides which cells are trained; may be empty.
    """

    title: str
    direction: Direction
    unit: str
    known: Literal["before", "after"]
    of: Callable[[Rows], float]
    constraint: str = ""

    def show(self, value: float) -> str:
        """A value for a person, with its unit."""
        if math.isnan(value):
            return "–"
        if self.unit:
            return (f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")) + f" {self.unit}"
        return f"{value:.1f}" if self.direction == "maximize" else f"{value:,.0f}"

    def gain(self, value: float) -> float:
        """A value where larger is better and equal ratios are equal steps: its logarithm, signed, and always finite."""
        if math.isnan(value):
            return -FAR
        log = min(max(math.log(value), -FAR), FAR) if value > 0 else -FAR
        return log if self.direction == "maximize" else -log


def _score(rows: Rows) -> float:
    mses = [row.val_mse for row in rows if row.val_mse is not None]
    return mean_score(mses) if mses else math.nan


def _parameters(rows: Rows) -> float:
    return math.nan if rows[0].parameters is None else float(rows[0].parameters)


def _images_per_second(rows: Rows) -> float:
    """Of the median epoch, for the first may hold compiling."""
    seconds = median([record.seconds for row in rows for record in row.curve] or [math.nan])
    return (rows[0].images or 0) / rows[0].epochs / seconds if seconds else math.nan


def _cost(name: str) -> Callable[[Rows], float]:
    return lambda rows: (rows[0].costs or {}).get(name, math.nan)


OBJECTIVES: Mapping[str, Objective] = {
    "score": Objective("validation score", "maximize", "", "after", _score),
    "params": Objective("parameters", "minimize", "", "before", _parameters, "--max-params"),
    "flops": Objective("FLOPs a face", "minimize", "", "before", _cost("flops"), "--max-flops"),
    "latency": Objective("latency of one face", "minimize", "ms", "before", _cost("latency"), "--max-latency-ms"),
    "images_per_second": Objective("training speed", "maximize", "images/s", "after", _images_per_second),
}
"""Name -> what it is, which way is better, its unit, how it is known, its value, the option that bounds it."""

SCORE = ("score",)
"""The objective of a search that names none."""


def objectives_asked(names: Iterable[str]) -> tuple[str, ...]:
    """The objectives named, in the table's order, so that a study's identity does not hang on how they were written.

    Raises:
        UsageError: an unknown or repeated name, or another one than the score first.
    """
    asked = tuple(names)
    for name in asked:
        lookup(OBJECTIVES, name, "objective")
        if asked.count(name) > 1:
            raise UsageError(f"--objective names {name} twice; name each once")
    if asked[:1] != SCORE:
        wanted = ",".join((*SCORE, *(name for name in asked if name not in SCORE)))
        raise UsageError(f"--objective begins with the score; write --objective {wanted}")
    return tuple(name for name in OBJECTIVES if name in asked)


def gains(values: Sequence[float], names: Sequence[str]) -> tuple[float, ...]:
    """One value an objective as a point of which each coordinate is the better the larger."""
    return tuple(OBJECTIVES[name].gain(value) for name, value in zip(names, values, strict=True))


def values_of(rows: Rows, names: Sequence[str]) -> tuple[float, ...]:
    """The value of each objective from the rows of a cell's trial."""
    return tuple(OBJECTIVES[name].of(rows) for name in names)
