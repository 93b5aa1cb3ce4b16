"""The table of an ablation's plots."""

from collections.abc import Callable

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.forest import draw_forest
from kpbench.plots.ablation.interaction import draw_interaction
from kpbench.plots.ablation.keypoint_difference import draw_keypoint_difference
from kpbench.plots.ablation.level_curves import draw_level_curves
from kpbench.plots.ablation.measures import draw_measures
from kpbench.plots.ablation.paired_slopes import draw_paired_slopes
from kpbench.plots.ablation.score_profile import draw_score_profile
from kpbench.plots.ablation.seeds_by_level import draw_seeds_by_level
from kpbench.plots.ablation.variance_shares import draw_variance_shares
from kpbench.plots.drawing import Drawing

ABLATION_PLOTS: dict[str, Callable[[Analysis], Drawing]] = {
    "forest": draw_forest,
    "keypoint_difference": draw_keypoint_difference,
    "paired_slopes": draw_paired_slopes,
    "seeds_by_level": draw_seeds_by_level,
    "score_profile": draw_score_profile,
    "level_curves": draw_level_curves,
    "measures": draw_measures,
    "interaction": draw_interaction,
    "variance_shares": draw_variance_shares,
}
"""Name -> the function from the analysis to a drawing, in the order of the page."""
