"""The table of an ablation's plots."""

from collections.abc import Callable
from dataclasses import dataclass

from kpbench.analysis.ablation import Analysis
from kpbench.plots.drawing import Drawing
from kpbench.plots.forest import draw_forest
from kpbench.plots.interaction import draw_interaction
from kpbench.plots.keypoint_difference import draw_keypoint_difference
from kpbench.plots.level_curves import draw_level_curves
from kpbench.plots.measures import draw_measures
from kpbench.plots.paired_slopes import draw_paired_slopes
from kpbench.plots.seeds_by_level import draw_seeds_by_level
from kpbench.plots.variance_shares import draw_variance_shares


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
