"""A search space: what may vary; enumerated or suggested from."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kpbench.cell import Params, Scalar, cell_id, spoken
from kpbench.errors import UsageError

COUNTED = 10_000
"""Spaces of more cells are sampled, never enumerated."""

Defaults = Mapping[str, Mapping[str, Scalar]]
"""Family -> every parameter it knows (its own and training's) by dotted name, with the default."""

LATER = frozenset(
    f"training.{name}"
    for name in (
        *("optimizer", "schedule", "loss", "spare_norms", "ema"),
        *("blur", "sharpen", "gamma", "cutout", "strong_until", "pretrain", "mean_start", "exposure"),
    )
)
"""Parameters that came after the first studies. Their defaults change nothing, and stay so: a cell that does not name
them is what it was before them, and keeps its identity."""


NO_MAPS = ("fc", "global_pool")
IDLE: Mapping[str, Mapping[str, tuple[Scalar, ...]]] = {
    "network.dropout_rate": {"network.dropout": ("none",)},
    "network.drop_path": {"network.block": ("plain",)},
    "network.order": {"network.stem": ("stride2", "space_to_depth"), "network.block": ("residual", "depthwise")},
    "network.head_width": {"network.head": ("global_pool",)},
    "network.bins": {"network.head": (*NO_MAPS, "softargmax", "heatmap_offset")},
    **{f"network.{name}": {"network.head": NO_MAPS} for name in ("map_size", "temperature", "own_loss")},
    "network.sigma": {"network.own_loss": (0.0,)},
}
"""Parameter -> values of others with which it changes nothing, in every space: all of them at once."""


@dataclass(frozen=True)
class Choice:
    """One of a list of values; a fixed value is a list of one."""

    values: tuple[Scalar, ...]
    when: Mapping[str, tuple[Scalar, ...]]


@dataclass(frozen=True)
class Range:
    """A number between two bounds, both included; whole where both are whole."""

    low: int | float
    high: int | float
    log: bool
    when: Mapping[str, tuple[Scalar, ...]]


Parameter = Choice | Range


@dataclass(frozen=True)
class SearchSpace:
    """What may vary and from what baseline; parameters stand in an order in which conditions come first.

    Attributes:
        parameters: dotted name -> `Choice` or `Range`, fixed values included.
        baseline: dotted name -> the level that an ablation compares with.
        prior: dotted name -> a good guess, which a search tries first and departs from.
        budget: `epochs` and `n_trials`, unless the command says otherwise; either may be missing.
        text: the file's text; a study keeps it.
    """

    name: str
    title: str
    parameters: Mapping[str, Parameter]
    baseline: Mapping[str, Scalar]
    prior: Mapping[str, Scalar]
    budget: Mapping[str, int]
    text: str

    @property
    def digest(self) -> str:
        """Sixteen hex digits over the definition's meaning (not its comments or spacing)."""
        meaning = json.dumps(tomllib.loads(self.text), sort_keys=True)
        return hashlib.sha256(meaning.encode()).hexdigest()[:16]

    @cached_property
    def factors(self) -> dict[str, Parameter]:
        """The parameters that can take more than one value."""
        return {name: p for name, p in self.parameters.items() if can_vary(p)}

    @cached_property
    def size(self) -> int | None:
        """The number of cells; None where a range is a continuum, or there are more than `COUNTED`."""
        bound = 1
        for parameter in self.parameters.values():
            found = levels(parameter)
            if found is None:
                return None
            bound *= len(found)
            if bound > COUNTED:
                return None
        return sum(1 for _ in self.cells())

    def cells(self) -> Iterator[dict[str, Scalar]]:
        """Every cell of a finite space, each once, the last parameter varying fastest.

        Raises:
            UsageError: a parameter is a continuous range.
        """
        yield from self._extend({}, list(self.parameters.items()))

    def _extend(self, chosen: dict[str, Scalar], rest: list[tuple[str, Parameter]]) -> Iterator[dict[str, Scalar]]:
        if not rest:
            yield dict(chosen)
            return
        (name, parameter), *others = rest
        if not applies(parameter, chosen):
            yield from self._extend(chosen, others)
            return
        found = levels(parameter)
        if found is None:
            raise UsageError(f"search space '{self.name}' cannot be enumerated: {name} is a continuous range")
        for level in found:
            yield from self._extend({**chosen, name: level}, others)

    def suggest(self, trial: Any) -> dict[str, Scalar]:
        """One cell, each varying parameter asked of an Optuna trial (any `BaseTrial`) under its dotted name."""
        chosen: dict[str, Scalar] = {}
        for name, parameter in self.parameters.items():
            if not applies(parameter, chosen):
                continue
            if isinstance(parameter, Choice):
                fixed = len(parameter.values) == 1
                chosen[name] = parameter.values[0] if fixed else trial.suggest_categorical(name, parameter.values)
            elif isinstance(parameter.low, int) and isinstance(parameter.high, int):
                chosen[name] = trial.suggest_int(name, parameter.low, parameter.high, log=parameter.log)
            else:
                chosen[name] = trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
        return chosen

    def probes(self) -> Iterator[dict[str, Scalar]]:
        """Cells that show each choice and both ends of each range at least once, the rest at its first value.

        What `check` of a space too large to enumerate looks at.
        """
        ends = {name: p.values if isinstance(p, Choice) else (p.low, p.high) for name, p in self.parameters.items()}
        seen = set()
        for name, values in ends.items():
            for value in values:
                wanted = {other: v[0] for other, v in ends.items()} | {name: value}
                for other, allowed in self.parameters[name].when.items():  # so that `name` applies
                    wanted[other] = wanted[other] if wanted[other] in allowed else allowed[0]
                cell = self.settle(wanted)
                if cell_id(cell) not in seen:
                    seen.add(cell_id(cell))
                    yield cell

    def guesses(self) -> Iterator[dict[str, Scalar]]:
        """The prior, what it leaves open at its first value; none where there is no prior."""
        if self.prior:
            first = {name: p.values[0] if isinstance(p, Choice) else p.low for name, p in self.parameters.items()}
            yield self.settle({**first, **self.prior})

    def settle(self, wanted: Params) -> dict[str, Scalar]:
        """`wanted` without the parameters whose conditions it does not meet."""
        chosen: dict[str, Scalar] = {}
        for name, parameter in self.parameters.items():
            if name in wanted and (not parameter.when or applies(parameter, chosen)):
                chosen[name] = wanted[name]
        return chosen


def can_vary(parameter: Parameter) -> bool:
    """Whether a parameter can take more than one value."""
    return isinstance(parameter, Range) or len(parameter.values) > 1


def applies(parameter: Parameter, chosen: Params) -> bool:
    """Whether a parameter has a part in a cell: each condition of its `when` is met there."""
    return all(_is_one_of(chosen.get(name), allowed) for name, allowed in parameter.when.items())


def _is_one_of(value: Scalar | None, allowed: tuple[Scalar, ...]) -> bool:
    """Whether a value is among those of a condition, where code of one's own may be named by its path."""
    if value is None or value in allowed:
        return value is not None
    return spoken(value) in {str(one).replace("\\", "/").rpartition("/")[2] for one in allowed}


def with_part(cell: Params, parameters: Mapping[str, Parameter]) -> dict[str, Scalar]:
    """A complete cell for reading: without the parameters that change nothing in it.

    A complete cell has a value of every parameter that its family knows, for its identity must not hang on the space:
    the same network is the same cell in every study. What people are shown leaves out those whose condition (`when`) is
    not met there, and those that `IDLE` names.

    Args:
        parameters: of the space, by dotted name.
    """
    kept = dict(cell)
    may = [name for name in kept if name in IDLE or (name in parameters and parameters[name].when)]
    while idle := [name for name in may if name in kept and not _has_part(name, kept, parameters.get(name))]:
        for name in idle:
            del kept[name]
    return kept


def deciding(parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    """The parameters whose values say which others have a part in a cell: cells alike in them are alike in that."""
    conditions = (*IDLE.values(), *(one.when for one in parameters.values()))
    return tuple(dict.fromkeys(name for one in conditions for name in one))


def _has_part(name: str, cell: Params, parameter: Parameter | None) -> bool:
    idle = IDLE.get(name)
    if idle and all(cell.get(other) in values for other, values in idle.items()):
        return False
    return parameter is None or applies(parameter, cell)


def varied(cell: Params, names: Iterable[str], parameters: Mapping[str, Parameter]) -> dict[str, Scalar]:
    """What a cell has of these parameters, those that have no part in it left out."""
    shown = with_part(cell, parameters)
    return {name: shown[name] for name in names if name in shown}


def levels(parameter: Parameter) -> tuple[Scalar, ...] | None:
    """The values of a parameter in order; None where they are a continuum, or more than `COUNTED`."""
    if isinstance(parameter, Choice):
        return parameter.values
    if isinstance(parameter.low, int) and isinstance(parameter.high, int):
        # A wider range is as good as a continuum: it is sampled, never counted.
        return tuple(range(parameter.low, parameter.high + 1)) if parameter.high - parameter.low < COUNTED else None
    return (parameter.low,) if parameter.low == parameter.high else None


def complete(params: Params, defaults: Defaults) -> dict[str, Scalar]:
    """A cell with the defaults written out, so that its identity does not hang on a later release's defaults.

    Those of `LATER` are left out where the cell does not name them.
    """
    known = defaults[str(params["family"])].items()
    named = {name: params.get(name, value) for name, value in known if name in params or name not in LATER}
    return {"family": params["family"], **named}
