"""The table of plots."""

from collections.abc import Callable, Sequence

from kpbench.cell import RunResult
from kpbench.plots.drawing import Drawing, Marks
from kpbench.plots.search.best_so_far import draw_best_so_far
from kpbench.plots.search.leaderboard import draw_leaderboard
from kpbench.plots.search.learning_curves import draw_learning_curves
from kpbench.plots.search.parallel_coordinates import draw_parallel_coordinates
from kpbench.plots.search.pareto import draw_pareto
from kpbench.plots.search.score_by_factor import draw_score_by_factor
from kpbench.plots.search.size import draw_size
from kpbench.plots.search.timeline import draw_timeline

PLOTS: dict[str, Callable[[Sequence[RunResult], Marks], Drawing]] = {
    "leaderboard": draw_leaderboard,
    "pareto": draw_pareto,
    "size": draw_size,
    "best_so_far": draw_best_so_far,
    "learning_curves": draw_learning_curves,
    "score_by_factor": draw_score_by_factor,
    "parallel_coordinates": draw_parallel_coordinates,
    "timeline": draw_timeline,
}
"""Name -> the function from rows and marks to a drawing, in the order of the page."""
