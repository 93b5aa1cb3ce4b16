"""What a plot takes beside the rows and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import plotly.graph_objects as go

from kpbench.plots.colours import light
from kpbench.plots.scores import ScoreAxis, drawable, rounded, show_score

Mark = Literal["line", "dot", "ring", "cross", "bar", "diamond", "square"]


@dataclass(frozen=True)
class Marks:
    """The scores every score axis shows for orientation.

    Attributes:
        pass_mark: the score a submission needs.
        floor: what a method without a network reaches: name -> split (`val`, `test`) -> score.
        chosen: identity of the cell the study names as its best; None for the first of the standings.
    """

    pass_mark: float
    floor: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    chosen: str | None = None

    def on(self, split: str) -> dict[str, float]:
        """The floors known on a split, highest first: name -> score, those that are positive numbers."""
        known = {name: scores[split] for name, scores in self.floor.items() if drawable(scores.get(split))}
        return {name: known[name] for name in sorted(known, key=lambda name: -known[name])}


@dataclass(frozen=True)
class Key:
    """One entry of a legend: what a mark of this shape, colour role and dash means."""

    label: str
    colour: str
    mark: Mark
    dash: str = "solid"


@dataclass(frozen=True)
class Panel:
    """One figure with a heading (may be empty) and a sentence for those who cannot see it.

    Attributes:
        key: the legend of this figure alone, drawn by the page below it.
        least_width: pixels below which the figure is scrolled sideways in its own box instead of squeezed.
        levels: the figure's numbers as a table: column names first, then one tuple of texts a line; may be empty.
    """

    title: str
    figure: go.Figure
    alt: str
    key: tuple[Key, ...] = ()
    least_width: int = 0
    levels: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Drawing:
    """What a plot gives back: panels (none when there is nothing to draw), a legend and sentences.

    Attributes:
        key: the legend the panels share, drawn by the page above them.
        notes: what was left out of the drawing, or why there is none; one sentence each.
    """

    panels: tuple[Panel, ...] = ()
    key: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()


DASHES = ("dot", "dashdot", "longdash", "longdashdot")
"""Dashes of the floors' lines, highest floor first; the pass mark is dashed."""


def calm(figure: go.Figure, *, height: int, left: int = 52, right: int = 14, top: int = 12, bottom: int = 44) -> None:
    """Give a figure the house's plain look; `height` and margins in pixels."""
    figure.update_layout(
        template=None,
        height=height,
        margin={"l": left, "r": right, "t": top, "b": bottom},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": light("muted")},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        hoverlabel={
            "bgcolor": light("paper"),
            "bordercolor": light("rule"),
            "font": {"color": light("ink"), "size": 12},
            "align": "left",
        },
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(gridcolor=light("grid"), linecolor=light("rule"), zeroline=False, fixedrange=True, ticks="")


def score_layout(axis: ScoreAxis, *, title: str) -> dict[str, object]:
    """The layout of a plotly axis that shows scores."""
    return {
        "type": "log" if axis.log else "linear",
        "range": list(axis.span()),
        "tickmode": "array",
        "tickvals": list(axis.ticks),
        "ticktext": [show_score(tick) for tick in axis.ticks],
        "title": {"text": title + (" (log scale)" if axis.log else ""), "standoff": 8},
    }


def add_lines(
    figure: go.Figure, lines: Sequence[tuple[float, str, str]], ends: tuple[float, float], *, upright: bool
) -> None:
    """Draw reference lines (score, colour role, dash) behind what follows, between the ends of the other axis."""
    for score, role, dash in lines:
        along, across = [rounded(score)] * 2, list(ends)
        figure.add_scatter(
            x=along if upright else across,
            y=across if upright else along,
            mode="lines",
            line={"color": light(role), "width": 1.5, "dash": dash},
            hoverinfo="skip",
        )


def reference_lines(
    marks: Marks, axis: ScoreAxis, *, split: str
) -> tuple[list[tuple[float, str, str]], tuple[Key, ...]]:
    """The pass mark and the floors that lie on the axis as (score, colour role, dash), and the keys of all of them."""
    return _on_axis([("pass mark", marks.pass_mark, "pass", "dash"), *_floors(marks.on(split))], axis)


def floor_lines(
    floor: Mapping[str, Mapping[str, float]], axis: ScoreAxis, *, split: str
) -> tuple[list[tuple[float, str, str]], tuple[Key, ...]]:
    """The floors alone, as `reference_lines`."""
    return _on_axis(_floors(Marks(1.0, floor).on(split)), axis)


def _floors(found: Mapping[str, float]) -> list[tuple[str, float, str, str]]:
    return [(name, score, "floor", dash) for (name, score), dash in zip(found.items(), DASHES * 8, strict=False)]


def _on_axis(
    named: Sequence[tuple[str, float, str, str]], axis: ScoreAxis
) -> tuple[list[tuple[float, str, str]], tuple[Key, ...]]:
    lines = []
    keys = []
    for name, score, role, dash in named:
        inside = axis.low <= score <= axis.high
        if inside:
            lines.append((score, role, dash))
        beyond = "" if inside else ", off the axis"
        keys.append(Key(f"{name} {show_score(score)}{beyond}", role, "line", dash))
    return lines, tuple(keys)
