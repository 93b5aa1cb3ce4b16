"""Forest plot: the MSE ratio of every planned contrast with its intervals beside the smallest-effect band."""

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import contrast_name, effect_words
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Mark, Panel, calm
from kpbench.plots.ratios import add_band, band_key, on_axis, ratio_ends, ratio_layout
from kpbench.plots.traces import add_trace, label, line_style, marker_style
from kpbench.statistics.verdicts import Word
from kpbench.statistics.words import interval_text, number

LABEL = 36
"""Letters of a contrast's name that fit above its line on a telephone."""

BAND = (-0.18, 0.32)
"""Where the band of a line begins and ends, in lines from its middle; the name stands above it."""

LOOKS: dict[Word, tuple[str, Mark, str]] = {
    "better": ("diamond", "diamond", "pass"),
    "worse": ("square", "square", "failed"),
    "mixed": ("hourglass", "cross", "pruned"),
    "equivalent": ("circle", "dot", "second"),
    "undecided": ("circle-open", "ring", "muted"),
    "withheld": ("x-thin", "cross", "pruned"),
    "incomplete": ("x-thin", "cross", "pruned"),
}
"""For each verdict plotly's symbol, the legend's mark and the colour role."""


def draw_forest(found: Analysis) -> Drawing:
    """Each contrast's ratio and interval on a logarithmic axis, its verdict beside it."""
    contrasts = found.contrasts
    if not any(contrast.ratio for contrast in contrasts):
        return Drawing(notes=("No contrast can be computed yet: no block has run for every cell that one needs.",))
    words = dict.fromkeys(contrast.verdict.word for contrast in contrasts)
    keys = [Key(word, LOOKS[word][2], LOOKS[word][1]) for word in words]
    if any(detail.seeds_and_faces for detail in found.details):
        keys.append(Key("thin: interval over seeds and faces", "other", "line"))
    keys.append(band_key(found.design.sesoi))
    decided = "; ".join(f"{contrast_name(found, contrast)} {contrast.verdict.word}" for contrast in contrasts)
    alt = f"MSE ratios of {len(contrasts)} contrasts against the baseline on a log axis. {decided}."
    without = sum(contrast.ratio is None for contrast in contrasts)
    notes = (f"{without} of {len(contrasts)} contrasts have no complete block yet and no mark.",) if without else ()
    return Drawing((Panel("", _figure(found), alt),), tuple(keys), notes)


def _figure(found: Analysis) -> go.Figure:
    figure = calm(go.Figure(), height=72 + 46 * len(found.contrasts), left=10)
    lines = [
        (contrast, contrast.ratio, contrast.ci, detail.seeds_and_faces)
        for contrast, detail in zip(found.contrasts, found.details, strict=True)
    ]
    foot, head = len(lines) - 0.45, -0.75
    known = [end for _, _, *intervals in lines for one in intervals if one for end in (one.low, one.high)]
    low, high = ratio_ends([*known, *(ratio for _, ratio, *_ in lines if ratio is not None)], sesoi=found.design.sesoi)
    for at in range(len(lines)):  # below each name, so that no text stands on the band
        add_band(figure, found.design.sesoi, (at + BAND[1], at + BAND[0]), upright=True)
    for at, (contrast, ratio, ci, faces) in enumerate(lines):
        name, word = contrast_name(found, contrast), contrast.verdict.word
        symbol, _, role = LOOKS[word]
        for text, side in ((f"<b>{label(name, length=LABEL)}</b>", 0), (word, 1)):
            figure.add_annotation(
                text=text, xref="paper", x=side, xanchor="right" if side else "left", y=at - 0.4, yanchor="middle",
                showarrow=False, font={"size": 12, "color": light("ink")},
            )  # fmt: skip
        if ratio is None:
            continue
        if faces is not None:
            marker = {"symbol": "line-ns", "size": 9, "line": line_style("other", 1.25)}
            ends = [(on_axis(end, low, high), at) for end in (faces.low, faces.high)]
            add_trace(figure, ends, line=line_style("other", 1.25), marker=marker)
        if ci is not None:
            line = line_style(role, 2.5, "dot" if symbol == "x-thin" else "solid")
            add_trace(figure, [(on_axis(end, low, high), at) for end in (ci.low, ci.high)], line=line)
        hover = f"{name}, {effect_words(found, contrast)}: {number(ratio)}"
        hover += f", {interval_text(ci)}" if ci else ""
        hover += f", over seeds and faces {interval_text(faces)}" if faces else ""
        hover = label(f"{hover}, {contrast.n} of {contrast.blocks_planned} seeds")
        marker = marker_style(role, 11, symbol, edge=2.5)
        add_trace(figure, [(on_axis(ratio, low, high), at)], marker=marker, hover=hover)
    figure.update_xaxes(**ratio_layout(low, high, title="MSE ratio (log scale), below 1 is better"))
    figure.update_yaxes(range=[foot, head], showticklabels=False, showgrid=False)
    return figure
