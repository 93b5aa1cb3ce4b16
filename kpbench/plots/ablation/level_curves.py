"""Learning curves by level: the geometric-mean validation score over seeds with its range."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import counting_cells
from kpbench.cell import RunResult, Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, add_lines, calm, floor_lines, score_layout
from kpbench.plots.factors import show_level
from kpbench.plots.scores import ScoreAxis, drawable, geometric_mean, rounded, score_axis, show_score, spread
from kpbench.plots.search.learning_curves import MOST_POINTS, set_epochs


@dataclass(frozen=True)
class LevelCurve:
    """A level's validation score by epoch.

    Attributes:
        seeds: blocks that reached the epoch with every run of the level.
        mean, low, high: over those blocks, each the geometric mean of its runs.
    """

    level: Scalar
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def level_curve(found: Analysis, factor: str, level: Scalar) -> LevelCurve:
    """The curve over the blocks in which every run of the level is complete; a diverged run takes its block away."""
    cells = [found.design.cells[at] for at in counting_cells(found.design, factor, level)]
    by_block: dict[int, list[RunResult]] = {}
    for row in found.rows:
        if row.role == "ablation" and row.state == "complete" and _levels(row, found) in cells:
            by_block.setdefault(row.seed, []).append(row)
    whole = [runs for runs in by_block.values() if len(runs) == len(cells)]
    scores: dict[int, list[float]] = {}
    for runs in whole:
        curves = [{record.epoch: record.val_score for record in row.curve} for row in runs]
        for epoch in set.intersection(*(set(curve) for curve in curves)):
            values = [curve[epoch] for curve in curves]
            if all(map(drawable, values)):
                scores.setdefault(epoch, []).append(geometric_mean(values))
    order = sorted(epoch for epoch, values in scores.items() if len(values) == len(whole))
    epochs = tuple(order[index] for index in spread(len(order), MOST_POINTS))
    return LevelCurve(
        level,
        epochs,
        tuple(len(scores[epoch]) for epoch in epochs),
        tuple(geometric_mean(scores[epoch]) for epoch in epochs),
        tuple(min(scores[epoch]) for epoch in epochs),
        tuple(max(scores[epoch]) for epoch in epochs),
    )


def _levels(row: RunResult, found: Analysis) -> dict[str, Scalar]:
    return {name: row.params[name] for name in found.design.factors}


def draw_level_curves(found: Analysis) -> Drawing:
    """One panel a factor: a line a level with the range over seeds as a band."""
    names = factor_names(found.design)
    curves = {
        factor: [level_curve(found, factor, level) for level in levels]
        for factor, levels in found.design.factors.items()
    }
    drawn = {factor: mine for factor, mine in curves.items() if any(curve.epochs for curve in mine)}
    if not drawn:
        return Drawing(notes=("No level has a block whose every run is complete, so there are no learning curves.",))
    axis = score_axis(
        (score for mine in drawn.values() for curve in mine for score in (*curve.low, *curve.high)),
        marks=[scores.get("val", 0.0) for scores in found.floor.values()],
        log=True,
    )
    floors, floor_keys = floor_lines(found.floor, axis, split="val")
    panels = tuple(_panel(names[factor], mine, axis, floors) for factor, mine in drawn.items())
    notes = []
    planned = len(found.design.blocks)
    short = [
        f"{names[factor]} {show_level(curve.level)} {max(curve.seeds, default=0)} of {planned}"
        for factor, mine in curves.items()
        for curve in mine
        if max(curve.seeds, default=0) < planned
    ]
    if short:
        notes.append(f"Only seeds whose every run is complete are in a curve: {', '.join(short)}.")
    return Drawing(panels, floor_keys, tuple(notes))


def _panel(name: str, curves: Sequence[LevelCurve], axis: ScoreAxis, floors: Sequence[tuple[float, str, str]]) -> Panel:
    figure = go.Figure()
    calm(figure, height=360)
    ends = set_epochs(figure, [epoch for curve in curves for epoch in curve.epochs])
    add_lines(figure, floors, ends, upright=False)
    keys = []
    for at, curve in enumerate(curves):
        if not curve.epochs:
            continue
        role, _ = level_look(at)
        figure.add_scatter(
            x=[*curve.epochs, *reversed(curve.epochs)],
            y=[*map(rounded, curve.low), *map(rounded, reversed(curve.high))],
            mode="lines",
            fill="toself",
            fillcolor=light(role),
            line={"width": 0, "color": light(role)},
            opacity=0.16,
            hoverinfo="skip",
        )
    for at, curve in enumerate(curves):
        if not curve.epochs:
            continue
        role, dash = level_look(at)
        label = f"{show_level(curve.level)}{' (baseline)' if at == 0 else ''}, {plural_seeds(max(curve.seeds))}"
        keys.append(Key(label, role, "line", dash))
        figure.add_scatter(
            x=list(curve.epochs),
            y=[rounded(mean) for mean in curve.mean],
            mode="lines" if len(curve.epochs) > 1 else "markers",
            line={"color": light(role), "width": 2.5, "dash": dash},
            marker={"color": light(role), "size": 8},
            hoverinfo="x+y",
        )
    figure.update_yaxes(**score_layout(axis, title="validation score"))
    ended = "; ".join(f"{show_level(curve.level)} {show_score(curve.mean[-1])}" for curve in curves if curve.epochs)
    alt = f"Validation score by epoch and level of {name}, geometric mean and range over seeds. At the end: {ended}."
    return Panel(name, figure, alt, key=tuple(keys))


def plural_seeds(count: int) -> str:
    """`1 seed`, `8 seeds`."""
    return f"{count} seed{'s' * (count != 1)}"
