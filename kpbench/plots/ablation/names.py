"""How an ablation's factors, levels and contrasts are called on its page."""

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.factors import show_level
from kpbench.space.design import Design
from kpbench.statistics.conclusions import effect_label
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.words import short_names

LEVEL_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEVEL_ROLES = ("fifth", "first", "second", "third", "fourth")


def factor_names(design: Design) -> dict[str, str]:
    """For each factor the name to print: `norm` for `network.norm`, unless two share it."""
    return short_names(design.factors)


def contrast_name(found: Analysis, contrast: Contrast) -> str:
    """What a contrast compares: `norm batch against none`."""
    name = factor_names(found.design)[contrast.factor]
    return f"{name} {show_level(contrast.level)} against {show_level(contrast.baseline)}"


def effect_words(found: Analysis, contrast: Contrast) -> str:
    """Which effect it is: `averaged over dropout`, `at dropout = none`, or `the only factor`."""
    return effect_label(contrast, factor_names(found.design)) or "the only factor"


def level_look(at: int) -> tuple[str, str]:
    """Colour role and dash of the level at a position; the baseline is at 0, and no two share both."""
    turn, place = divmod(at, len(LEVEL_ROLES))
    return LEVEL_ROLES[place], LEVEL_DASHES[(place + turn) % len(LEVEL_DASHES)]
