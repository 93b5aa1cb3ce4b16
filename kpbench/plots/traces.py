"""Traces of a figure: lines and markers as plotly takes them, and texts that it does not read as markup."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go

from kpbench.plots.colours import light
from kpbench.plots.factors import clipped

Point = tuple[float | None, float | None]
"""A place in a figure, x then y."""

GAP: Point = (None, None)
"""Parts two lines of one trace."""


def label(text: str, *, length: int | None = None) -> str:
    """A text for a figure: clipped to `length` characters, its `&`, `<` and `>` not read as markup."""
    return escape(text if length is None else clipped(text, length=length), quote=False)


def name_ticks(names: Iterable[str], *, length: int) -> dict[str, object]:
    """The layout of a plotly axis with a clipped name at 0, 1, ..."""
    texts = [label(name, length=length) for name in names]
    return {"tickmode": "array", "tickvals": list(range(len(texts))), "ticktext": texts}


def line_style(role: str, width: float, dash: str | None = None) -> dict[str, Any]:
    """A line as plotly takes it; `width` in pixels."""
    return {"color": light(role), "width": width} | ({"dash": dash} if dash else {})


def marker_style(role: str, size: float, symbol: str | None = None, *, edge: float | None = None) -> dict[str, Any]:
    """A marker as plotly takes it; `size` and the width of its `edge` in pixels."""
    line = None if edge is None else line_style(role, edge)
    style = {"color": light(role), "size": size, "symbol": symbol, "line": line}
    return {name: value for name, value in style.items() if value is not None}


def add_trace(
    figure: go.Figure,
    points: Iterable[Point],
    *,
    line: Mapping[str, Any] | None = None,
    marker: Mapping[str, Any] | None = None,
    hover: str | list[str] | None = None,
    **more: Any,
) -> None:
    """Draw points joined by a line, marked, or both; without `hover` nothing is shown under the pointer.

    Args:
        more: what else plotly's `add_scatter` takes; a `hovertemplate` or `hoverinfo` there stands.
    """
    places = list(points)
    trace: dict[str, Any] = {name: style for name, style in (("line", line), ("marker", marker)) if style is not None}
    trace["mode"] = "+".join(f"{name}s" for name in trace)
    if hover is not None:
        trace |= {"hovertext": hover, "hoverinfo": "text"}
    elif "hovertemplate" not in more:
        trace["hoverinfo"] = "skip"
    figure.add_scatter(x=[x for x, _ in places], y=[y for _, y in places], **trace | more)
