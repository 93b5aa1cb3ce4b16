"""Paired slopes: the score of baseline and level joined for every block of a contrast."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import contrast_name, factor_names
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, add_lines, calm, floor_lines, score_layout
from kpbench.plots.factors import clipped, show_level
from kpbench.plots.scores import ScoreAxis, drawable, geometric_mean, rounded, score_axis, show_score
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.plan import contrast_weights, differences
from kpbench.task.score import score_from_mse

PAIR = 150
"""Least pixels for one contrast."""


@dataclass(frozen=True)
class Slope:
    """One block of a contrast: the scores of its two sides, each the geometric mean over the side's cells.

    Attributes:
        baseline_failed, level_failed: a run of that side diverged and counts with the mean face's MSE.
    """

    block: int
    baseline: float
    level: float
    baseline_failed: bool
    level_failed: bool

    @property
    def failed(self) -> bool:
        """Whether a run of either side diverged."""
        return self.baseline_failed or self.level_failed


def slopes(table: BlockTable, contrast: Contrast) -> tuple[Slope, ...]:
    """The slopes of the blocks that every cell of the contrast has run, in the order of the blocks."""
    weights = contrast_weights(table, contrast.planned)
    before, after = (_log_mse(table, weights, sign) for sign in (-1.0, 1.0))
    lost = [np.any(table.failed[weights * sign > 0.0], axis=0).tolist() for sign in (-1.0, 1.0)]
    return tuple(
        Slope(
            block=block,
            baseline=score_from_mse(math.exp(before[at])),
            level=score_from_mse(math.exp(after[at])),
            baseline_failed=lost[0][at],
            level_failed=lost[1][at],
        )
        for at, block in enumerate(table.blocks)
        if not (math.isnan(before[at]) or math.isnan(after[at]))
    )


def _log_mse(table: BlockTable, weights: NDArray[np.float64], sign: float) -> NDArray[np.float64]:
    return differences(table, np.where(weights * sign > 0.0, np.abs(weights), 0.0))


def draw_paired_slopes(found: Analysis) -> Drawing:
    """One panel a factor; for each of its contrasts a line a block from the baseline to the level."""
    pairs = [(contrast, slopes(found.table, contrast)) for contrast in found.contrasts]
    if not any(lines for _, lines in pairs):
        return Drawing(notes=("No block has run for both sides of a contrast yet.",))
    axis = score_axis(
        (score for _, lines in pairs for line in lines for score in (line.baseline, line.level)),
        marks=[scores.get("test", 0.0) for scores in found.floor.values()],
        log=True,
    )
    floors, floor_keys = floor_lines(found.floor, axis, split="test")
    panels = []
    for factor in dict.fromkeys(contrast.factor for contrast, _ in pairs):
        mine = [(contrast, lines) for contrast, lines in pairs if contrast.factor == factor and lines]
        if mine:
            panels.append(_panel(found, factor, mine, axis, floors))
    keys = [
        Key("a block in which the level scores higher", "second", "line"),
        Key("a block in which it does not", "first", "line", "dash"),
        Key("geometric mean over blocks", "ink", "diamond"),
    ]
    if any(line.failed for _, lines in pairs for line in lines):
        keys.append(Key("a run of the block diverged, with the mean face's MSE", "failed", "cross"))
    empty = [contrast_name(found, contrast) for contrast, lines in pairs if not lines]
    notes = (f"Without a complete block, not drawn: {', '.join(empty)}.",) if empty else ()
    return Drawing(tuple(panels), (*keys, *floor_keys), notes)


def _panel(
    found: Analysis,
    factor: str,
    pairs: Sequence[tuple[Contrast, Sequence[Slope]]],
    axis: ScoreAxis,
    floors: Sequence[tuple[float, str, str]],
) -> Panel:
    figure = go.Figure()
    ends = (-0.45, 2 * len(pairs) - 0.55)
    add_lines(figure, floors, ends, upright=False)
    ticks: list[str] = []
    for at, (contrast, lines) in enumerate(pairs):
        _add_slopes(figure, 2.0 * at, lines)
        ticks += [_tick(show_level(contrast.baseline)), _tick(show_level(contrast.level))]
    calm(figure, height=360, left=58)
    figure.update_xaxes(
        range=list(ends),
        tickmode="array",
        tickvals=[2 * (at // 2) + 0.8 * (at % 2) + 0.1 for at in range(len(ticks))],
        ticktext=ticks,
        showgrid=False,
    )
    figure.update_yaxes(**score_layout(axis, title="test score"))
    higher = "; ".join(
        f"{contrast_name(found, contrast)}: higher in {sum(one.level > one.baseline for one in lines)} of {len(lines)}"
        for contrast, lines in pairs
    )
    head = ("contrast", "block", "baseline", "level")
    body = [
        (contrast_name(found, contrast), str(line.block), show_score(line.baseline), show_score(line.level))
        for contrast, lines in pairs
        for line in lines
    ]
    alt = f"Test scores of baseline and level in each block. {higher}."
    width = 70 + PAIR * len(pairs)
    name = factor_names(found.design)[factor]
    return Panel(name, figure, alt, least_width=width if len(pairs) > 1 else 0, levels=(head, *body))


def _tick(text: str) -> str:
    return escape(clipped(text, length=13), quote=False)


def _add_slopes(figure: go.Figure, start: float, lines: Sequence[Slope]) -> None:
    before, after = start + 0.1, start + 0.9
    drawn = [line for line in lines if drawable(line.baseline) and drawable(line.level)]
    for higher, role, dash in ((True, "second", "solid"), (False, "first", "dash")):
        mine = [line for line in drawn if (line.level > line.baseline) == higher]
        if not mine:
            continue
        figure.add_scatter(
            x=[place for _ in mine for place in (before, after, None)],
            y=[score for line in mine for score in (rounded(line.baseline), rounded(line.level), None)],
            mode="lines+markers",
            line={"color": light(role), "width": 1.25, "dash": dash},
            marker={"size": 5, "color": light(role)},
            text=[text for line in mine for text in (f"block {line.block}", f"block {line.block}", "")],
            hovertemplate="%{text}: %{y}<extra></extra>",
        )
    lost = [(before, line.baseline, line.block) for line in drawn if line.baseline_failed]
    lost += [(after, line.level, line.block) for line in drawn if line.level_failed]
    if lost:
        figure.add_scatter(
            x=[place for place, _, _ in lost],
            y=[rounded(score) for _, score, _ in lost],
            mode="markers",
            marker={"symbol": "x-thin", "size": 10, "line": {"width": 2.5, "color": light("failed")}},
            text=[f"block {block}: a run diverged" for _, _, block in lost],
            hoverinfo="text",
        )
    means = [geometric_mean(line.baseline for line in drawn), geometric_mean(line.level for line in drawn)]
    if all(map(drawable, means)):
        figure.add_scatter(
            x=[before, after],
            y=[rounded(mean) for mean in means],
            mode="lines+markers",
            line={"color": light("ink"), "width": 3},
            marker={"symbol": "diamond", "size": 10, "color": light("ink")},
            hovertemplate="geometric mean %{y}<extra></extra>",
        )
