"""Learning curves: validation score by images seen for the runs of a study, and the error of the best cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import plotly.graph_objects as go

from kpbench.cell import RunResult, State
from kpbench.plots.colours import RANKED
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.epochs import EpochAxis
from kpbench.plots.factors import describe, trials_of, varying
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, beyond, drawable, outlying, rounded, show_score, thinned
from kpbench.plots.search.names import cell_names, cut
from kpbench.plots.search.standings import Standing, standings
from kpbench.plots.traces import GAP, add_trace, label, line_style, marker_style
from kpbench.statistics.scale import rmse_px

MOST_CURVES = 150
"""Curves drawn behind those of the leading cells."""

MOST_POINTS = 50
"""Points drawn of one curve."""

RANK_DASHES = ("solid", "dot", "dash", "dashdot", "longdash")


@dataclass(frozen=True)
class Curve:
    """One run's validation scores by epoch; `place` counts the leading cells from 0 and is -1 for the others."""

    state: State
    place: int
    trial: int | None
    epochs: tuple[int, ...]
    scores: tuple[float, ...]

    @property
    def highest(self) -> float:
        """The highest score of the run."""
        return max(self.scores)

    def points(self, axis: EpochAxis) -> list[tuple[int, float]]:
        """What is drawn: the place of each epoch and the rounded score."""
        return list(zip(map(axis.at, self.epochs), map(rounded, self.scores), strict=True))


def learning_curves(
    rows: Sequence[RunResult], *, most: int = MOST_CURVES
) -> tuple[list[Curve], tuple[Standing, ...], int]:
    """The curves of the trials to draw, the five leading cells, and how many curves of other cells there were.

    Drawn are all curves of the leading cells, last, and at most `most` of the others, evenly by last score. Epochs
    whose score is not a positive finite number are left out; a run without any such epoch has no curve.
    """
    leaders = tuple(cell for cell in standings(rows) if not math.isnan(cell.tuning_score))[: len(RANKED)]
    places = {cell.cell: place for place, cell in enumerate(leaders)}
    others: list[tuple[float, RunResult]] = []
    leading: list[tuple[float, RunResult]] = []
    for row in trials_of(rows):
        last = next((record.val_score for record in reversed(row.curve) if drawable(record.val_score)), None)
        if last is not None:
            place = places.get(row.cell, -1) if row.state == "complete" else -1
            (others if place < 0 else leading).append((last if place < 0 else -place, row))
    drawn = [(-1, row) for _, row in thinned(sorted(others, key=itemgetter(0)), most)]
    drawn += [(-int(place), row) for place, row in sorted(leading, key=itemgetter(0))]
    return [_curve(row, place) for place, row in drawn], leaders, len(others)


def _curve(row: RunResult, place: int) -> Curve:
    points = [(record.epoch, record.val_score) for record in row.curve if drawable(record.val_score)]
    epochs, scores = zip(*thinned(points, MOST_POINTS), strict=True)
    return Curve(row.state, place, row.trial, epochs, scores)


def best_errors(rows: Sequence[RunResult], cell: str) -> tuple[tuple[int, float, float], ...]:
    """(epoch, training, validation): RMSE in pixels from the mean MSE over the cell's complete runs.

    Epochs that not every one of these runs reached with finite losses are left out.
    """
    runs = [row for row in rows if row.cell == cell and row.state == "complete" and row.curve]
    curves = [{record.epoch: (record.train_mse, record.val_mse) for record in row.curve} for row in runs]
    shared = sorted(set.intersection(*map(set, curves))) if curves else []
    means = ((epoch, np.mean([curve[epoch] for curve in curves], axis=0).tolist()) for epoch in shared)
    return tuple((epoch, rmse_px(train), rmse_px(val)) for epoch, (train, val) in means if np.isfinite(train + val))


