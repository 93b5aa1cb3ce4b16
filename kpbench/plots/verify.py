"""Built-in against real faces: the cells' scores, their ranks, and each contrast in both studies."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from kpbench.analysis.verify import StudyAgreement, Verification
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Mark, Panel, calm, score_layout
from kpbench.plots.factors import clipped, show_level
from kpbench.plots.ratios import add_band, band_key, ratio_ends, ratio_layout
from kpbench.plots.scores import rounded, score_axis, show_score
from kpbench.space.design import Design
from kpbench.statistics.agreement import CellAgreement, half_width
from kpbench.statistics.sign_agreement import SignAgreement

SYMBOLS: tuple[tuple[str, Mark], ...] = (("circle", "dot"), ("square", "square"), ("diamond", "diamond"))
"""For the levels of the second factor plotly's symbol and the legend's mark."""

LOOKS = (("circle", "second", -0.12), ("diamond", "first", 0.16))
"""For a contrast in the built-in and in the real study plotly's symbol, the colour role and the place on its line."""

WORDS = {
    "agree": "same sign",
    "disagree": "SIGN FLIPS",
    "one side": "significant in one",
    "neither": "significant in neither",
    "withheld": "withheld",
}
"""What is printed for each `Word`."""


def draw(found: Verification) -> dict[str, Drawing]:
    """The drawings `scores`, `ranks` and `effects`; without a result each is a sentence."""
    first, second = found.studies
    if found.result is None or first is None or second is None:
        note = "Nothing is compared before every run of both studies has an outcome."
        return dict.fromkeys(("scores", "ranks", "effects"), Drawing(notes=(note,)))
    widths = [float(np.exp(half_width(np.log(study.table.mse)))) for study in (first, second)]
    return {
        "scores": _scores(found.result, first.design, found.names, widths),
        "ranks": _ranks(found.result.ranks, first.design, found.names),
        "effects": _effects(found.result.contrasts, first.design),
    }


def cell_name(design: Design, cell: Mapping[str, Scalar]) -> str:
    """A cell in a few words: `norm batch, dropout none, depth 4`."""
    names = factor_names(design)
    return ", ".join(f"{names[name]} {show_level(level)}" for name, level in cell.items())


def contrast_name(design: Design, one: SignAgreement) -> str:
    """A contrast in a few words: `norm batch / none`, and where it is held: `at dropout none`."""
    name = f"{factor_names(design)[one.factor]} {show_level(one.level)} / {show_level(one.baseline)}"
    return f"{name} at {cell_name(design, one.at)}" if one.at else name


def _scores(result: StudyAgreement, design: Design, names: tuple[str, str], widths: Sequence[float]) -> Drawing:
    """Each cell's score on the built-in faces (across) and on the real ones (up), both with intervals."""
    figure = go.Figure()
    ends = [
        [[one.scores[at] / width, one.scores[at] * width] for one in result.ranks] for at, width in enumerate(widths)
    ]
    for one, across, up in zip(result.ranks, *ends, strict=True):
        for x, y in ((across, [one.scores[1]] * 2), ([one.scores[0]] * 2, up)):
            figure.add_scatter(
                x=list(map(rounded, x)), y=list(map(rounded, y)), mode="lines", opacity=0.45, hoverinfo="skip",
                line={"color": _marker(design, one)["color"], "width": 1},
            )  # fmt: skip
    for one in result.ranks:
        figure.add_scatter(
            x=[rounded(one.scores[0])], y=[rounded(one.scores[1])], mode="markers",
            marker=_marker(design, one, size=10), hovertext=_hover(design, one, names), hoverinfo="text",
        )  # fmt: skip
    calm(figure, height=460, left=58, bottom=48)
    for update, name, mine in zip((figure.update_xaxes, figure.update_yaxes), names, ends, strict=True):
        axis = score_axis([end for pair in mine for end in pair], log=True, least=0.0)
        update(**score_layout(axis, title=f"score on {clipped(name, length=24)}"))
    tau = result.agreement.tau
    alt = (
        f"Scores of {len(result.ranks)} cells on the built-in faces against those on the real ones; "
        f"Kendall's tau {'none' if tau is None else f'{tau:.2f}'}."
    )
    heads = ("Cell", "Score, built-in", "Score, real", "Rank, built-in", "Rank, real")
    table = ((cell_name(design, one.cell), *map(show_score, one.scores), *map(str, one.ranks)) for one in result.ranks)
    note = (
        "Bars: 95 % intervals for looking at cells beside each other, from the residual of all cells; what the "
        "cells of a seed share is left out."
    )
    return Drawing((Panel("", figure, alt, levels=(heads, *table)),), _keys(design), (note,))


