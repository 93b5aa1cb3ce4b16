"""Timeline: when each run went on, in as many lanes as ran side by side."""

import heapq
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from kpbench.cell import RunResult
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm
from kpbench.plots.scores import show_score, thinned
from kpbench.plots.traces import GAP, add_trace, label, line_style, marker_style
from kpbench.statistics.words import plural

PAUSE = 120.0
"""Seconds in which nothing ran that are cut to this many."""

MOST = 1_000
"""Runs up to which each has a bar of its own; of more those that touch are drawn as one."""

MOST_LANES = 200
"""Lanes that are still drawn."""

KINDS = {
    "trial, complete": ("second", "line"), "trial, stopped early": ("pruned", "line"), "failed": ("failed", "line"),
    "final run": ("first", "line"),
}  # fmt: skip


class Bar(NamedTuple):
    """A run's place: lane from 0, begin and end in seconds from the first begin, pauses cut."""

    lane: int
    begin: float
    end: float
    row: RunResult


def bars(rows: Sequence[RunResult]) -> tuple[list[Bar], int]:
    """Runs by their begin in the lowest lane that is free, and how many pauses were cut.

    A row holds its end in whole seconds and its length, so lanes are counted, not remembered: two runs that follow
    each other within 2 seconds share one.
    """
    ends = [(datetime.fromisoformat(row.finished).timestamp(), row) for row in rows]
    spans = sorted(((end - row.seconds, end, row) for end, row in ends), key=lambda span: span[:2])
    found: list[Bar] = []
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    lanes, cut, pauses, until = 0, spans[0][0] if spans else 0.0, 0, spans[0][0] if spans else 0.0
    for begin, end, row in spans:
        if begin - until > PAUSE:
            cut, pauses = cut + begin - until - PAUSE, pauses + 1
        while busy and busy[0][0] <= begin + 2:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, lanes = lanes, lanes + 1
        heapq.heappush(busy, (end, lane))
        found.append(Bar(lane, begin - cut, end - cut, row))
        until = max(until, end)
    return found, pauses


def joined(ends: Sequence[tuple[float, float, int]], apart: float) -> list[tuple[float, float, int]]:
    """Bars (begin, end, lane) of which those that are less than `apart` from the one before in their lane are one."""
    last: dict[int, tuple[float, float, int]] = {}
    found = []
    for begin, end, lane in ends:
        if lane in last and begin - last[lane][1] < apart:
            begin = last.pop(lane)[0]
        elif lane in last:
            found.append(last.pop(lane))
        last[lane] = (begin, end, lane)
    return [*found, *last.values()]


def kind(row: RunResult) -> str:
    """A run's entry of `KINDS`."""
    if row.state == "failed":
        return "failed"
    return "final run" if row.role == "final" else f"trial, {'stopped early' if row.state == 'pruned' else 'complete'}"


def draw_timeline(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """A bar a run over minutes; with many runs bars are too narrow to point at, but the lanes are seen."""
    found, pauses = bars([row for row in rows if row.seconds > 0])
    if len(found) < 2:
        return Drawing(notes=("A timeline is drawn from the second run on.",))
    lanes, length = 1 + max(bar.lane for bar in found), max(bar.end for bar in found)
    if lanes > MOST_LANES:
        return Drawing(notes=(f"{lanes:,} runs went on side by side, more than can be told apart.",))
    unit, name = (3600.0, "hours") if length > 3 * 3600 else (60.0, "minutes") if length > 180 else (1.0, "seconds")
    figure = calm(go.Figure(), height=min(84 + 22 * lanes, 420), left=10)
    by_kind: dict[str, list[Bar]] = {one: [] for one in KINDS}
    for bar in found:
        by_kind[kind(bar.row)].append(bar)
    kinds = {one: mine for one, mine in by_kind.items() if mine}
    width = max(3.0, min(14.0, 300 / lanes - 4))
    for one, mine in kinds.items():
        ends = [(bar.begin / unit, bar.end / unit, bar.lane) for bar in mine]
        shown = ends if len(found) <= MOST else joined(ends, length / unit / MOST)
        line = [
            point
            for begin, end, lane in shown
            for point in ((round(begin, 3), lane), (round(0.998 * end + 0.002 * begin, 3), lane), GAP)
        ]
        add_trace(figure, line, line=line_style(KINDS[one][0], width))
        pointed = thinned(list(zip(mine, ends, strict=True)), MOST)
        middles = [(round((begin + end) / 2, 3), lane) for _, (begin, end, lane) in pointed]
        marker = marker_style(KINDS[one][0], 3) | {"opacity": 0.0}
        add_trace(figure, middles, marker=marker, hover=[_hover(bar) for bar, _ in pointed])
    figure.update_xaxes(range=[0, 1.01 * length / unit], nticks=8, title={"text": f"{name} since the first run began"})
    names = {"tickvals": list(range(lanes)), "ticktext": [str(lane + 1) for lane in range(lanes)]} if lanes < 20 else {}
    figure.update_yaxes(range=[lanes - 0.4, -0.6], title={"text": "lane"}, automargin=True, **names)
    alt = f"{plural(len(found), 'run')} in {plural(lanes, 'lane')} over {length / unit:.3g} {name}."
    notes = (f"{plural(pauses, 'pause')} of more than 2 minutes in which nothing ran left out.",) if pauses else ()
    keys = tuple(Key(one, *KINDS[one]) for one in kinds)  # type: ignore[arg-type]
    return Drawing((Panel("", figure, alt),), keys, notes)


def _hover(bar: Bar) -> str:
    row = bar.row
    what = f"trial {row.trial}" if row.trial is not None else f"seed {row.seed}"
    return label(f"{kind(row)}: {what}, {row.seconds:,.0f} s, validation {show_score(row.val_score)}, {row.device}")
