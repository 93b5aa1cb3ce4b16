"""Variance decomposition: each term's share of the variation of log MSE beside what noise alone would give."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.factors import clipped
from kpbench.plots.scores import rounded

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
        Share(
            KINDS.get(term.kind) or " × ".join(names[name] for name in term.factors),
            term.kind,
            term.df,
            100 * term.share,
            100 * term.noise_share,
        )
        for term in found.variance
    )


def draw_variance_shares(found: Analysis) -> Drawing:
    """A bar a term, a diamond at the share of noise alone."""
    terms = shares(found)
    if not terms:
        why = (
            "The study is not complete, so its variance is not decomposed yet."
            if found.design.crossed
            else "No factors were crossed: the variance of one factor at a time has no exact decomposition."
        )
        return Drawing(notes=(why,))
    keys = (
        Key("factor", "second", "square"),
        Key("interaction", "fourth", "square"),
        Key("seeds and residual", "other", "square"),
        Key("share of noise alone", "ink", "diamond"),
    )
    told = "; ".join(f"{term.name} {term.percent:.1f} %" for term in terms)
    return Drawing((Panel("", _figure(terms), f"Share of the variation of log MSE. {told}."),), keys)


def _figure(terms: Sequence[Share]) -> go.Figure:
    figure = go.Figure()
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
    figure.add_scatter(
        x=[rounded(term.noise_percent) for _, term in marked],
        y=[at for at, _ in marked],
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": light("ink"), "line": {"width": 1.5, "color": light("paper")}},
        hovertext=[f"noise alone {term.noise_percent:.1f} %" for _, term in marked],
        hoverinfo="text",
    )
    calm(figure, height=72 + 34 * len(terms), left=10)
    figure.update_layout(barmode="overlay")
    longest = max(max(term.percent, term.noise_percent) for term in terms)
    figure.update_xaxes(range=[0, 1.2 * longest], title={"text": "share of the variation, %", "standoff": 8}, nticks=6)
    figure.update_yaxes(
        range=[len(terms) - 0.5, -0.5],
        tickmode="array",
        tickvals=list(range(len(terms))),
        ticktext=[escape(clipped(term.name, length=20), quote=False) for term in terms],
        showgrid=False,
        automargin=True,
    )
    return figure
