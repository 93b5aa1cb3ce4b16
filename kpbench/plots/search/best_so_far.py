"""Best so far: the best validation score among complete trials over all images that the search has shown."""

from collections.abc import Sequence

import plotly.graph_objects as go

from kpbench.cell import RunResult
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.factors import describe, trials_of, varying
from kpbench.plots.references import add_lines, reference_axis
from kpbench.plots.scores import beyond, drawable, kept, rounded, show_score, thinned, val_score
from kpbench.plots.traces import add_trace, label, line_style, marker_style
from kpbench.statistics.words import short_count

MOST_POINTS = 400
"""Complete trials drawn as points; the line has every step."""


def draw_best_so_far(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """A step line with the pass mark and the floors; every complete trial a point, runs that were stopped count too."""
    trials, shown = trials_of(rows), 0
    points: list[tuple[int, float, RunResult]] = []
    for row in trials:
        shown += row.images_seen(marks.train_faces)
        if drawable(score := val_score(row)):
            points.append((shown, score, row))
    if len(points) < 2 or not shown:
        return Drawing(notes=("The best so far is drawn from the second complete trial on.",))
    steps, best = [], 0.0
    for at, score, _ in points:
        if score > best:
            steps += [(at, rounded(best)), (at, rounded(score))] if best else [(at, rounded(score))]
            best = score
    steps.append((shown, rounded(best)))
    scores = [score for _, score, _ in points]
    axis, lines, keys = reference_axis(kept(scores), marks, split="val", least=0.0)
    figure = calm(go.Figure(), height=300)
    add_lines(figure, lines, (0, shown), upright=False)
    factors, drawn = varying(trials), thinned(points, MOST_POINTS)
    hover = [
        f"trial {row.trial}: {show_score(score)}, {label(describe(row.params, factors), length=90)}"
        for _, score, row in drawn
    ]
    add_trace(figure, [(at, rounded(score)) for at, score, _ in drawn], marker=marker_style("other", 6), hover=hover)
    add_trace(figure, steps, line=line_style("first", 2.5))
    figure.update_xaxes(range=[0, 1.02 * shown], nticks=6, title={"text": "images shown by the search, all trials"})
    figure.update_yaxes(**score_layout(axis, title="validation score"))
    alt = f"Best validation score so far over {short_count(shown)} images: from {show_score(points[0][1])} to "
    alt += f"{show_score(best)} in {len(points)} complete trials."
    own = (Key("best so far", "first", "line"), Key("a complete trial", "other", "dot"))
    return Drawing((Panel("", figure, alt),), (*own, *keys), beyond(axis, scores))