def _ranks(ranks: Sequence[CellAgreement], design: Design, names: tuple[str, str]) -> Drawing:
    """Each cell's rank in both studies as a line; those parted by more than noise stand out."""
    figure = go.Figure()
    places = [_places([one.ranks[at] for one in ranks]) for at in (0, 1)]
    for one, *ends in zip(ranks, *places, strict=True):
        marker = _marker(design, one, size=9)
        figure.add_scatter(
            x=[0, 1], y=ends, mode="lines+markers", line={"color": marker["color"], "width": 4 if one.apart else 1.5},
            marker=marker, opacity=1.0 if one.apart else 0.75, hovertext=_hover(design, one, names), hoverinfo="text",
        )  # fmt: skip
    calm(figure, height=64 + 23 * len(ranks), left=225, right=44, top=30, bottom=8)
    figure.update_xaxes(range=[-0.04, 1.04], showgrid=False, showticklabels=False)
    figure.update_yaxes(range=[len(ranks) + 0.6, 0.4], showgrid=False, showticklabels=False)
    for one, left, right in zip(ranks, *places, strict=True):
        name = escape(clipped(" / ".join(map(show_level, one.cell.values())), length=32), quote=False)
        _write(figure, f"{name}  <b>{one.ranks[0]}</b>", x=0, xanchor="right", xshift=-6, y=left)
        _write(figure, f"<b>{one.ranks[1]}</b>", x=1, xanchor="left", xshift=6, y=right)
    factors = " / ".join(factor_names(design).values())
    for text, x, anchor, shift in ((factors, 0, "right", -28), ("built-in", 0, "left", 0), ("real", 1, "right", 0)):
        _write(figure, text, x=x, xanchor=anchor, xshift=shift, y=1, yref="paper", yanchor="bottom", role="muted")
    apart = [cell_name(design, one.cell) for one in ranks if one.apart]
    alt = f"Ranks of {len(ranks)} cells in both studies. Apart by more than noise: {'; '.join(apart) or 'none'}."
    note = "A thick line: the studies rank the cell apart by more than the noise of both explains."
    return Drawing((Panel("", figure, alt, least_width=520),), _keys(design), (note,))


def _effects(contrasts: Sequence[SignAgreement], design: Design) -> Drawing:
    """The MSE ratio of every planned contrast in both studies."""
    figure = go.Figure()
    low, high = ratio_ends([end for one in contrasts for ends in one.intervals for end in ends], sesoi=design.sesoi)
    foot, head = len(contrasts) - 0.4, -0.7
    add_band(figure, design.sesoi, (foot, head), upright=True)
    for at, one in enumerate(contrasts):
        for value, ends, (symbol, role, shift) in zip(one.ratios, one.intervals, LOOKS, strict=True):
            ratio, *x = (rounded(min(max(number, low), high), digits=6) for number in (value, *ends))
            figure.add_scatter(
                x=x, y=[at + shift] * 2, mode="lines", line={"color": light(role), "width": 2.5}, hoverinfo="skip"
            )
            figure.add_scatter(
                x=[ratio], y=[at + shift], mode="markers", marker={"symbol": symbol, "size": 10, "color": light(role)},
                hovertext=f"{contrast_name(design, one)}: {ratio:.3g}", hoverinfo="text",
            )  # fmt: skip
    calm(figure, height=80 + 62 * len(contrasts), left=10)
    figure.update_xaxes(**ratio_layout(low, high, title="MSE ratio (log scale), below 1 is better"))
    figure.update_yaxes(range=[foot, head], showticklabels=False, showgrid=False)
    for at, one in enumerate(contrasts):
        name = escape(clipped(contrast_name(design, one), length=36), quote=False)
        _write(figure, f"<b>{name}</b>", x=0, xanchor="left", y=at - 0.42)
        _write(figure, WORDS[one.word], x=1, xanchor="right", y=at - 0.42)
    said = "; ".join(f"{contrast_name(design, one)}: {WORDS[one.word]}" for one in contrasts)
    keys = (Key("built-in faces", LOOKS[0][1], "dot"), Key("real faces", LOOKS[1][1], "diamond"))
    panel = Panel("", figure, f"MSE ratios of the contrasts in both studies. {said}.")
    return Drawing((panel,), (*keys, band_key(design.sesoi)))


def _write(figure: go.Figure, text: str, *, role: str = "ink", yanchor: str = "middle", **place: object) -> None:
    """Writes on the paper's width: plotly hides a mark of an axis that lies outside its range."""
    figure.add_annotation(
        text=text, xref="paper", yanchor=yanchor, showarrow=False, font={"size": 12, "color": light(role)}, **place
    )


def _marker(design: Design, one: CellAgreement, *, size: int = 0) -> dict[str, Any]:
    """Colour by the first factor; where there are so many, symbol by the second, open at the third's second level."""
    first, second, third = (*(design.factors[name].index(one.cell[name]) for name in design.asked), 0, 0)[:3]
    colour, symbol = light(level_look(first)[0]), SYMBOLS[second % len(SYMBOLS)][0]
    if third == 1 and len(design.factors[design.asked[2]]) == 2:
        symbol += "-open"
    return {"symbol": symbol, "size": size, "color": colour, "line": {"width": 2, "color": colour}}


def _keys(design: Design) -> tuple[Key, ...]:
    keys = []
    for place, factor in enumerate(design.asked):
        for at, level in enumerate(design.factors[factor]):
            label = f"{factor_names(design)[factor]} {show_level(level)}"
            if place == 0:
                keys.append(Key(label, level_look(at)[0], "bar"))
            elif place == 1:
                keys.append(Key(label, "muted", SYMBOLS[at % len(SYMBOLS)][1]))
            elif len(design.factors[factor]) == 2:
                keys.append(Key(label + (", open mark" if at else ", full mark"), "muted", "ring" if at else "dot"))
    return tuple(keys)


def _places(ranks: Sequence[int]) -> list[int]:
    """A line of its own for every cell: ties follow each other."""
    return [int(place) + 1 for place in np.argsort(np.argsort(ranks, kind="stable"))]


def _hover(design: Design, one: CellAgreement, names: tuple[str, str]) -> str:
    places = zip(names, one.scores, one.ranks, strict=True)
    both = ", ".join(f"{name} {show_score(score)} (rank {rank})" for name, score, rank in places)
    return escape(f"{cell_name(design, one.cell)}: {both}", quote=False)
