"""Score against size: parameters with the course's limit, and latency where it was measured."""

from collections.abc import Sequence
from dataclasses import replace

from kpbench.cell import RunResult
from kpbench.plots.drawing import Drawing, Marks
from kpbench.plots.search.pareto import draw_pareto


def draw_size(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """One panel for parameters and one for latency, without those that are objectives and drawn as such."""
    known = {
        "params": any(row.parameters for row in rows),
        "latency": any("latency" in (row.costs or {}) for row in rows),
    }
    found = [
        draw_pareto(rows, replace(marks, objectives=("score", name)))
        for name, there in known.items()
        if there and name not in marks.objectives
    ]
    if not found:
        drawn = set(known) & set(marks.objectives)
        return Drawing(notes=("Sizes are objectives, drawn there." if drawn else "No run has told its size yet.",))
    panels = tuple(panel for one in found for panel in one.panels)
    return Drawing(panels, found[0].key, found[0].notes)
