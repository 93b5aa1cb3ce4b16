"""The tables of a study's page on early scores and on what chance alone would have found."""

from collections.abc import Sequence

from kpbench.analysis.early import agreement_by_epoch, best_so_far
from kpbench.cell import RunResult
from kpbench.plots.scores import show_score

MOST = 10
"""Lines of a table; of more epochs or trials evenly spaced ones are shown."""


def agreement_lines(rows: Sequence[RunResult]) -> list[tuple[str, str]]:
    """Epoch and Spearman's correlation of its scores with the last."""
    found = agreement_by_epoch(rows)
    steps = min(MOST, len(found))
    spaced = (found[(step + 1) * len(found) // steps - 1] for step in range(steps))  # the last one is in it
    return [(str(epoch), f"{rho:.2f}") for epoch, rho in spaced]


def chance_lines(rows: Sequence[RunResult]) -> list[tuple[str, str, str]]:
    """Complete trials, the best score among the first so many, and the mean best of so many drawn at random."""
    found = best_so_far(rows, most=MOST)
    return [(str(k), show_score(best), show_score(mean)) for k, best, mean in found] if len(found) > 1 else []
