"""A logarithmic axis of MSE ratios around 1."""

import math
from collections.abc import Iterable

import plotly.graph_objects as go

from kpbench.plots.colours import light
from kpbench.plots.drawing import Key, tick_layout
from kpbench.plots.scores import rounded
from kpbench.plots.traces import add_trace, line_style

WIDEST = 1e3
"""Ratios further than this factor from 1 are not drawn to the end."""


def ratio_ends(values: Iterable[float], *, sesoi: float) -> tuple[float, float]:
    """The ends of an axis that holds 1, the smallest-effect band and every positive finite value up to `WIDEST`."""
    found = [min(max(value, 1 / WIDEST), WIDEST) for value in values if math.isfinite(value) and value > 0]
    low, high = min([*found, 1 / (1 + sesoi)]), max([*found, 1 + sesoi])
    room = (high / low) ** 0.06
    return low / room, high * room


def ratio_ticks(low: float, high: float) -> tuple[float, ...]:
    """Ticks of a ratio axis, 1 among them: round ratios, fewer the wider the axis."""
    sets = (
        (0.9, 0.92, 0.94, 0.96, 0.98, 1, 1.02, 1.04, 1.06, 1.08, 1.1),
        (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4),
        (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2, 2.5, 3),
        (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10),
        (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
        (0.001, 0.01, 0.1, 1, 10, 100, 1000),
    )
    for ticks in sets:
        shown = tuple(tick for tick in ticks if low <= tick <= high)
        if ticks[0] <= low * 1.12 and ticks[-1] >= high / 1.12 and len(shown) <= 8:
            return shown
    return tuple(tick for tick in sets[-1] if low <= tick <= high)


def on_axis(value: float, low: float, high: float) -> float:
    """A ratio moved to the nearer end of the axis where it lies outside, six significant digits."""
    return rounded(min(max(value, low), high), digits=6)


def ratio_layout(low: float, high: float, *, title: str) -> dict[str, object]:
    """The layout of a plotly axis that shows ratios."""
    ticks = {tick: f"{tick:g}" for tick in ratio_ticks(low, high)}
    return tick_layout(ticks, ends=(low, high), title=title, log=True)


def band_key(sesoi: float) -> Key:
    """The legend of the smallest-effect band."""
    return Key(f"shaded: changes of MSE below the {100 * sesoi:g} % of interest", "rule", "square")


def add_band(figure: go.Figure, sesoi: float, ends: tuple[float, float], *, upright: bool) -> None:
    """Draw the smallest-effect band and the line at 1 behind what follows, between the ends of the other axis."""
    low, high = rounded(1 / (1 + sesoi)), rounded(1 + sesoi)
    corners = [(low, ends[0]), (high, ends[0]), (high, ends[1]), (low, ends[1]), (low, ends[0])]
    band = corners if upright else [(y, x) for x, y in corners]
    add_trace(figure, band, line=line_style("rule", 0), fill="toself", fillcolor=light("rule"))
    add_trace(figure, [(1, end) if upright else (end, 1) for end in ends], line=line_style("muted", 1.5))
