"""Paired slopes: the score of baseline and level joined for every block of a contrast."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import contrast_name, factor_names
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.factors import show_level
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, drawable, geometric_mean, rounded, show_score
from kpbench.plots.traces import GAP, add_trace, line_style, marker_style, name_ticks
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.plan import contrast_weights, differences
from kpbench.statistics.words import plural
from kpbench.task.score import score_from_mse

PAIR = 150
"""Least pixels for one contrast."""


class Slope(NamedTuple):
    """One block of a contrast, baseline first, level second.

    Attributes:
        scores: each the geometric mean over its cells.
        failed: whether a run there diverged and counts with the mean face's MSE.
    """

    block: int
    scores: tuple[float, float]
    failed: tuple[bool, bool]

    @property
    def higher(self) -> bool:
        """Whether the level scores higher than the baseline."""
        return self.scores[1] > self.scores[0]


def slopes(table: BlockTable, contrast: Contrast) -> tuple[Slope, ...]:
    """The slopes of the blocks that every cell of the contrast has run, in the order of the blocks."""
    weights = contrast_weights(table, contrast.planned)
    cells = (weights < 0.0, weights > 0.0)
    logs = [differences(table, np.where(mine, np.abs(weights), 0.0)) for mine in cells]
    failed = [np.any(table.failed[mine], axis=0).tolist() for mine in cells]
    return tuple(
        Slope(block, (score_from_mse(math.exp(before)), score_from_mse(math.exp(after))), lost)
        for block, before, after, lost in zip(table.blocks, *logs, zip(*failed, strict=True), strict=True)
        if not (math.isnan(before) or math.isnan(after))
    )


def draw_paired_slopes(found: Analysis) -> Drawing:
    """One panel a factor; for each of its contrasts a line a block from the baseline to the level."""
    pairs = [(contrast, slopes(found.table, contrast)) for contrast in found.contrasts]
    if not any(lines for _, lines in pairs):
        return Drawing(notes=("No block has run for both sides of a contrast yet.",))
    scores = [score for _, lines in pairs for line in lines for score in line.scores]
    axis, floors, floor_keys = reference_axis(scores, Marks(floor=found.floor), split=found.split, log=True)
    by_factor: dict[str, list[tuple[Contrast, Sequence[Slope]]]] = {}
    for contrast, lines in pairs:
        if lines:
            by_factor.setdefault(contrast.factor, []).append((contrast, lines))
    panels = tuple(_panel(found, mine, axis, floors) for mine in by_factor.values())
    keys = [
        Key("a block in which the level scores higher", "second", "line"),
        Key("a block in which it does not", "first", "line", "dash"),
        Key("geometric mean over blocks", "ink", "diamond"),
    ]
    if any(any(line.failed) for _, lines in pairs for line in lines):
        keys.append(Key("a run of the block diverged, with the mean face's MSE", "failed", "cross"))
    empty = [contrast_name(found, contrast) for contrast, lines in pairs if not lines]
    notes = [f"Without a complete block, not drawn: {', '.join(empty)}."] if empty else []
    below = sum(min(line.scores) < axis.low for _, lines in pairs for line in lines)
    if below:
        notes.append(f"{plural(below, 'line')} beyond the axis, below {show_score(axis.low)}.")
    return Drawing(panels, (*keys, *floor_keys), tuple(notes))


def _panel(
    found: Analysis, pairs: Sequence[tuple[Contrast, Sequence[Slope]]], axis: ScoreAxis, floors: Sequence[Line]
) -> Panel:
    figure = calm(go.Figure(), height=360, left=58)
    ends = (-0.45, 2 * len(pairs) - 0.55)
    add_lines(figure, floors, ends, upright=False)
    for at, (_, lines) in enumerate(pairs):
        _add_slopes(figure, 2.0 * at, lines)
    levels = [level for contrast, _ in pairs for level in (contrast.baseline, contrast.level)]
    ticks = name_ticks(map(show_level, levels), length=13)
    ticks["tickvals"] = [2 * (at // 2) + 0.8 * (at % 2) + 0.1 for at in range(len(levels))]
    figure.update_xaxes(range=list(ends), showgrid=False, **ticks)
    figure.update_yaxes(**score_layout(axis, title="score"))
    higher = "; ".join(
        f"{contrast_name(found, contrast)}: higher in {sum(line.higher for line in lines)} of {len(lines)}"
        for contrast, lines in pairs
    )
    head = ("contrast", "block", "baseline", "level")
    body = [
        (contrast_name(found, contrast), str(line.block), *map(show_score, line.scores))
        for contrast, lines in pairs
        for line in lines
    ]
    alt = f"Test scores of baseline and level in each block. {higher}."
    width = 70 + PAIR * len(pairs) if len(pairs) > 1 else 0
    name = factor_names(found.design)[pairs[0][0].factor]
    return Panel(name, figure, alt, least_width=width, levels=(head, *body))


def _add_slopes(figure: go.Figure, start: float, lines: Sequence[Slope]) -> None:
    ends = (start + 0.1, start + 0.9)
    drawn = [line for line in lines if all(map(drawable, line.scores))]
    for higher, role, dash in ((True, "second", "solid"), (False, "first", "dash")):
        mine = [line for line in drawn if line.higher == higher]
        if mine:
            add_trace(
                figure,
                [point for line in mine for point in (*zip(ends, map(rounded, line.scores), strict=True), GAP)],
                line=line_style(role, 1.25, dash),
                marker=marker_style(role, 5),
                text=[text for line in mine for text in (f"block {line.block}", f"block {line.block}", "")],
                hovertemplate="%{text}: %{y}<extra></extra>",
            )
    lost = [(ends[at], line.scores[at], line.block) for at in (0, 1) for line in drawn if line.failed[at]]
    if lost:
        add_trace(
            figure,
            [(place, rounded(score)) for place, score, _ in lost],
            marker={"symbol": "x-thin", "size": 10, "line": line_style("failed", 2.5)},
            text=[f"block {block}: a run diverged" for _, _, block in lost],
            hoverinfo="text",
        )
    means = [geometric_mean(line.scores[at] for line in drawn) for at in (0, 1)]
    if all(map(drawable, means)):
        add_trace(
            figure,
            zip(ends, map(rounded, means), strict=True),
            line=line_style("ink", 3),
            marker=marker_style("ink", 10, "diamond"),
            hovertemplate="geometric mean %{y}<extra></extra>",
        )
