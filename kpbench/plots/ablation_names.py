"""How an ablation's factors, levels and contrasts are called on its page."""

from kpbench.analysis import Analysis
from kpbench.cell import Scalar
from kpbench.design import Design
from kpbench.plots.factors import Factor, short_names, show_level
from kpbench.statistics.conclusions import effect_label
from kpbench.statistics.contrasts import Contrast

LEVEL_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEVEL_ROLES = ("fifth", "first", "second", "third", "fourth")


def factor_names(design: Design) -> dict[str, str]:
    """For each factor the name to print: `norm` for `network.norm`, unless two share it."""
    return short_names([Factor(name, levels) for name, levels in design.factors.items()])


def contrast_name(found: Analysis, contrast: Contrast) -> str:
    """What a contrast compares: `norm batch against none`."""
    name = factor_names(found.design)[contrast.factor]
    return f"{name} {show_level(contrast.level)} against {show_level(contrast.baseline)}"


def effect_words(found: Analysis, contrast: Contrast) -> str:
    """Which effect it is: `averaged over dropout`, `at dropout = none`, or `the only factor`."""
    text = effect_label(contrast)
    for full, short in factor_names(found.design).items():
        text = text.replace(full, short)
    return text or "the only factor"


def level_look(at: int) -> tuple[str, str]:
    """Colour role and dash of the level at a position; the baseline is at 0, and no two share both."""
    turn, place = divmod(at, len(LEVEL_ROLES))
    return LEVEL_ROLES[place], LEVEL_DASHES[(place + turn) % len(LEVEL_DASHES)]


def counting_cells(design: Design, factor: str, level: Scalar) -> tuple[int, ...]:
    """The positions of the cells that speak for a level: all that have it where factors are crossed, else one."""
    others = {name: value for name, value in design.baseline.items() if name != factor}
    return tuple(
        at
        for at, cell in enumerate(design.cells)
        if cell[factor] == level and (design.crossed or all(cell[name] == value for name, value in others.items()))
    )
