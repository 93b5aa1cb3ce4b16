"""Factors: the parameters that vary among the rows, with their levels or their range."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import RunResult, Scalar
from kpbench.once import once
from kpbench.statistics.words import short_names, show_number

MANY = 8
"""A number with more different values than this is a range, not a list of levels."""


@dataclass(frozen=True)
class Factor:
    """A parameter that takes at least two values.

    Attributes:
        levels: every value that occurs, in order; None where the parameter is absent (a `when` did not hold).
        ranged: the values are numbers too many to list; absent ones are not among the levels then.
        log: read on a logarithmic axis: the range spans a factor of 30 or more, unless `on_scales` says otherwise.
    """

    name: str
    levels: tuple[Scalar | None, ...]
    ranged: bool = False
    log: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of a range as `scaled` gives them."""
        return self.scaled(self.levels[0]), self.scaled(self.levels[-1])

    def scaled(self, value: Scalar | None) -> float:
        """A number of a range where its axis is even: its logarithm or itself; NaN for an absent one."""
        number = float(value) if value is not None else math.nan
        return math.log(number) if self.log else number

    def all_scaled(self, values: Sequence[Scalar | None]) -> NDArray[np.float64]:
        """`scaled` of many values at once, (N,)."""
        numbers = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
        return np.log(numbers) if self.log else numbers

    def unscaled(self, value: float) -> float:
        """The inverse of `scaled`."""
        return math.exp(value) if self.log else value

    def place(self, value: Scalar | None) -> int:
        """The index of a value among the levels; True is not 1."""
        return self._places[isinstance(value, bool), value]

    def all_placed(self, values: Sequence[Scalar | None]) -> NDArray[np.int64]:
        """`place` of many values at once, (N,)."""
        places = self._places
        return np.array([places[isinstance(value, bool), value] for value in values], dtype=np.int64)

    @cached_property
    def _places(self) -> dict[tuple[bool, Scalar | None], int]:
        return {(isinstance(level, bool), level): at for at, level in enumerate(self.levels)}


@once
def columns(rows: Sequence[RunResult]) -> Mapping[str, list[Scalar | None]]:
    """Every parameter's value in each row, None where it has no part."""
    params = [row.params for row in rows]
    names = {name for shape in set(map(tuple, params)) for name in shape}
    return {name: [found.get(name) for found in params] for name in names}


@once
def varying(rows: Sequence[RunResult]) -> tuple[Factor, ...]:
    """The parameters that vary among the rows, `family` first, then by name.

    One that has a single value wherever it has a part follows from the others, and is none.
    """
    values = columns(rows)
    order = sorted(values, key=lambda name: (name != "family", name))
    factors = (_factor(name, values[name]) for name in order)
    return tuple(factor for factor in factors if len(factor.levels) - (None in factor.levels) > 1)


def on_scales(factors: Sequence[Factor], ranges: Mapping[str, bool] | None) -> tuple[Factor, ...]:
    """The factors with the axes that their space asks for: what is a range there is one here, on its own scale.

    Whole numbers that are few stay levels, which are as far apart as they are.

    Args:
        ranges: the space's ranges by name, and whether they are logarithmic; None where it is not known: the factors
            stay as they are.
    """
    if ranges is None:
        return tuple(factors)
    return tuple(_on_scale(factor, ranges.get(factor.name)) for factor in factors)


def _on_scale(factor: Factor, log: bool | None) -> Factor:
    present = tuple(level for level in factor.levels if level is not None)
    if log is not None and set(map(type, present)) <= {float} and _finite(present):
        return replace(factor, levels=present, ranged=True, log=log)
    return replace(factor, log=factor.ranged and bool(log))


@once
def trials_of(rows: Sequence[RunResult]) -> tuple[RunResult, ...]:
    """The rows of a search's trials."""
    return tuple(row for row in rows if row.role == "trial")


def _factor(name: str, values: Sequence[Scalar | None]) -> Factor:
    levels = _levels(values)
    present = [value for value in levels if value is not None]
    if len(present) > MANY and set(map(type, present)) <= {int, float} and _finite(present):
        low, high = float(present[0]), float(present[-1])
        log = low > 0 and high / low >= 30
        return Factor(name, tuple(present), ranged=True, log=log)
    return Factor(name, tuple(levels))


def _levels(values: Sequence[Scalar | None]) -> Sequence[Scalar | None]:
    """The different values in order; True is not 1."""
    kinds = set(map(type, values))
    if bool in kinds:
        return sorted({(isinstance(value, bool), value): value for value in values}.values(), key=_order)
    found = dict(zip(values, values, strict=True))
    if kinds <= {int, float} and _finite(found):
        return sorted(cast(dict[float, float], found).values())
    return sorted(found.values(), key=_order)


def _finite(numbers: Iterable[Scalar | None]) -> bool:
    """Whether each of the numbers is finite."""
    return all(map(math.isfinite, cast(Iterable[float], numbers)))


def _order(value: Scalar | None) -> tuple[int, float, str]:
    if value is None:
        return (3, 0.0, "")
    if isinstance(value, str):
        return (2, 0.0 if value == "none" else 1.0, value)
    if math.isnan(value):
        return (1, math.inf, "")
    return (0 if isinstance(value, bool) else 1, float(value), "")


def show_level(value: Scalar | None) -> str:
    """A level for reading: numbers short, `absent` for a parameter the cell does not have."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return show_number(value)
    return str(value)


def describe(params: Mapping[str, Scalar], factors: Sequence[Factor]) -> str:
    """What sets a cell apart, in one line: `depth 4, dropout spatial, norm batch`."""
    names = short_names(factor.name for factor in factors)
    return ", ".join(f"{name} {show_level(params[full])}" for full, name in names.items() if full in params)


def clipped(text: str, *, length: int) -> str:
    """The text with its middle left out where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"
