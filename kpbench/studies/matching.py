"""Size-matched controls: the baseline made as large as a level, so that size is no rival explanation."""

from bisect import bisect_right

from kpbench.cell import Params
from kpbench.errors import UsageError
from kpbench.networks.families import size_of
from kpbench.space.design import Design, Matched, whole_cell
from kpbench.studies.preflight import Task

MATCH = ("none", "params")

WIDTH, WIDEST = "network.width", 2048
"""What makes a network larger without changing its kind, and how far it is searched."""

ALIKE, CLOSE = 0.02, 0.1
"""A level within the first share of the baseline's parameters needs no control; a control must be within the second."""


def size_matched(task: Task, design: Design) -> tuple[Matched, ...]:
    """For each planned contrast whose level changes the number of parameters, the baseline of the level's size.

    The baseline's width is moved until its parameters are nearest the level's, the other factors at the baseline.

    Raises:
        UsageError: the width is a factor itself, the baseline's family has none, or no width comes within a tenth.
    """
    base = task.complete(whole_cell(task.space, design.baseline))
    if WIDTH in design.factors or WIDTH not in base:
        why = "is a factor here" if WIDTH in design.factors else f"family {base['family']} does not have"
        raise UsageError(f"--match params moves {WIDTH}, which {why}")
    for name, span in () if design.tuning is None else design.tuning.spans.items():
        if name in base and size_of({**base, name: span.low}) != size_of({**base, name: span.high}):
            raise UsageError(f"--match params cannot size a control while {name} is tuned; fix it in the space")
    mine = size_of(base)[0]
    found = []
    for factor in design.asked:
        for level in design.factors[factor][1:]:
            wanted = size_of(task.complete(whole_cell(task.space, {**design.baseline, factor: level})))[0]
            if abs(wanted / mine - 1) <= ALIKE:
                continue
            width, parameters = _nearest_width(base, wanted)
            if abs(parameters / wanted - 1) > CLOSE:
                raise UsageError(
                    f"--match params: no width up to {WIDEST} brings the baseline near the {wanted:,} parameters of "
                    f"{factor}={level}; the nearest, {width}, has {parameters:,}"
                )
            found.append(
                Matched(factor=factor, level=level, change={WIDTH: width}, parameters=parameters, wanted=wanted)
            )
    return tuple(found)


def _nearest_width(base: Params, wanted: int) -> tuple[int, int]:
    """The width, and its parameters, nearest `wanted`; parameters grow with the width."""

    def parameters(width: int) -> int:
        return size_of({**base, WIDTH: width})[0]

    low = max(1, bisect_right(range(1, WIDEST), wanted, key=parameters))
    return min(((width, parameters(width)) for width in (low, low + 1)), key=lambda pair: abs(pair[1] - wanted))
