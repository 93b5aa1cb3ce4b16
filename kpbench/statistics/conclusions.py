"""The paragraph that a person can quote; it never says more than the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.families import Correction
from kpbench.statistics.interactions import Interaction
from kpbench.statistics.intervals import Interval
from kpbench.statistics.plan import PlannedContrast
from kpbench.statistics.verdicts import MINIMUM_SEEDS


def conclude(
    contrasts: Sequence[Contrast],
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    correction: Correction = "holm",
) -> str:
    """One paragraph on a family of contrasts: a sentence for every planned one, nulls in the same words.

    Args:
        contrasts: as `compare` gave them; the other arguments as they were given to it.
    """
    if not contrasts:
        return "No contrast was planned."
    terms = _Terms(f"{100 * sesoi:g} %", alpha, f"{100 * power:g} %", _adjustment(len(contrasts), correction))
    return " ".join([*(_sentence(contrast, terms) for contrast in contrasts), *_failures(contrasts)])


def conclude_interactions(
    interactions: Sequence[Interaction],
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    correction: Correction = "holm",
) -> str:
    """One paragraph on a family of interactions, a sentence each.

    Args:
        interactions: as `interact` gave them; the other arguments as they were given to it.
    """
    if not interactions:
        return "No interaction was planned."
    terms = _Terms(f"{100 * sesoi:g} %", alpha, f"{100 * power:g} %", _adjustment(len(interactions), correction))
    return " ".join(_interaction_sentence(found, terms) for found in interactions)


def effect_label(contrast: Contrast) -> str:
    """What kind of effect it is: `averaged over norm`, `at norm = batch`, or both."""
    held = ", ".join(f"{name} = {level}" for name, level in contrast.planned.at.items())
    averaged = ", ".join(contrast.averaged_over)
    parts = [f"averaged over {averaged}" if averaged else "", f"at {held}" if held else ""]
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Terms:
    """What all sentences of a paragraph share, as text where it is only printed."""

    sesoi: str
    alpha: float
    power: str
    adjustment: str


def _sentence(contrast: Contrast, terms: _Terms) -> str:
    label = effect_label(contrast)
    pair = f"{_named(contrast.planned)} against {contrast.baseline}{f' ({label})' if label else ''}"
    word, size, found, ratio = contrast.verdict.word, contrast.verdict.size, contrast.evidence, contrast.ratio
    if word == "incomplete":
        ran = f"{contrast.n} of {contrast.blocks_planned} planned seeds"
        return f"{pair}: incomplete, {ran} have run for every cell it needs, so there is no verdict."
    if word == "withheld" or found is None or ratio is None:
        guide = f" (MSE ratio {ratio:.3g}, for orientation only)" if ratio is not None else ""
        return f"{pair}: verdict withheld, {_seeds(contrast.n)} of the {MINIMUM_SEEDS} that a verdict needs{guide}."
    numbers = f"MSE ratio {ratio:.3g}, {_interval(found.ci)}, {_p(found.p_adjusted, terms)}"
    if word == "undecided":
        return (
            f"{pair}: undecided at {_seeds(contrast.n)} ({numbers}); with {terms.power} power it would find a true "
            f"change of MSE by {found.detectable:.2g} %."
        )
    numbers = f"{numbers}, {_seeds(contrast.n)}"
    if word == "equivalent":
        return f"{pair}: equivalent within {terms.sesoi} of MSE ({numbers})."
    sizes = {
        "beyond": f"by more than the {terms.sesoi} that count as of interest",
        "below": f"but by less than the {terms.sesoi} that count as of interest",
        "unclear": f"by an amount that may lie below or above the {terms.sesoi} that count as of interest",
    }
    error = "lower" if word == "better" else "higher"
    return f"{pair}: {word}, the MSE is {error} {sizes[size or 'unclear']} ({numbers})."


def _interaction_sentence(found: Interaction, terms: _Terms) -> str:
    first, second = found.planned.first, found.planned.second
    pair = f"{_named(first)} against {first.baseline}, at {_named(second)} compared with {second.baseline}"
    if found.word == "incomplete":
        return f"{pair}: incomplete, {found.n} of {found.blocks_planned} planned seeds, so there is no verdict."
    if found.word == "withheld" or found.ci is None or found.ratio is None:
        return f"{pair}: verdict withheld, {_seeds(found.n)} of the {MINIMUM_SEEDS} that a verdict needs."
    numbers = f"ratio of MSE ratios {found.ratio:.3g}, {_interval(found.ci)}, {_p(found.p_adjusted, terms)}"
    if found.word == "undecided":
        return (
            f"{pair}: undecided at {_seeds(found.n)} ({numbers}); with {terms.power} power it would find a true "
            f"ratio of ratios {found.detectable or 0.0:.2g} % away from 1."
        )
    numbers = f"{numbers}, {_seeds(found.n)}"
    if found.word == "negligible":
        return f"{pair}: no interaction as large as {terms.sesoi} ({numbers})."
    joint = "lower" if found.ratio < 1.0 else "higher"
    small = f", by less than {terms.sesoi}" if found.size == "below" else ""
    return (
        f"{pair}: they interact, the MSE of both together is {joint} than their separate effects multiply to"
        f"{small} ({numbers})."
    )


def _failures(contrasts: Sequence[Contrast]) -> list[str]:
    notes = []
    for contrast in contrasts:
        rest = contrast.survivors
        if rest is None:
            continue
        failed = contrast.failed_level + contrast.failed_baseline
        runs = "1 failed run" if failed == 1 else f"{failed} failed runs"
        without = (
            "no seed is left without them" if rest.ratio is None else f"MSE ratio {rest.ratio:.3g} without those seeds"
        )
        change = ", where the interval says something else of 1" if rest.agrees is False else ""
        notes.append(f"{_named(contrast.planned)}: {runs}, {without}{change}")
    return [f"Failed runs count with the error of the constant predictor ({'; '.join(notes)})."] if notes else []


def _named(planned: PlannedContrast) -> str:
    return f"{planned.factor} {planned.level}"


def _adjustment(m: int, correction: Correction) -> str:
    if correction == "none" or m == 1:
        return ""
    return f" by {'Holm' if correction == 'holm' else 'Bonferroni'} over {m}"


def _interval(interval: Interval) -> str:
    low, high = _digits(interval.low, 1.0), _digits(interval.high, 1.0)
    return f"{100 * interval.confidence:.3g} % interval {low} to {high}"


def _p(p: float | None, terms: _Terms) -> str:
    if p is None:
        return "no p"
    told = "< 0.001" if p < 0.001 else f"= {_digits(p, terms.alpha)}"
    return f"adjusted p {told}{terms.adjustment}" if terms.adjustment else f"p {told}"


def _digits(value: float, limit: float) -> str:
    """Three significant digits, or as many as it takes to stay on the value's side of `limit`."""
    for digits in range(3, 12):
        text = f"{value:.{digits}g}"
        if (float(text) < limit, float(text) > limit) == (value < limit, value > limit):
            return text
    return f"{value:g}"


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"