def draw_learning_curves(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """Validation score by images seen, the five leading cells in colour; training and validation RMSE of the best."""
    curves, leaders, others = learning_curves(rows)
    if not curves:
        return Drawing(notes=("No run has a learning curve yet.",))
    factors = varying(trials_of(rows))
    least = outlying(curve.highest for curve in curves)
    held = (score for curve in curves if curve.highest >= least for score in curve.scores)
    on = reference_axis(held, marks, split="val", least=0.0)
    names = list(cell_names(rows, leaders).values())
    panels = [_score_panel(curves, [describe(cell.params, factors) for cell in leaders], names, marks, *on)]
    drawn = sum(curve.place < 0 for curve in curves)
    notes = beyond(on[0], (curve.highest for curve in curves))
    if others > drawn:
        notes = (
            f"Drawn: {drawn} of the {others:,} curves outside the five leading cells, evenly spaced by last score.",
            *notes,
        )
    best = marks.chosen or (leaders[0].cell if leaders else None)
    errors = best_errors(rows, best) if best else ()
    if len(errors) > 1:
        panels.append(_error_panel(errors, EpochAxis(marks.train_faces)))
    return Drawing(tuple(panels), notes=notes)


LOOKS: dict[State, tuple[str, str, str, str | None]] = {
    "complete": ("other complete runs", "other", "solid", None),
    "pruned": ("stopped early (at the bar)", "pruned", "dot", "line-ns-open"),
    "failed": ("failed (at the cross)", "failed", "dash", "x-thin-open"),
}
"""For the curves behind the leading ones: label, colour role, dash and the mark at their end."""


def _score_panel(
    curves: Sequence[Curve],
    leaders: Sequence[str],
    names: Sequence[str],
    marks: Marks,
    axis: ScoreAxis,
    lines: Sequence[Line],
    line_keys: Sequence[Key],
) -> Panel:
    along = EpochAxis(marks.train_faces)
    figure = calm(go.Figure(), height=400)
    leading = [curve for curve in curves if curve.place >= 0]
    places = sorted({curve.place for curve in leading})
    keys = [Key(cut(names[place], length=44), RANKED[place], "line", RANK_DASHES[place]) for place in places]
    ends = along.set_on(figure, [epoch for curve in curves for epoch in curve.epochs])
    add_lines(figure, lines, ends, upright=False)
    for state, (words, role, dash, symbol) in LOOKS.items():
        found = [curve for curve in curves if curve.place < 0 and curve.state == state]
        if found:
            keys.append(Key(words, role, "line", dash))
            points = [point for curve in found for point in (*curve.points(along), GAP)]
            add_trace(figure, points, line=line_style(role, 1, dash), opacity=0.75)
        if found and symbol:
            add_trace(
                figure,
                [curve.points(along)[-1] for curve in found],
                marker=marker_style(role, 6, symbol, edge=1.5),
                text=[
                    f"trial {curve.trial}, {state}<br>{along.hover(curve.epochs[-1:])[0]}: "
                    f"{show_score(curve.scores[-1])}"
                    for curve in found
                ],
                hoverinfo="text",
            )
    for curve in leading:
        role = RANKED[curve.place]
        add_trace(
            figure,
            curve.points(along),
            line=line_style(role, 2.5, RANK_DASHES[curve.place]),
            marker=marker_style(role, 8),
            mode="lines" if len(curve.epochs) > 1 else "markers",
            text=along.hover(curve.epochs),
            hovertemplate=f"<b>#{curve.place + 1}</b> {label(leaders[curve.place], length=90)}<br>"
            "%{text}: %{y}<extra></extra>",
        )
    figure.update_yaxes(**score_layout(axis, title="validation score"))
    best = max(curves, key=lambda curve: curve.scores[-1])
    alt = f"Validation score by {along.what} of {len(curves)} runs; the highest ends at {show_score(best.scores[-1])} "
    alt += f"after epoch {best.epochs[-1]}."
    return Panel(f"Validation score by {along.what}", figure, alt, key=(*keys, *line_keys))


def _error_panel(errors: Sequence[tuple[int, float, float]], along: EpochAxis) -> Panel:
    errors = thinned(errors, 4 * MOST_POINTS)
    figure = calm(go.Figure(), height=400)
    looks = ((1, "training", "second", "dash"), (2, "validation", "first", "solid"))
    for index, name, role, dash in looks:
        add_trace(
            figure,
            [(along.at(row[0]), rounded(row[index])) for row in errors],
            line=line_style(role, 2.5, dash),
            name=name,
            text=along.hover([row[0] for row in errors]),
            hovertemplate="%{text}: RMSE %{y:.2f} px<extra>" + name + "</extra>",
        )
    both = [error for _, *pair in errors for error in pair]
    figure.update_layout(hovermode="x unified")
    along.set_on(figure, [row[0] for row in errors])
    log = max(both) > 4 * min(both) > 0
    title = {"text": f"RMSE in pixels{' (log scale)' if log else ''}", "standoff": 8}
    figure.update_yaxes(title=title, **({"type": "log", "dtick": "D2"} if log else {"rangemode": "tozero"}))
    last = errors[-1]
    alt = f"RMSE of the best cell by {along.what}: after epoch {last[0]} {last[1]:.2f} px on the training faces "
    alt += f"and {last[2]:.2f} px on the validation faces."
    keys = tuple(Key(f"{name} faces", role, "line", dash) for _, name, role, dash in looks)
    return Panel("RMSE of the best cell, mean of its runs", figure, alt, key=keys)
