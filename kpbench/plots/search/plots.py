"""The table of plots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kpbench.cell import RunResult
from kpbench.plots.drawing import Drawing, Marks
from kpbench.plots.search.leaderboard import draw_leaderboard
from kpbench.plots.search.learning_curves import draw_learning_curves
from kpbench.plots.search.parallel_coordinates import draw_parallel_coordinates
from kpbench.plots.search.score_by_factor import draw_score_by_factor


@dataclass(frozen=True)
class Plot:
    """A plot of a study: its title and the function from rows and marks to a drawing."""

    title: str
    draw: Callable[[Sequence[RunResult], Marks], Drawing]


PLOTS = {
    "leaderboard": Plot("Leaderboard", draw_leaderboard),
    "learning_curves": Plot("Learning curves", draw_learning_curves),
    "score_by_factor": Plot("Score by factor", draw_score_by_factor),
    "parallel_coordinates": Plot("Parallel coordinates", draw_parallel_coordinates),
}
"""Name -> plot, in the order of the page."""
