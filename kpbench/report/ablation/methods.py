"""How an ablation was done, from its plan, in paragraphs."""

from typing import cast

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.factors import show_level
from kpbench.statistics.corrections import Correction, interval_note
from kpbench.statistics.looks import at_look
from kpbench.statistics.verdicts import MINIMUM_SEEDS, needed_seeds
from kpbench.statistics.words import plural


def methods(found: Analysis) -> tuple[str, ...]:
    """How the study was done, from its plan, in paragraphs."""
    return _design(found), _training(found), _analysis(found)


def _design(found: Analysis) -> str:
    design, names = found.design, factor_names(found.design)
    factors = "; ".join(
        f"{names[name]} with the levels {', '.join(map(show_level, levels))} (baseline {show_level(levels[0])})"
        for name, levels in design.factors.items()
    )
    text = f"Factors: {factors}. "
    if design.crossed:
        asked = ", ".join(names[name] for name in design.asked)
        text += f"Full factorial of {plural(len(design.cells), 'cell')} in complete blocks; contrasts were planned for "
        text += f"{asked}, each averaged within a block over the other factors. "
    elif len(design.factors) > 1:
        text += f"One factor at a time, the others at the baseline: {plural(len(design.cells), 'cell')}. "
    else:
        text += f"{plural(len(design.cells), 'cell')}; the effect is conditional on the fixed settings below. "
    text += f"Every cell is trained with the same {plural(len(design.blocks), 'seed')}, "
    text += f"{plural(len(design.cells) * len(design.blocks), 'run')}"
    if design.control:
        text += f", and the baseline cell with {plural(len(design.control), 'seed')} of another cohort (A/A)"
    return f"{text}. The replicate is the seed, never the image."


def _training(found: Analysis) -> str:
    plan = found.plan
    sizes = ", ".join(f"{split} {count:,}" for split, count in plan.data_sizes.items())
    return (
        f"Data: {plan.data_name} ({sizes} faces). Every run has {plural(plan.epochs, 'epoch')} of training, "
        f"{plural(found.images, 'image')} seen in all, on "
        f"{plan.device} in {plan.precision}, {_recipe(found)}. "
        "Within a block all cells share the seeds of data order, augmentation, initial weights and dropout, each "
        "derived by hashing. No run is stopped early, and the order of runs is randomised. Each complete run is scored "
        f"by the official scorer, one image at a time, after its last epoch, on {_faces(found)}."
    )


def _faces(found: Analysis) -> str:
    if found.split == "test":
        return "the sealed test split, which each run opens once"
    own = "faces that are drawn anew, by person, in each block" if found.design.resplit else "the validation split"
    return f"{own}; the sealed test is opened by --confirm alone, once, for the planned contrasts"


def _recipe(found: Analysis) -> str:
    tuning = found.design.tuning
    if tuning is None:
        return "with the same recipe for all cells and no tuning of a cell of its own"
    tried = plural(len(tuning.replicates()[0].recipes), "recipe")
    tried += " tried on validation faces with a seed that no block uses"
    if tuning.by_block:
        return f"each cell in each block with the best of {tried}, recipes and seed drawn anew for each block"
    if tuning.how == "locked":
        return f"with the same recipe for all cells, the best at the baseline of {tried}"
    return f"each cell with the best of {tried}, the same for every cell"


def _analysis(found: Analysis) -> str:
    design = found.design
    m = len(found.contrasts)
    correction = cast(Correction, design.correction)
    look = found.next_look or max((one.n for one in found.contrasts), default=0)
    needed = needed_seeds(found.terms.corrected_for(m), at_look(found.terms, design.looks or (), look).alpha)
    text = "Contrasts are paired t tests on log MSE over blocks. "
    if design.looks:
        text += f"Looks were planned at {', '.join(map(str, design.looks))} seeds; each spends alpha in proportion to "
        text += "the seeds it adds, and what it decides stays decided. "
    if m > 1 and correction != "none":
        text += f"The {m} planned contrasts are one family, corrected by {correction.capitalize()}"
        text += "; interactions are a family of their own. " if design.crossed else ". "
    elif m > 1:
        text += f"The {m} planned contrasts are not corrected for their number. "
    low, high = 1 / (1 + design.sesoi), 1 + design.sesoi
    if design.looks:
        text += "Each interval is at the level at which Holm's procedure tested its contrast at its look."
    else:
        text += interval_note(max(m, 1), alpha=design.alpha, correction=correction)
    text += (
        f" Better or worse: the interval leaves out 1. Equivalent: it lies within {low:.3f} to "
        f"{high:.3f}, the smallest effect of interest of {100 * design.sesoi:g} % of MSE (two one-sided tests, each "
        f"at half the interval's error rate), and rare collapse could not hide more. Fewer than {needed} seeds get no "
        f"verdict here: at least {MINIMUM_SEEDS}, and so many that sign flips can reach the strictest step; neither "
        "does a contrast with a missing run. The stated rule for failed runs: one whose loss or score is not a number, "
        "and one that ends worse than the constant predictor, count with the MSE of the mean face. An effect averaged "
        "over other factors is mixed where it is significant in both directions at their levels. Detectable effects "
        "are for "
        f"{100 * design.power:g} % power at alpha = {design.alpha:g}"
    )
    text += f" / {m}. " if m > 1 and correction != "none" else ". "
    return (
        f"{text}The interval over seeds and faces is for fresh seeds and fresh faces of the same kind, at the same "
        "coverage: seeds and faces, whole persons where they are known, are resampled independently (the pigeonhole "
        "bootstrap, Satterthwaite's degrees of freedom). No verdict is read off it; the contrast's own interval speaks "
        "of these faces only. The interval with collapse allows for runs that fail now and then."
    )
