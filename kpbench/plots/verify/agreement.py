"""Built-in against real faces: the cells' scores, their ranks, and each contrast on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from kpbench.analysis.verify.agreement import Comparison, Verification
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Mark, Panel, calm, score_layout
from kpbench.plots.factors import clipped, show_level
from kpbench.plots.ratios import add_band, band_key, ratio_ends, ratio_layout
from kpbench.plots.scores import rounded, score_axis, show_score
from kpbench.space.design import Design
from kpbench.statistics.cell_agreement import comparison_half_width
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.sign_agreement import SignAgreement

SYMBOLS: tuple[tuple[str, Mark], ...] = (("circle", "dot"), ("square", "square"), ("diamond", "diamond"))
"""For the levels of the second factor plotly's symbol and the legend's mark."""

NONE = Drawing(notes=("Nothing is compared before every run of both sides has an outcome.",))


@dataclass(frozen=True)
class Look:
    """How a cell is drawn: colour by the first factor, symbol by the second, open at the third's second level."""

    role: str
    symbol: str


@dataclass(frozen=True)
class CellPoint:
    """One cell: built-in first, real second.

    Attributes:
        levels: its name without those of the factors.
        scores: geometric means over seeds; `ends` their intervals for looking at cells beside each other.
    """

    name: str
    levels: str
    look: Look
    scores: tuple[float, float]
    ends: tuple[tuple[float, float], tuple[float, float]]
    ranks: tuple[int, int]
    apart: bool


def cell_name(design: Design, cell: Mapping[str, Scalar]) -> str:
    """A cell in a few words: `norm batch, dropout none, depth 4`."""
    names = factor_names(design)
    return ", ".join(f"{names[name]} {show_level(level)}" for name, level in cell.items())


def cell_points(compared: Comparison, design: Design) -> tuple[CellPoint, ...]:
    """Every cell in the order of the design."""
    means = [logs.mean(axis=1) for logs in compared.logs]
    halves = [comparison_half_width(logs) for logs in compared.logs]

    def score(side: int, at: int, shift: float = 0.0) -> float:
        return float(np.exp(shift * halves[side] - means[side][at]) / 2.0)

    return tuple(
        CellPoint(
            name=cell_name(design, design.cells[found.cell]),
            levels=" / ".join(map(show_level, design.cells[found.cell].values())),
            look=_look(design, design.cells[found.cell]),
            scores=(score(0, at), score(1, at)),
            ends=((score(0, at, -1), score(0, at, 1)), (score(1, at, -1), score(1, at, 1))),
            ranks=found.ranks,
            apart=found.apart,
        )
        for at, found in enumerate(compared.cells)
    )


def draw_scores(found: Verification) -> Drawing:
    """Each cell's score on the built-in faces (across) and on the real ones (up), both with intervals."""
    side = found.sides[0]
    if found.comparison is None or side is None:
        return NONE
    points = cell_points(found.comparison, side.design)
    figure = go.Figure()
    for point in points:
        for axis in (0, 1):
            (x, y), ends = point.scores, point.ends[axis]
            figure.add_scatter(
                x=[rounded(end) for end in ends] if axis == 0 else [rounded(x)] * 2,
                y=[rounded(end) for end in ends] if axis == 1 else [rounded(y)] * 2,
                mode="lines",
                line={"color": light(point.look.role), "width": 1},
                opacity=0.45,
                hoverinfo="skip",
            )
    for point in points:
        figure.add_scatter(
            x=[rounded(point.scores[0])],
            y=[rounded(point.scores[1])],
            mode="markers",
            marker={
                "symbol": point.look.symbol,
                "size": 10,
                "color": light(point.look.role),
                "line": {"width": 2, "color": light(point.look.role)},
            },
            hovertext=_hover(point, found.names),
            hoverinfo="text",
        )
    calm(figure, height=460, left=58, bottom=48)
    axes = [score_axis([end for point in points for end in point.ends[at]], log=True) for at in (0, 1)]
    figure.update_xaxes(**score_layout(axes[0], title=f"score on {clipped(found.names[0], length=24)}"))
    figure.update_yaxes(**score_layout(axes[1], title=f"score on {clipped(found.names[1], length=24)}"))
    tau = found.comparison.agreement.tau
    alt = (
        f"Scores of {len(points)} cells on the built-in faces against those on the real ones; "
        f"Kendall's tau {'none' if tau is None else f'{tau:.2f}'}."
    )
    table = tuple(
        (point.name, *(show_score(score) for score in point.scores), *map(str, point.ranks)) for point in points
    )
    heads = ("Cell", "Score, built-in", "Score, real", "Rank, built-in", "Rank, real")
    panel = Panel("", figure, alt, levels=(heads, *table))
    note = (
        "Bars: 95 % intervals for looking at cells beside each other, from the residual of all cells; what the "
        "cells of a seed share is left out."
    )
    return Drawing((panel,), _keys(side.design), (note,))


