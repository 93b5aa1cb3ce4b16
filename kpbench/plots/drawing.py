"""What a plot takes beside the rows and what it gives back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import plotly.graph_objects as go

from kpbench.plots.colours import light
from kpbench.plots.scores import ScoreAxis, drawable, show_score
from kpbench.task.objectives import SCORE

Mark = Literal["line", "dot", "ring", "cross", "bar", "diamond", "square"]


@dataclass(frozen=True)
class Marks:
    """What the plots of a study show for orientation, most of it on every score axis.

    Attributes:
        pass_mark: the score a submission needs; NaN for none.
        floor: what a method without a network reaches: name -> split (`val`, `test`) -> score.
        chosen: identity of the cell the study names as its best; None for the first of the standings.
        train_faces: images that one epoch of training shows; 0 where that is not known.
        objectives: of the search, the score first.
        most: what a cell may have at most, by the objective's name.
        ranges: those of the study's space by name, and whether they are logarithmic; None where it is not known.
    """

    pass_mark: float = math.nan
    floor: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    chosen: str | None = None
    train_faces: int = 0
    objectives: tuple[str, ...] = SCORE
    most: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, bool] | None = None

    def on(self, split: str) -> dict[str, float]:
        """The floors known on a split, highest first: name -> score, those that are positive numbers."""
        known = {name: scores[split] for name, scores in self.floor.items() if drawable(scores.get(split))}
        return dict(sorted(known.items(), key=lambda item: -item[1]))


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


def calm(
    figure: go.Figure, *, height: int, left: int = 52, right: int = 14, top: int = 12, bottom: int = 44
) -> go.Figure:
    """Give a figure the house's plain look; `height` and margins in pixels. Gives the figure back."""
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
    return figure


def tick_layout(ticks: Mapping[float, str], *, ends: tuple[float, float], title: str, log: bool) -> dict[str, object]:
    """The layout of a plotly axis with named ticks."""
    return {
        "type": "log" if log else "linear",
        "range": [math.log10(end) for end in ends] if log else list(ends),
        "tickmode": "array",
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
        "title": {"text": title, "standoff": 8},
    }


def score_layout(axis: ScoreAxis, *, title: str) -> dict[str, object]:
    """The layout of a plotly axis that shows scores."""
    ticks = {tick: show_score(tick) for tick in axis.ticks}
    title += " (log scale)" if axis.log else ""
    return tick_layout(ticks, ends=(axis.low, axis.high), title=title, log=axis.log)
