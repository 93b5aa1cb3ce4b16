"""The verdicts of an ablation in sentences, and the paragraph to quote; none says more than the numbers do."""

from dataclasses import dataclass

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import ONLY_FACTOR, contrast_name, effect_words
from kpbench.report.ablation.words import SPLITS
from kpbench.report.setting import faces_words, family_words, training_words
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.simple_effects import SimpleEffects
from kpbench.statistics.words import coverage, detectable_text, number, p_text, percent, plural, seeds_text


@dataclass(frozen=True)
class VerdictLine:
    """One contrast's verdict: what was compared, the word, and the numbers behind it as a sentence."""

    name: str
    effect: str
    word: str
    text: str


def verdict_lines(found: Analysis) -> tuple[VerdictLine, ...]:
    """One line for every planned contrast, in the order of the plan."""
    return tuple(
        VerdictLine(contrast_name(found, one), effect_words(found, one), one.word, _verdict(found, one, simple))
        for one, simple in zip(found.contrasts, found.simple, strict=True)
    )


def conclusion(found: Analysis) -> str:
    """The paragraph that a person can quote: every planned contrast and interaction with its verdict and numbers."""
    if not found.contrasts:
        return "No contrast was planned."
    lines = verdict_lines(found)
    effects = list(dict.fromkeys(line.effect for line in lines))
    alike = f", {effects[0]}" if len(effects) == 1 and effects[0] != ONLY_FACTOR else ""
    labels = [f" ({line.effect})" if len(effects) > 1 else "" for line in lines]
    kind = "Post hoc: change" if found.provenance.older else "Change"
    text = [_setting(found)]
    text += [f"{kind} of MSE against the baseline by paired seeds{alike}{_adjustment(found, len(lines))}."]
    text += [f"{line.name}{label}: {line.word}. {line.text}" for line, label in zip(lines, labels, strict=True)]
    text += _survivors(found)
    if found.confirmed:
        words = [f"{contrast_name(found, one)} {one.word}" for one in found.confirmed]
        text.append(f"On the sealed test, {opened(found)}: {', '.join(words)}.")
    if found.interactions:
        text.append(f"Interactions, as ratios of MSE ratios{_adjustment(found, len(found.interactions))}.")
        text += [f"{contrast_name(found, one)}: {one.word}. {_verdict(found, one)}" for one in found.interactions]
    return " ".join(text)


def opened(found: Analysis) -> str:
    """That the sealed test was opened once by this study, and that it is not fresh where others had read it."""
    before = found.provenance.test_before
    if not before:
        return "opened once"
    readings = plural(sum(one.readings for one in before), "time")
    return f"opened once here and read {readings} before by {plural(len(before), 'other study', many='other studies')}"


def _setting(found: Analysis) -> str:
    """What was trained, on what and how often: the first sentence of what a paper quotes."""
    plan, design = found.plan, found.design
    networks = " ".join(filter(None, ("Networks", (family := family_words(found.rows)) and f"of {family}")))
    ran = max(one.n for one in found.contrasts)
    seeds = seeds_text(ran) if design.looks or ran == len(design.blocks) else f"{ran} of {len(design.blocks)} seeds"
    drawn = ", train and val drawn anew, by person, in each block" if design.resplit else ""
    faces = f"{faces_words(plan.data_name, plan.data_sizes)}{drawn}"
    return (
        f"{networks} (space {plan.space_name}) were trained for "
        f"{training_words(plan.epochs, plan.data_sizes['train'])} on {faces}, {seeds} a cell, and judged on "
        f"{SPLITS[found.split]}."
    )


def _adjustment(found: Analysis, contrasts: int) -> str:
    return f", p adjusted by Holm over {m}" if (m := found.terms.corrected_for(contrasts)) > 1 else ""


