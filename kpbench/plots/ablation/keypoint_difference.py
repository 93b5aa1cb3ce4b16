"""Keypoint differences: the MSE ratio of each keypoint drawn at its place, one panel a contrast."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.faces.faces import KEYPOINTS
from kpbench.plots.ablation.names import contrast_name
from kpbench.plots.colours import DIVERGING
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.scores import rounded
from kpbench.plots.traces import add_trace, label, line_style, marker_style
from kpbench.statistics.scale import log_margin
from kpbench.statistics.slices import SliceContrast
from kpbench.statistics.words import interval_text, number, p_text, percent

MEAN_FACE = (
    (66.2, 36.8), (29.6, 37.1), (59.3, 37.9), (73.4, 37.6), (36.6, 37.9), (22.4, 38.0), (56.1, 29.2), (79.6, 29.7),
    (39.3, 29.4), (15.8, 30.5), (48.0, 57.3), (63.4, 75.9), (33.0, 76.1), (48.1, 72.7), (48.1, 82.6),
)  # fmt: skip
"""Mean place in pixels, x then y, of each keypoint in the labels of Kaggle's Facial Keypoints Detection training set
(7,049 rows, each keypoint over the rows that have it)."""

OUTLINE = ((9, 8), (6, 7), (5, 1, 4), (2, 0, 3), (12, 13, 11, 14, 12))
"""Keypoints joined by a light line for orientation: brows, eyes, mouth."""

FACE = tuple(
    (
        48 + 41 * math.sin(math.tau * step / 48),
        55 - (43 - 3 * math.cos(math.tau * step / 24)) * math.cos(math.tau * step / 48),
    )
    for step in range(49)
)
NOSE = ((45.5, 42.0), (43.0, 54.0), (42.5, 58.0), (48.0, 60.5), (53.5, 58.0))
"""The outline of a face and of its nose around these places, for orientation alone."""

STEEPEST = 0.9
"""The share of all ratios, by their distance from 1, that the inner steps of the colour scale span."""

SHAPES = "Diamonds: a lower MSE than at the baseline; squares: a higher one; circles: within the effect of interest."

LARGE = 6
"""Up to this many panels are drawn large."""


class KeypointMark(NamedTuple):
    """One keypoint of one contrast: where it is drawn, what is known of it, and its step on the colour scale.

    Attributes:
        step: -3 (far below 1) to 3 (far above), 0 within the smallest effect of interest.
    """

    name: str
    place: tuple[float, float]
    found: SliceContrast
    ringed: bool
    step: int


def scale_edges(ratios: Iterable[float], *, sesoi: float) -> tuple[float, float, float]:
    """The ratios above 1 at which the colour changes, the same below 1 as their inverses.

    The first is the smallest effect of interest; the others part what lies beyond it, up to the ratio that
    `STEEPEST` of all stay within, into three equal steps of the logarithm.
    """
    first = log_margin(sesoi)
    far = sorted(abs(math.log(ratio)) for ratio in ratios)
    last = far[math.ceil(STEEPEST * len(far)) - 1] if far else 0.0
    step = max(last - first, 2.0 * first) / 3.0
    return 1.0 + sesoi, math.exp(first + step), math.exp(first + 2.0 * step)


def step_of(ratio: float, edges: Sequence[float]) -> int:
    """How many edges a ratio lies beyond, negative below 1."""
    far = sum(max(ratio, 1.0 / ratio) > edge for edge in edges)
    return far if ratio > 1.0 else -far


def keypoint_marks(found: Analysis) -> tuple[list[tuple[str, list[KeypointMark]]], tuple[float, float, float]]:
    """For each contrast with at least two usable seeds its name and 15 keypoints, and the edges of the colour scale."""
    edges = scale_edges((one.ratio for detail in found.details for one in detail.keypoints), sesoi=found.design.sesoi)
    marks = []
    for contrast, detail in zip(found.contrasts, found.details, strict=True):
        if detail.keypoints:
            ringed = detail.marked(found.design.alpha)
            mine = [
                KeypointMark(name.replace("_", " "), place, one, ring, step_of(one.ratio, edges))
                for name, place, one, ring in zip(KEYPOINTS, MEAN_FACE, detail.keypoints, ringed, strict=True)
            ]
            marks.append((contrast_name(found, contrast), mine))
    return marks, edges


def draw_keypoint_difference(found: Analysis) -> Drawing:
    """One face a contrast: colour is the ratio on one scale, a ring marks what holds after adjustment."""
    marks, edges = keypoint_marks(found)
    if not marks:
        return Drawing(notes=("No contrast has two seeds whose rows hold the errors of single keypoints.",))
    panels = tuple(_panel(name, mine, large=len(marks) <= LARGE) for name, mine in marks)
    ends = [number(end) for end in (*(1.0 / edge for edge in reversed(edges)), *edges)]
    steps = (f"MSE ratio below {ends[0]}", *(f"{low} to {high}" for low, high in pairwise(ends)), f"above {ends[-1]}")
    keys = [Key(text, role, "square") for text, role in zip(steps, DIVERGING, strict=True)]
    if any(mark.ringed for _, mine in marks for mark in mine):
        keys.append(Key(f"adjusted p below {found.design.alpha:g}", "ink", "ring"))
    of = len(found.contrasts)
    without = f"{of - len(marks)} of {of} contrasts have fewer than two seeds with errors of keypoints."
    return Drawing(panels, tuple(keys), (SHAPES, without) if of > len(marks) else (SHAPES,))


def _panel(name: str, marks: Sequence[KeypointMark], *, large: bool) -> Panel:
    figure = calm(go.Figure(), height=290 if large else 215, left=4, right=4, top=4, bottom=4)
    size = 15 if large else 11
    for joined in (FACE, NOSE, *([MEAN_FACE[at] for at in one] for one in OUTLINE)):
        places = [(round(x, 1), round(y, 1)) for x, y in joined]
        add_trace(figure, places, line=line_style("rule", 1.5) | {"shape": "spline"})
    rings = [mark for mark in marks if mark.ringed]
    if rings:
        marker = marker_style("ink", size + 7, "circle-open") | {"line": {"width": 1.5}}
        add_trace(figure, [mark.place for mark in rings], marker=marker)
    for step, role in enumerate(DIVERGING, start=-3):
        mine = [mark for mark in marks if mark.step == step]
        if mine:
            symbol = "circle" if step == 0 else "diamond" if step < 0 else "square"
            marker = marker_style(role, size if step < 0 else size - 2, symbol) | {"line": line_style("muted", 0.75)}
            hover = [_hover(mark) for mark in mine]
            add_trace(figure, [mark.place for mark in mine], marker=marker, hover=hover)
    figure.update_xaxes(range=[2, 94], visible=False, constrain="domain")
    figure.update_yaxes(range=[98, 12], visible=False, scaleanchor="x", constrain="domain")
    ratios = [mark.found.ratio for mark in marks]
    ringed = ", ".join(mark.name for mark in rings) or "none"
    alt = f"MSE ratio of each keypoint, {name}: {number(min(ratios))} to {number(max(ratios))}. Ringed: {ringed}."
    body = (
        (one.name, number(one.found.ratio), interval_text(one.found.ci), p_text(one.found.p_adjusted)) for one in marks
    )
    return Panel(name, figure, alt, levels=(("Keypoint", "MSE ratio", "Interval", "p adjusted"), *body))


def _hover(mark: KeypointMark) -> str:
    return label(
        f"{mark.name}: MSE {percent(mark.found.ratio)}, ratio {number(rounded(mark.found.ratio))}, "
        f"{interval_text(mark.found.ci)}, adjusted p {p_text(mark.found.p_adjusted)}"
    )
