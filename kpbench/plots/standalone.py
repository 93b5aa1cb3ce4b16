"""A figure of a page on its own: with its legend, on white, and as a picture for a paper."""

import importlib
import importlib.util
import math
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from kpbench.errors import UsageError, plural
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Mark

WIDTH = 720
"""Pixels of a figure that a page would fit to its window."""

LINE, LETTER, SWATCH = 22, 7, 50
"""Pixels: the height of a line of the legend or a title, the width of a letter there and of what stands before it."""

SCALE = 3
"""Pixels of a PNG for one of the figure: 300 dots an inch where the figure is 7.2 inches wide."""

SYMBOLS: dict[Mark, str] = {
    "dot": "circle",
    "ring": "circle-open",
    "cross": "x-thin-open",
    "bar": "line-ns-open",
    "diamond": "diamond",
    "square": "square",
}


def standalone(drawing: Drawing, panel: int = 1) -> go.Figure:
    """A panel of a drawing as a figure that needs no page: the legend, which a page draws beside it, is in it.

    Args:
        panel: counts from 1.

    Raises:
        UsageError: nothing is drawn, or it has no such panel; the message says why, or how many there are.
    """
    if not drawing.panels:
        raise UsageError(f"there is nothing to draw: {' '.join(drawing.notes) or 'the study has no such runs'}")
    if not 1 <= panel <= len(drawing.panels):
        raise UsageError(f"the figure has {plural(len(drawing.panels), 'panel')}, not {panel}")
    chosen = drawing.panels[panel - 1]
    figure = go.Figure(chosen.figure)
    keys = (*drawing.key, *chosen.key)
    figure.update_traces(showlegend=False)
    for key in keys:
        figure.add_trace(_legend_entry(key))
    layout, width = figure.layout, max(WIDTH, chosen.least_width)
    entry = max((LETTER * len(key.label) for key in keys), default=0)
    beside = max(1, (width - (layout.margin.l or 0) - (layout.margin.r or 0)) // (SWATCH + entry))
    above = LINE * (math.ceil(len(keys) / beside) + bool(chosen.title))
    figure.update_layout(
        width=width,
        height=(layout.height or 400) + above,
        margin={"t": (layout.margin.t or 0) + above},
        paper_bgcolor=light("paper"),
        plot_bgcolor=light("paper"),
        showlegend=bool(keys),
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "entrywidth": entry},
    )
    if chosen.title:
        font = {"size": 14, "color": light("ink")}
        place = {"x": 0.5, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 6}}
        figure.update_layout(title={"text": escape(chosen.title, quote=False), "font": font, **place})
    return figure


def _legend_entry(key: Key) -> go.Scatter:
    """A trace without a point, which plotly lists under the key's label."""
    colour = light(key.colour)
    if key.mark == "line":
        look: dict[str, Any] = {"mode": "lines", "line": {"color": colour, "width": 2, "dash": key.dash}}
    else:
        marker = {"symbol": SYMBOLS[key.mark], "color": colour, "size": 10, "line": {"width": 2, "color": colour}}
        look = {"mode": "markers", "marker": marker}
    return go.Scatter(
        x=[None], y=[None], name=escape(key.label, quote=False), showlegend=True, hoverinfo="skip", **look
    )


def browser() -> str | None:
    """Where kaleido, which is installed, finds a Chrome or Chromium; None for nowhere."""
    chromium = importlib.import_module("choreographer.browsers.chromium").Chromium
    found: str | None = chromium.find_browser(skip_local=False)
    return found if found and Path(found).is_file() else None


def picture(figure: go.Figure, kind: str) -> bytes:
    """A figure as `svg`, `pdf` or `png`, drawn by kaleido in a Chrome or Chromium.

    Raises:
        UsageError: kaleido or the browser is missing, or the browser failed; with the remedy.
    """
    if importlib.util.find_spec("kaleido") is None:
        raise UsageError("pictures of figures need kaleido: pip install 'kpbench[figures]'")
    try:
        drawn: bytes = figure.to_image(format=kind, scale=SCALE if kind == "png" else 1)
    except Exception as error:  # what kaleido, its browser and plotly around them raise
        if "chrome" in f"{type(error).__name__} {error}".lower():
            raise UsageError(
                "kaleido finds no Chrome or Chromium that runs: install one (Debian: apt install chromium), "
                "or name it in BROWSER_PATH"
            ) from error
        first = next(iter(str(error).splitlines()), "")
        raise UsageError(f"the figure cannot be drawn: {type(error).__name__}: {first}") from error
    return drawn
