"""What makes a comparison fair, as texts: equal tuning audited, and each level against the baseline of its size."""

from collections.abc import Mapping
from dataclasses import dataclass

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.statistics.words import interval_text, number, p_text, short_names


@dataclass(frozen=True)
class TuningLine:
    """The tuning of one cell; `at_ends` names what was chosen at an end of its range."""

    cell: str
    trials: str
    epochs: str
    diverged: str
    failed: str
    score: str
    chosen: str
    at_ends: str


def tuning_lines(found: Analysis) -> tuple[TuningLine, ...]:
    """Every cell that was tuned; none where the recipe is fixed."""
    tuning = found.design.tuning
    if tuning is None:
        return ()
    names, short = factor_names(found.design), short_names(tuning.spans)
    return tuple(
        TuningLine(
            cell=_words(cell.levels, names),
            trials=f"{cell.trials:,}",
            epochs=f"{cell.epochs:,}",
            diverged=f"{cell.diverged:,}" if cell.diverged else "",
            failed=f"{cell.failed:,}" if cell.failed else "",
            score="–" if cell.val_score is None else show_score(cell.val_score),
            chosen=_words(cell.chosen, short) or "–",
            at_ends=", ".join(short[name] for name in cell.at_ends),
        )
        for cell in found.tuning
    )


def tuning_sentence(found: Analysis) -> str:
    """Whether the cells were tuned equally, and what hit an end of its range; empty where the recipe is fixed."""
    if found.design.tuning is None:
        return ""
    asked, epochs = len(found.design.tuning.recipes), found.plan.epochs
    short = [cell for cell in found.tuning if cell.trials < asked or cell.failed]
    hits = [cell for cell in found.tuning if cell.at_ends]
    text = f"{asked} recipes of {epochs} epochs were planned for each cell that was tuned. "
    text += "Every one had all of them. " if not short else f"{len(short)} had fewer or lost some: see the table. "
    if hits:
        text += f"In {len(hits)} of {len(found.tuning)} the choice lies at an end of its range; a wider may help. "
    return text + "Choices were made by validation score; the seed that chose is used for nothing else."


@dataclass(frozen=True)
class SizeLine:
    """A level against the baseline made as large; a dash stands where nothing can be computed."""

    name: str
    control: str
    parameters: str
    n: str
    ratio: str
    interval: str
    p_adjusted: str
    verdict: str


def size_lines(found: Analysis) -> tuple[SizeLine, ...]:
    """Every size-matched control with what is left of its level's effect."""
    names = factor_names(found.design)
    lines = []
    for one in found.size:
        matched, contrast, evidence = one.matched, one.contrast, one.contrast.evidence
        change = " ".join(f"{name.rpartition('.')[2]}={value}" for name, value in matched.change.items())
        lines.append(
            SizeLine(
                name=f"{names[matched.factor]} {show_level(matched.level)}",
                control=f"baseline with {change}",
                parameters=f"{matched.wanted:,} / {matched.parameters:,}",
                n=str(contrast.n),
                ratio="–" if contrast.ratio is None else number(contrast.ratio),
                interval=interval_text(evidence.ci if evidence else None),
                p_adjusted=p_text(evidence.p_adjusted if evidence else None, alpha=found.design.alpha),
                verdict=contrast.verdict.word,
            )
        )
    return tuple(lines)


def _words(values: Mapping[str, Scalar], names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[name]} {show_level(value)}" for name, value in values.items())
