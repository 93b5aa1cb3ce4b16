"""Replayed searches: the mean regret of each sampler and scheduler over the images that it has seen."""

from collections.abc import Sequence

import plotly.graph_objects as go

from kpbench.analysis.replay import Replays
from kpbench.plots.colours import RANKED, light
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.scores import rounded
from kpbench.plots.traces import add_trace, line_style
from kpbench.statistics.words import short_count

DASHES = ("solid", "dot", "dash", "dashdot")


def draw_regret(found: Sequence[Replays]) -> Drawing:
    """A line a sampler (colour) and scheduler (dash) with its interval as a band; regret in % of the best score."""
    samplers = list(dict.fromkeys(one.sampler for one in found))
    schedulers = list(dict.fromkeys(one.scheduler for one in found))
    figure, keys = calm(go.Figure(), height=420), []
    for one in found:
        role = RANKED[samplers.index(one.sampler) % len(RANKED)]
        dash = DASHES[schedulers.index(one.scheduler) % len(DASHES)]
        keys.append(Key(one.name, role, "line", dash))
        low = [(at, rounded(100 * regret.low)) for at, regret in one.curve]
        high = [(at, rounded(100 * regret.high)) for at, regret in reversed(one.curve)]
        add_trace(figure, [*low, *high], line=line_style(role, 0), fill="toself", fillcolor=light(role), opacity=0.1)
        mean = [(at, rounded(100 * regret.value)) for at, regret in one.curve]
        hover = [f"{one.name}<br>{short_count(at)} images: regret {regret:.1f} %" for at, regret in mean]
        add_trace(figure, mean, line=line_style(role, 2.5, dash), hover=hover)
    figure.update_xaxes(rangemode="tozero", title={"text": "images seen by the search"})
    figure.update_yaxes(rangemode="tozero", title={"text": "mean regret, % of the best score"})
    after = ", ".join(f"{one.name} {100 * one.regret.value:.1f} %" for one in found)
    return Drawing((Panel("", figure, f"Mean regret over images seen. After the budget: {after}."),), tuple(keys))