def draw_ranks(found: Verification) -> Drawing:
    """Each cell's rank on both sides as a line; those parted by more than noise stand out."""
    side = found.sides[0]
    if found.comparison is None or side is None:
        return NONE
    points = cell_points(found.comparison, side.design)
    figure = go.Figure()
    places = [_places([point.ranks[at] for point in points]) for at in (0, 1)]
    for at, point in enumerate(points):
        figure.add_scatter(
            x=[0, 1],
            y=[places[0][at], places[1][at]],
            mode="lines+markers",
            line={"color": light(point.look.role), "width": 4 if point.apart else 1.5},
            marker={
                "symbol": point.look.symbol,
                "size": 9,
                "color": light(point.look.role),
                "line": {"width": 2, "color": light(point.look.role)},
            },
            opacity=1.0 if point.apart else 0.75,
            hovertext=_hover(point, found.names),
            hoverinfo="text",
        )
    calm(figure, height=64 + 23 * len(points), left=225, right=44, top=30, bottom=8)
    figure.update_xaxes(range=[-0.04, 1.04], showgrid=False, showticklabels=False)
    figure.update_yaxes(range=[len(points) + 0.6, 0.4], showgrid=False, showticklabels=False)
    for at, point in enumerate(points):
        name = escape(clipped(point.levels, length=32), quote=False)
        ends = (
            (f"{name}  <b>{point.ranks[0]}</b>", 0, "right", places[0][at]),
            (f"<b>{point.ranks[1]}</b>", 1, "left", places[1][at]),
        )
        for text, x, anchor, y in ends:
            # Placed on the paper: plotly hides a mark of an axis that lies outside its range.
            figure.add_annotation(
                text=text, xref="paper", x=x, xanchor=anchor, xshift=6 if x else -6, y=y, yanchor="middle",
                showarrow=False, font={"size": 12, "color": light("ink")},
            )  # fmt: skip
    factors = " / ".join(factor_names(side.design).values())
    heads = ((factors, 0, "right", -28), ("built-in", 0, "left", 0), ("real", 1, "right", 0))
    for text, x, anchor, shift in heads:
        figure.add_annotation(
            text=text, xref="paper", x=x, xanchor=anchor, xshift=shift, yref="paper", y=1, yanchor="bottom",
            showarrow=False, font={"size": 12, "color": light("muted")},
        )  # fmt: skip
    apart = [point.name for point in points if point.apart]
    alt = f"Ranks of {len(points)} cells on both sides. Apart by more than noise: {'; '.join(apart) or 'none'}."
    note = "A thick line: the sides rank the cell apart by more than the noise of both explains."
    return Drawing((Panel("", figure, alt, least_width=520),), _keys(side.design), (note,))


