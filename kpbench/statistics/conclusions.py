"""The paragraph that a person can quote; it never says more than the numbers.

What all contrasts share is said once; a decided one has a sentence of its own, and those that came out alike without a
direction share one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.corrections import Correction
from kpbench.statistics.interactions import Interaction
from kpbench.statistics.intervals import Interval
from kpbench.statistics.plan import PlannedContrast
from kpbench.statistics.verdicts import MINIMUM_SEEDS, Size
from kpbench.statistics.words import coverage, interval_text, number, p_text, seeds_text

Names = Mapping[str, str]
"""Factor -> the name to print; one that is not in it is printed as it is."""


def conclude(
    contrasts: Sequence[Contrast],
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    correction: Correction = "holm",
    names: Names | None = None,
) -> str:
    """One paragraph on a family of contrasts: every planned one is named, nulls in the same words.

    Args:
        contrasts: as `compare` gave them; the other arguments but `names` as they were given to it.
    """
    if not contrasts:
        return "No contrast was planned."
    terms = _Terms.of(len(contrasts), sesoi, alpha, power, correction, names)
    frame, labels = _frame(contrasts, terms)
    found = [
        _Finding(
            pair=f"{terms.level(one.planned)} against {one.baseline}{label}",
            word=one.verdict.word,
            n=one.n,
            planned=one.blocks_planned,
            seeds=_own_seeds(contrasts, one),
            ratio=one.ratio,
            interval=None if one.evidence is None else one.evidence.ci,
            p=None if one.evidence is None else one.evidence.p_adjusted,
            detectable=None if one.evidence is None else one.evidence.detectable,
            size=one.verdict.size,
        )
        for one, label in zip(contrasts, labels, strict=True)
    ]
    measure = "MSE ratio"
    lines = [frame] if frame else []
    for word, error in (("better", "lower"), ("worse", "higher")):
        lines += [
            f"{one.pair}: {word}, the MSE is {error} {_size(one.size, terms)} ({_numbers(one, measure, terms)})."
            for one in found
            if one.word == word
        ]
    lines += _grouped(f"Equivalent within {terms.sesoi} of MSE", found, "equivalent", measure, terms)
    lines += _grouped("Undecided", found, "undecided", measure, terms)
    return " ".join([*lines, *_without_verdict(found, measure), *_diverged(contrasts, terms)])


def conclude_interactions(
    interactions: Sequence[Interaction],
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    correction: Correction = "holm",
    names: Names | None = None,
) -> str:
    """One paragraph on a family of interactions, every planned one named.

    Args:
        interactions: as `interact` gave them; the other arguments but `names` as they were given to it.
    """
    if not interactions:
        return "No interaction was planned."
    terms = _Terms.of(len(interactions), sesoi, alpha, power, correction, names)
    found = [
        _Finding(
            pair=f"{terms.level(one.planned.first)} with {terms.level(one.planned.second)}",
            word=one.word,
            n=one.n,
            planned=one.blocks_planned,
            seeds=_own_seeds(interactions, one),
            ratio=one.ratio,
            interval=one.ci,
            p=one.p_adjusted,
            detectable=one.detectable,
            size=one.size,
        )
        for one in interactions
    ]
    sides = [side.planned.first for side in interactions] + [side.planned.second for side in interactions]
    origin = ", ".join(dict.fromkeys(f"{terms.name(side.factor)} {side.baseline}" for side in sides))
    measure = "ratio of MSE ratios"
    tested = _adjusted(terms) if any(one.word in ("present", "negligible", "undecided") for one in found) else ""
    begun = any(one.word != "incomplete" for one in found)
    lines = [f"Interactions{_shared_seeds(interactions)}, against {origin}{tested}."] if begun else []
    lines += [
        f"{one.pair}: they interact, the MSE of both together is {'lower' if (one.ratio or 1.0) < 1.0 else 'higher'} "
        f"than their separate effects multiply to{f', by less than {terms.sesoi}' if one.size == 'below' else ''} "
        f"({_numbers(one, measure, terms)})."
        for one in found
        if one.word == "present"
    ]
    lines += _grouped(f"No interaction as large as {terms.sesoi}", found, "negligible", measure, terms)
    lines += _grouped("Undecided", found, "undecided", measure, terms)
    return " ".join([*lines, *_without_verdict(found, measure)])


def effect_label(contrast: Contrast, names: Names | None = None) -> str:
    """What kind of effect it is: `averaged over norm`, `at norm = batch`, or both."""
    short = names or {}
    held = ", ".join(f"{short.get(name, name)} = {level}" for name, level in contrast.planned.at.items())
    averaged = ", ".join(short.get(name, name) for name in contrast.averaged_over)
    parts = [f"averaged over {averaged}" if averaged else "", f"at {held}" if held else ""]
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Terms:
    """What all sentences of a paragraph share, as text where it is only printed."""

    family: int
    sesoi: str
    alpha: float
    power: str
    adjustment: str
    names: Names = field(default_factory=dict)

    @classmethod
    def of(
        cls, family: int, sesoi: float, alpha: float, power: float, correction: Correction, names: Names | None
    ) -> "_Terms":
        alone = correction == "none" or family == 1
        adjustment = "" if alone else f" by {'Holm' if correction == 'holm' else 'Bonferroni'} over {family}"
        return cls(family, f"{100 * sesoi:g} %", alpha, f"{100 * power:g} %", adjustment, names or {})

    def name(self, factor: str) -> str:
        return self.names.get(factor, factor)

    def level(self, planned: PlannedContrast) -> str:
        return f"{self.name(planned.factor)} {planned.level}"


@dataclass(frozen=True)
class _Finding:
    """A contrast or an interaction, as far as a sentence needs it; `seeds` is empty where all share their number."""

    pair: str
    word: str
    n: int
    planned: int
    seeds: str
    ratio: float | None
    interval: Interval | None
    p: float | None
    detectable: float | None
    size: Size | None


def _frame(contrasts: Sequence[Contrast], terms: _Terms) -> tuple[str, list[str]]:
    """What is said once for several contrasts, and for each contrast the label that this leaves to be said."""
    labels = [effect_label(one, terms.names) for one in contrasts]
    if len(contrasts) == 1:
        return "", [f" ({labels[0]})" if labels[0] else ""]
    if all(one.verdict.word == "incomplete" for one in contrasts):
        return "", ["" for _ in contrasts]
    held = dict(pair for one in contrasts for pair in one.planned.at.items())
    if len(set(labels)) == 1:
        shared = labels[0]
    elif all(one.averaged_over and not one.planned.at for one in contrasts):
        shared = "each averaged over the other factors"
    elif all(one.planned.at.items() <= held.items() and not one.averaged_over for one in contrasts):
        levels = ", ".join(f"{terms.name(name)} = {level}" for name, level in held.items())
        shared = f"each with the other factors at {levels}"
    else:
        shared = ""
    text = f"MSE of each level over the baseline's{_shared_seeds(contrasts)}{f', {shared}' if shared else ''}"
    rest = ["" if shared or not label else f" ({label})" for label in labels]
    tested = _adjusted(terms) if any(one.verdict.word != "withheld" for one in contrasts) else ""
    return f"{text}; below 1 is better{tested}.", rest


def _adjusted(terms: _Terms) -> str:
    return f", p adjusted{terms.adjustment}" if terms.adjustment else ""


def _shared_seeds(found: Sequence[Contrast] | Sequence[Interaction]) -> str:
    counts = {one.n for one in found}
    return f" over {seeds_text(min(counts))}" if len(counts) == 1 and len(found) > 1 and min(counts) > 0 else ""


def _own_seeds(found: Sequence[Contrast] | Sequence[Interaction], one: Contrast | Interaction) -> str:
    return "" if _shared_seeds(found) else seeds_text(one.n)


def _size(size: Size | None, terms: _Terms) -> str:
    if size == "beyond":
        return f"by more than the {terms.sesoi} of interest"
    if size == "below":
        return f"but by less than the {terms.sesoi} of interest"
    return f"by an amount that may lie below or above the {terms.sesoi} of interest"


def _numbers(one: _Finding, measure: str, terms: _Terms) -> str:
    parts = [f"{measure} {number(one.ratio)}" if one.ratio is not None else ""]
    if one.interval is not None:
        parts.append(f"{coverage(one.interval)} interval {interval_text(one.interval)}")
    parts += [_p(one.p, terms), one.seeds]
    return ", ".join(part for part in parts if part)


def _bare_numbers(one: _Finding, terms: _Terms) -> str:
    parts = ["" if one.ratio is None else number(one.ratio), interval_text(one.interval)]
    return ", ".join(part for part in [*parts, p_text(one.p, alpha=terms.alpha), one.seeds] if part)


def _grouped(title: str, found: Sequence[_Finding], word: str, measure: str, terms: _Terms) -> list[str]:
    """One sentence for all findings with a word."""
    mine = [one for one in found if one.word == word]
    if not mine:
        return []
    levels = {coverage(one.interval) for one in mine if one.interval is not None}
    if len(mine) > 1 and len(levels) == 1:
        # What the brackets hold is said once.
        title += f" ({measure}, {levels.pop()} interval, {'adjusted p' if terms.adjustment else 'p'})"
        told = [f"{one.pair} ({_bare_numbers(one, terms)})" for one in mine]
    else:
        told = [f"{one.pair} ({_numbers(one, measure, terms)})" for one in mine]
    tail = ""
    if word == "undecided":
        changes = [one.detectable or 0.0 for one in mine]
        ends = f"{min(changes):.2g} %" if len(mine) == 1 else f"{min(changes):.2g} to {max(changes):.2g} %"
        of = "MSE" if measure == "MSE ratio" else "the ratio"
        they = "it" if len(mine) == 1 else "they"
        tail = f"; with {terms.power} power {they} would find a true change of {of} by {ends}"
    return [f"{title}: {'; '.join(told)}{tail}."]


def _without_verdict(found: Sequence[_Finding], measure: str) -> list[str]:
    lines = []
    cut = [one for one in found if one.word == "incomplete"]
    if cut:
        counts = sorted({one.n for one in cut})
        ran = f"{' to '.join(str(n) for n in dict.fromkeys([counts[0], counts[-1]]))} of {cut[0].planned} planned seeds"
        if len(cut) == len(found) > 1:
            what = "contrasts" if measure == "MSE ratio" else "interactions"
            lines.append(
                f"No verdict yet on any of the {len(found)} {what}: {ran} have run for every cell that one needs."
            )
        else:
            lines.append(f"Incomplete with {ran}, so there is no verdict: {'; '.join(one.pair for one in cut)}.")
    few = [one for one in found if one.word == "withheld"]
    if few:
        told = [
            one.pair if one.ratio is None else f"{one.pair} ({measure} {number(one.ratio)}, for orientation only)"
            for one in few
        ]
        lines.append(
            f"Verdict withheld, {seeds_text(few[0].n)} of the {MINIMUM_SEEDS} that a verdict needs: {'; '.join(told)}."
        )
    return lines


def _p(p: float | None, terms: _Terms) -> str:
    if p is None:
        return "no p"
    text = p_text(p, alpha=terms.alpha)
    return f"{'adjusted p' if terms.adjustment else 'p'} {text if text.startswith('<') else f'= {text}'}"


def _diverged(contrasts: Sequence[Contrast], terms: _Terms) -> list[str]:
    touched = [(one, one.survivors) for one in contrasts if one.survivors is not None]
    if not touched:
        return []
    notes = []
    for one, rest in touched:
        failed = one.failed_level + one.failed_baseline
        left = "no seed is left" if rest.ratio is None else f"MSE ratio {number(rest.ratio)}"
        change = ", where the interval says something else of 1" if rest.agrees is False else ""
        notes.append(f"{terms.level(one.planned)} ({failed}) {left}{change}")
    return [
        "Diverged runs count with the error of the constant predictor; without their seeds, number of such runs in "
        f"brackets: {'; '.join(notes)}."
    ]
