"""How an ablation's factors, levels and contrasts are called on its page."""

from collections.abc import Sequence

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.cell import Scalar
from kpbench.plots.factors import show_level
from kpbench.space.design import Design
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.words import short_names

ONLY_FACTOR = "the only factor"

LEVEL_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEVEL_ROLES = ("fifth", "first", "second", "third", "fourth")


def factor_names(design: Design) -> dict[str, str]:
    """For each factor the name to print: `norm` for `network.norm`, unless two share it."""
    return short_names(design.factors)


def cell_name(found: Analysis, levels: Sequence[Scalar]) -> str:
    """A cell of the block table: `norm batch, dropout none`."""
    names = factor_names(found.design)
    return ", ".join(
        f"{names[name]} {show_level(level)}" for name, level in zip(found.table.factors, levels, strict=True)
    )


def contrast_name(found: Analysis, contrast: Contrast) -> str:
    """What a contrast compares: `norm batch against none`; of an interaction `norm batch with depth 2`."""
    names = factor_names(found.design)
    if contrast.planned.times:
        return " with ".join(f"{names[one.factor]} {show_level(one.level)}" for one in contrast.planned.changes)
    return f"{names[contrast.factor]} {show_level(contrast.level)} against {show_level(contrast.baseline)}"


def effect_words(found: Analysis, contrast: Contrast) -> str:
    """Which effect it is: `averaged over dropout`, `at dropout = none`, or `the only factor`."""
    names = factor_names(found.design)
    held = ", ".join(f"{names[name]} = {level}" for name, level in contrast.planned.at.items())
    averaged = ", ".join(names[name] for name in contrast.averaged_over)
    parts = [f"averaged over {averaged}" if averaged else "", f"at {held}" if held else ""]
    return ", ".join(part for part in parts if part) or ONLY_FACTOR


def level_look(at: int) -> tuple[str, str]:
    """Colour role and dash of the level at a position; the baseline is at 0, and no two share both."""
    turn, place = divmod(at, len(LEVEL_ROLES))
    return LEVEL_ROLES[place], LEVEL_DASHES[(place + turn) % len(LEVEL_DASHES)]