def draw_effects(found: Verification) -> Drawing:
    """The MSE ratio of every planned contrast on both sides."""
    side = found.sides[0]
    if found.comparison is None or side is None:
        return NONE
    signs = found.comparison.signs
    sesoi, names = side.design.sesoi, factor_names(side.design)
    figure = go.Figure()
    both = [contrast for sign in signs for contrast in sign.sides]
    low, high = ratio_ends([value for contrast in both for value in _values(contrast)], sesoi=sesoi)
    foot, head = len(signs) - 0.4, -0.7
    add_band(figure, sesoi, (foot, head), upright=True)
    for at, sign in enumerate(signs):
        for contrast, shift, (symbol, role) in zip(sign.sides, (-0.12, 0.16), SIDES, strict=True):
            values = [rounded(min(max(value, low), high), digits=6) for value in _values(contrast)]
            if not values:
                continue
            figure.add_scatter(
                x=values[1:], y=[at + shift] * len(values[1:]), mode="lines", line={"color": light(role), "width": 2.5},
                hoverinfo="skip",
            )  # fmt: skip
            figure.add_scatter(
                x=values[:1], y=[at + shift], mode="markers", hoverinfo="text",
                marker={"symbol": symbol, "size": 10, "color": light(role)},
                hovertext=f"{sign_name(sign, names)}: {values[0]:.3g}",
            )  # fmt: skip
    calm(figure, height=80 + 62 * len(signs), left=10)
    figure.update_xaxes(**ratio_layout(low, high, title="MSE ratio (log scale), below 1 is better"))
    figure.update_yaxes(range=[foot, head], showticklabels=False, showgrid=False)
    for at, sign in enumerate(signs):
        name = escape(clipped(sign_name(sign, names), length=36), quote=False)
        for text, x in ((f"<b>{name}</b>", 0), (WORDS[sign.word], 1)):
            figure.add_annotation(
                text=text, xref="paper", x=x, xanchor="right" if x else "left", y=at - 0.42, yanchor="middle",
                showarrow=False, font={"size": 12, "color": light("ink")},
            )  # fmt: skip
    alt = "; ".join(f"{sign_name(sign, names)}: {WORDS[sign.word]}" for sign in signs)
    keys = (Key("built-in faces", SIDES[0][1], "dot"), Key("real faces", SIDES[1][1], "diamond"), band_key(sesoi))
    return Drawing((Panel("", figure, f"MSE ratios of the contrasts on both sides. {alt}."),), keys)


SIDES = (("circle", "second"), ("diamond", "first"))
"""Symbol and colour role of the built-in and of the real side."""

WORDS = {"agree": "same sign", "disagree": "SIGN FLIPS", "one side": "told on one side", "neither": "told on neither"}
"""What is printed for each `Sign`."""


def sign_name(sign: SignAgreement, names: Mapping[str, str]) -> str:
    """A contrast in a few words: `norm batch / none`, and where it is held: `at dropout none`."""
    one = sign.sides[0]
    at = ", ".join(f"{names[name]} {show_level(level)}" for name, level in one.planned.at.items())
    name = f"{names[one.factor]} {show_level(one.level)} / {show_level(one.baseline)}"
    return f"{name} at {at}" if at else name


def _values(contrast: Contrast) -> list[float]:
    """The ratio, then the ends of its interval; empty without one."""
    if contrast.ratio is None or contrast.ci is None:
        return []
    return [contrast.ratio, contrast.ci.low, contrast.ci.high]


def _look(design: Design, cell: Mapping[str, Scalar]) -> Look:
    places = [design.factors[name].index(cell[name]) for name in design.asked]
    role = level_look(places[0])[0]
    symbol = SYMBOLS[(places[1] if len(places) > 1 else 0) % len(SYMBOLS)][0]
    third = len(places) > 2 and len(design.factors[design.asked[2]]) == 2 and places[2] == 1
    return Look(role, f"{symbol}-open" if third else symbol)


def _keys(design: Design) -> tuple[Key, ...]:
    names = factor_names(design)
    keys = []
    for place, factor in enumerate(design.asked[:3]):
        levels = design.factors[factor]
        for at, level in enumerate(levels):
            label = f"{names[factor]} {show_level(level)}"
            if place == 0:
                keys.append(Key(label, level_look(at)[0], "bar"))
            elif place == 1:
                keys.append(Key(label, "muted", SYMBOLS[at % len(SYMBOLS)][1]))
            elif len(levels) == 2:
                keys.append(Key(label + (", open mark" if at else ", full mark"), "muted", "ring" if at else "dot"))
    return tuple(keys)


def _places(ranks: list[int]) -> list[int]:
    """A line of its own for every cell: ties follow each other."""
    order = sorted(range(len(ranks)), key=lambda at: (ranks[at], at))
    return [order.index(at) + 1 for at in range(len(ranks))]


def _hover(point: CellPoint, names: tuple[str, str]) -> str:
    both = ", ".join(
        f"{name} {show_score(score)} (rank {rank})"
        for name, score, rank in zip(names, point.scores, point.ranks, strict=True)
    )
    return escape(f"{point.name}: {both}", quote=False)
