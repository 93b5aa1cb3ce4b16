"""The table of an ablation's plots."""

from collections.abc import Callable
from dataclasses import dataclass

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.forest import draw_forest
from kpbench.plots.ablation.interaction import draw_interaction
from kpbench.plots.ablation.keypoint_difference import draw_keypoint_difference
from kpbench.plots.ablation.level_curves import draw_level_curves
from kpbench.plots.ablation.measures import draw_measures
from kpbench.plots.ablation.paired_slopes import draw_paired_slopes
from kpbench.plots.ablation.seeds_by_level import draw_seeds_by_level
from kpbench.plots.ablation.variance_shares import draw_variance_shares
from kpbench.plots.drawing import Drawing


@dataclass(frozen=True)
class AblationPlot:
    """A plot of an ablation: its title and the function from the analysis to a drawing."""

    title: str
    draw: Callable[[Analysis], Drawing]


ABLATION_PLOTS = {
    "forest": AblationPlot("Effects", draw_forest),
    "keypoint_difference": AblationPlot("Keypoints", draw_keypoint_difference),
    "paired_slopes": AblationPlot("Paired seeds", draw_paired_slopes),
    "seeds_by_level": AblationPlot("Every seed", draw_seeds_by_level),
    "level_curves": AblationPlot("Learning curves", draw_level_curves),
    "measures": AblationPlot("Shifted faces", draw_measures),
    "interaction": AblationPlot("Interactions", draw_interaction),
    "variance_shares": AblationPlot("Variance", draw_variance_shares),
}
"""Name -> plot, in the order of the page."""
