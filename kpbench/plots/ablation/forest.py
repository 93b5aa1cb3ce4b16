"""Forest plot: the MSE ratio of every planned contrast with its intervals beside the smallest-effect band."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import contrast_name, effect_words
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Mark, Panel, calm
from kpbench.plots.factors import clipped
from kpbench.plots.ratios import add_band, band_key, ratio_ends, ratio_layout
from kpbench.plots.scores import rounded
from kpbench.statistics.intervals import Interval
from kpbench.statistics.verdicts import Word
from kpbench.statistics.words import interval_text, number

LABEL = 36
"""Letters of a contrast's name that fit above its line on a telephone."""

LOOKS: dict[Word, tuple[str, Mark, str]] = {
    "better": ("diamond", "diamond", "pass"),
    "worse": ("square", "square", "failed"),
    "equivalent": ("circle", "dot", "second"),
    "undecided": ("circle-open", "ring", "muted"),
    "withheld": ("x-thin", "cross", "pruned"),
    "incomplete": ("x-thin", "cross", "pruned"),
}
"""For each verdict plotly's symbol, the legend's mark and the colour role."""


@dataclass(frozen=True)
class ForestLine:
    """One planned contrast; a number is None where it cannot be computed, `faces` the interval over seeds and faces."""

    name: str
    effect: str
    word: Word
    n: int
    planned: int
    ratio: float | None
    low: float | None
    high: float | None
    faces: Interval | None = None


def forest_lines(found: Analysis) -> tuple[ForestLine, ...]:
    """Every planned contrast in the order of the plan."""
    return tuple(
        ForestLine(
            name=contrast_name(found, contrast),
            effect=effect_words(found, contrast),
            word=contrast.verdict.word,
            n=contrast.n,
            planned=contrast.blocks_planned,
            ratio=contrast.ratio,
            low=None if contrast.ci is None else contrast.ci.low,
            high=None if contrast.ci is None else contrast.ci.high,
            faces=detail.seeds_and_faces,
        )
        for contrast, detail in zip(found.contrasts, found.details, strict=True)
    )


def draw_forest(found: Analysis) -> Drawing:
    """Each contrast's ratio and interval on a logarithmic axis, its verdict beside it."""
    lines = forest_lines(found)
    if not any(line.ratio for line in lines):
        return Drawing(notes=("No contrast can be computed yet: no block has run for every cell that one needs.",))
    words = tuple(dict.fromkeys(line.word for line in lines))
    keys = [Key(word, LOOKS[word][2], LOOKS[word][1]) for word in words]
    if any(line.faces for line in lines):
        keys.append(Key("thin: interval over seeds and faces", "other", "line"))
    keys.append(band_key(found.design.sesoi))
    decided = "; ".join(f"{line.name} {line.word}" for line in lines)
    alt = f"MSE ratios of {len(lines)} contrasts against the baseline on a log axis. {decided}."
    without = sum(line.ratio is None for line in lines)
    notes = (f"{without} of {len(lines)} contrasts have no complete block yet and no mark.",) if without else ()
    return Drawing((Panel("", _figure(lines, found.design.sesoi), alt),), tuple(keys), notes)


def _figure(lines: Sequence[ForestLine], sesoi: float) -> go.Figure:
    figure = go.Figure()
    foot, head = len(lines) - 0.45, -0.75
    known = [(at, line, line.ratio) for at, line in enumerate(lines) if line.ratio is not None]
    ends = [end for line in lines if line.faces is not None for end in (line.faces.low, line.faces.high)]
    ends += [value for line in lines for value in (line.ratio, line.low, line.high) if value is not None]
    low, high = ratio_ends(ends, sesoi=sesoi)
    add_band(figure, sesoi, (foot, head), upright=True)
    for at, line, ratio in known:
        symbol, _, role = LOOKS[line.word]
        if line.faces is not None:
            figure.add_scatter(
                x=[rounded(max(line.faces.low, low), digits=6), rounded(min(line.faces.high, high), digits=6)],
                y=[at, at],
                mode="lines+markers",
                line={"color": light("other"), "width": 1.25},
                marker={"symbol": "line-ns", "size": 9, "line": {"width": 1.25, "color": light("other")}},
                hoverinfo="skip",
            )
        if line.low is not None and line.high is not None:
            figure.add_scatter(
                x=[rounded(max(line.low, low), digits=6), rounded(min(line.high, high), digits=6)],
                y=[at, at],
                mode="lines",
                line={"color": light(role), "width": 2.5, "dash": "dot" if symbol == "x-thin" else "solid"},
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=[rounded(min(max(ratio, low), high), digits=6)],
            y=[at],
            mode="markers",
            marker={"symbol": symbol, "size": 11, "color": light(role), "line": {"width": 2.5, "color": light(role)}},
            hovertext=_hover(line, ratio),
            hoverinfo="text",
        )
    calm(figure, height=72 + 46 * len(lines), left=10)
    figure.update_xaxes(**ratio_layout(low, high, title="MSE ratio (log scale), below 1 is better"))
    figure.update_yaxes(range=[foot, head], showticklabels=False, showgrid=False)
    for at, line in enumerate(lines):
        name = escape(clipped(line.name, length=LABEL), quote=False)
        for text, side in ((f"<b>{name}</b>", 0), (line.word, 1)):
            figure.add_annotation(
                text=text, xref="paper", x=side, xanchor="right" if side else "left", y=at - 0.38, yanchor="middle",
                showarrow=False, font={"size": 12, "color": light("ink")},
            )  # fmt: skip
    return figure


def _hover(line: ForestLine, ratio: float) -> str:
    interval = "" if line.low is None or line.high is None else f", {number(line.low)} to {number(line.high)}"
    faces = "" if line.faces is None else f", over seeds and faces {interval_text(line.faces)}"
    text = f"{line.name}, {line.effect}: {number(ratio)}{interval}{faces}, {line.n} of {line.planned} seeds"
    return escape(text, quote=False)
