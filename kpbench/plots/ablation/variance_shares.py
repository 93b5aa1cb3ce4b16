"""Variance decomposition: each term's share of the variation of log MSE beside what noise alone would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.scores import rounded
from kpbench.plots.traces import add_trace, line_style, marker_style, name_ticks

KINDS = {"block": "seed (block)", "residual": "residual"}
ROLES = {"factor": "second", "interaction": "fourth", "block": "other", "residual": "other"}


@dataclass(frozen=True)
class Share:
    """One term: its name, its kind, its share in percent and the share that noise alone would give."""

    name: str
    kind: str
    df: int
    percent: float
    noise_percent: float


def shares(found: Analysis) -> tuple[Share, ...]:
    """The terms in their order: factors, interactions, block, residual; none for a design that is not complete."""
    names = factor_names(found.design)
    return tuple(
        Share(name, term.kind, term.df, 100 * term.share, 100 * term.noise_share)
        for term in found.variance
        for name in [KINDS.get(term.kind) or " × ".join(names[name] for name in term.factors)]
    )


def draw_variance_shares(found: Analysis) -> Drawing:
    """A bar a term, a diamond at the share of noise alone."""
    terms = shares(found)
    if not found.design.crossed:
        why = "No factors were crossed: the variance of one factor at a time has no exact decomposition."
        return Drawing(notes=(why,))
    if not terms:
        return Drawing(notes=("The study is not complete, so its variance is not decomposed yet.",))
    keys = (
        Key("factor", "second", "square"),
        Key("interaction", "fourth", "square"),
        Key("seeds and residual", "other", "square"),
        Key("share of noise alone", "ink", "diamond"),
    )
    parts = "; ".join(f"{term.name} {term.percent:.1f} %" for term in terms)
    return Drawing((Panel("", _figure(terms), f"Share of the variation of log MSE. {parts}."),), keys)


def _figure(terms: Sequence[Share]) -> go.Figure:
    figure = calm(go.Figure(), height=72 + 34 * len(terms), left=10)
    for role in dict.fromkeys(ROLES.values()):  # one colour a trace: the page exchanges no colour within a list
        mine = [(at, term) for at, term in enumerate(terms) if ROLES[term.kind] == role]
        if mine:
            figure.add_bar(
                x=[rounded(term.percent) for _, term in mine],
                y=[at for at, _ in mine],
                orientation="h",
                width=0.55,
                marker={"color": light(role)},
                text=[f"{term.percent:.1f} %" for _, term in mine],
                textposition="outside",
                cliponaxis=False,
                hoverinfo="skip",
            )
    marked = [(at, term) for at, term in enumerate(terms) if term.kind != "residual"]  # the residual is the noise
    add_trace(
        figure,
        [(rounded(term.noise_percent), at) for at, term in marked],
        marker=marker_style("ink", 9, "diamond") | {"line": line_style("paper", 1.5)},
        hover=[f"noise alone {term.noise_percent:.1f} %" for _, term in marked],
    )
    figure.update_layout(barmode="overlay")
    longest = max(max(term.percent, term.noise_percent) for term in terms)
    figure.update_xaxes(range=[0, 1.2 * longest], title={"text": "share of the variation, %", "standoff": 8}, nticks=6)
    ticks = name_ticks((term.name for term in terms), length=20)
    figure.update_yaxes(range=[len(terms) - 0.5, -0.5], showgrid=False, automargin=True, **ticks)
    return figure
