"""Reference lines on an axis of scores: the pass mark and the floors."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

import plotly.graph_objects as go

from kpbench.plots.drawing import Key, Marks
from kpbench.plots.scores import ScoreAxis, rounded, score_axis, show_score
from kpbench.plots.traces import add_trace, line_style

Line = tuple[float, str, str]
"""A reference line: score, colour role, dash."""

DASHES = ("dot", "dashdot", "longdash", "longdashdot")
"""Dashes of the floors' lines, highest floor first; the pass mark is dashed."""


def add_lines(figure: go.Figure, lines: Sequence[Line], ends: tuple[float, float], *, upright: bool) -> None:
    """Draw reference lines behind what follows, between the ends of the other axis."""
    for score, role, dash in lines:
        at = rounded(score)
        add_trace(figure, [(at, end) if upright else (end, at) for end in ends], line=line_style(role, 1.5, dash))


def reference_lines(marks: Marks, axis: ScoreAxis, *, split: str) -> tuple[list[Line], tuple[Key, ...]]:
    """The lines of the pass mark and the floors that lie on the axis, and the keys of all of them."""
    return _on_axis([("pass mark", marks.pass_mark, "pass", "dash"), *_floors(marks, split)], axis)


def floor_axis(
    scores: Iterable[float], floor: Mapping[str, Mapping[str, float]], *, split: str, marks: Sequence[float] = ()
) -> tuple[ScoreAxis, list[Line], tuple[Key, ...]]:
    """A logarithmic axis of scores, the lines of the floors that lie on it, and the keys of all floors."""
    floors = [known.get(split, 0.0) for known in floor.values()]
    axis = score_axis(scores, marks=[*floors, *marks], log=True)
    return axis, *_on_axis(_floors(Marks(math.nan, floor), split), axis)


def _floors(marks: Marks, split: str) -> list[tuple[str, float, str, str]]:
    return [(name, score, "floor", dash) for (name, score), dash in zip(marks.on(split).items(), cycle(DASHES))]


def _on_axis(named: Sequence[tuple[str, float, str, str]], axis: ScoreAxis) -> tuple[list[Line], tuple[Key, ...]]:
    inside = [axis.low <= score <= axis.high for _, score, _, _ in named]
    lines = [(score, role, dash) for (_, score, role, dash), shown in zip(named, inside, strict=True) if shown]
    keys = (
        Key(f"{name} {show_score(score)}{'' if shown else ', off the axis'}", role, "line", dash)
        for (name, score, role, dash), shown in zip(named, inside, strict=True)
    )
    return lines, tuple(keys)