def _verdict(found: Analysis, one: Contrast, simple: SimpleEffects | None = None) -> str:
    """The reason for a verdict and the numbers behind it."""
    word, terms = one.verdict.word, found.terms
    what = "Ratio" if one.planned.times else "MSE"
    if word == "incomplete":
        ran = f"{one.n} of {one.blocks_planned} planned seeds"
        return f"{ran} have run for every cell it needs, so there is no verdict."
    if one.ci is None or one.ratio is None:
        return _without_verdict(found, one)
    numbers = _numbers(found, one, what)
    if word == "withheld":
        return f"{_without_verdict(found, one)} {numbers}"
    of_interest = f"{100 * terms.sesoi:g} % of interest"
    if word == "mixed" and simple is not None:
        return (
            f"{numbers} It is better in {simple.better}, worse in {simple.worse} of {len(simple.effects)} combinations "
            "of the other factors' levels, so the average is no answer: see the effects at each."
        )
    if word == "undecided":
        if one.verdict.why in ("collapse", "nothing learnt"):
            return f"{numbers} {_hidden(one, of_interest)}"
        change = detectable_text(one.detectable, one.detectable_interval)
        return (
            f"{numbers} A true change of {change} would be found with {100 * terms.power:g} % power."
            f"{_disagreement(one)}"
        )
    if word == "equivalent":
        return f"{numbers} Any difference is smaller than the {of_interest}.{_disagreement(one)}"
    sizes = {
        "beyond": f"More than the {of_interest}.",
        "below": f"Less than the {of_interest}.",
        "unclear": f"It may be more or less than the {of_interest}.",
    }
    return f"{numbers} {sizes[one.verdict.size or 'unclear']}{_disagreement(one)}"


def _numbers(found: Analysis, one: Contrast, what: str) -> str:
    if one.ci is None or one.ratio is None:
        return ""
    p = p_text(one.p_adjusted, alpha=one.alpha)
    return (
        f"{what} {percent(one.ratio)}, {coverage(one.ci)} interval {percent(one.ci.low)} to {percent(one.ci.high)}, "
        f"p {p if p.startswith('<') else f'= {p}'}, {seeds_text(one.n)}."
    )


def _without_verdict(found: Analysis, one: Contrast) -> str:
    """Why a contrast has no verdict."""
    if one.verdict.why == "post hoc":
        return "Its rows are older than its plan: an estimate, no verdict."
    if one.verdict.why == "tuned once":
        return "Each cell was tuned once for all seeds, so luck in tuning is in no interval: no verdict."
    contrasts = len(found.interactions if one.planned.times else found.contrasts)
    return f"{seeds_text(one.n)}; a verdict on {plural(contrasts, 'contrast')} needs at least {one.needed}."


def _hidden(one: Contrast, of_interest: str) -> str:
    """Why an interval inside the band is not called equivalent."""
    if one.verdict.why == "nothing learnt":
        near = f"These networks are within the {of_interest} of the mean face"
        failed = f"{plural(one.failed, 'run')} failed and count with the mean face"
        return f"{failed if one.failed else near}: that they are alike says nothing."
    return f"Within the {of_interest}, but a rare collapse could hide more."


def _disagreement(one: Contrast) -> str:
    """Where sign flips, which assume no normal tails, say another thing of 1 than the interval does."""
    if one.checks is None or one.ci is None:
        return ""
    if one.ci.excludes(1.0) == (one.checks.p_permutation <= 1.0 - one.ci.confidence):
        return ""
    return f" Sign flips give p = {one.checks.p_permutation:.3f} and do not agree."


def _survivors(found: Analysis) -> list[str]:
    """What is left of the contrasts without the seeds in which a run failed; empty where none did."""
    notes, few = [], []
    for one in found.contrasts:
        rest = one.survivors
        if rest is None or not one.failed:
            continue
        left = "no seed is left" if rest.ratio is None else f"MSE ratio {number(rest.ratio)}"
        change = ", where the interval says something else of 1" if rest.agrees is False else ""
        seeds = f" over {rest.n} of {seeds_text(one.n)}" if rest.n else ""
        notes.append(f"{contrast_name(found, one)} ({plural(one.failed, 'such run')}) {left}{seeds}{change}")
        if 2 * rest.n < one.n:
            few.append(contrast_name(found, one))
    if not notes:
        return []
    text = (
        "Runs that diverged or collapsed count with the error of the constant predictor. Without their seeds: "
        f"{'; '.join(notes)}."
    )
    if not few:
        return [text]
    return [
        text,
        f"Fewer than half of the seeds are left for {', '.join(few)}: what is told apart there is whether a run leaves "
        "the constant predictor at all, not what a network reaches that has learnt; train longer to ask that.",
    ]
