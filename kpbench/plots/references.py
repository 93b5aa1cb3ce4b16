"""Reference lines on an axis of scores: the pass mark and the floors."""

import math
from collections.abc import Iterable, Sequence
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


def reference_axis(
    scores: Iterable[float],
    marks: Marks,
    *,
    split: str,
    log: bool = False,
    also: Sequence[float] = (),
    least: float | None = None,
) -> tuple[ScoreAxis, list[Line], tuple[Key, ...]]:
    """An axis of scores, the lines of the pass mark and the floors that lie on it, and the keys of all of them.

    Args:
        also: further marks that the axis is to hold where they are near.
        least: as in `score_axis`.
    """
    floors = marks.on(split)
    axis = score_axis(scores, marks=[marks.pass_mark, *floors.values(), *also], log=log, least=least)
    named = [] if math.isnan(marks.pass_mark) else [("pass mark", marks.pass_mark, "pass", "dash")]
    named += [(name, score, "floor", dash) for (name, score), dash in zip(floors.items(), cycle(DASHES))]
    lines, keys = [], []
    for name, score, role, dash in named:
        inside = axis.low <= score <= axis.high
        if inside:
            lines.append((score, role, dash))
        keys.append(Key(f"{name} {show_score(score)}{'' if inside else ', off the axis'}", role, "line", dash))
    return axis, lines, tuple(keys)
