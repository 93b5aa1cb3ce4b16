"""The sentences of an ablation's page: verdicts, methods, diagnostics, deviations; none says more than the rows do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import ONLY_FACTOR, contrast_name, effect_words, factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import drawable, error_pixels, show_score
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.verdicts import MINIMUM_SEEDS
from kpbench.statistics.words import coverage, interval_text, number, p_text, percent, plural, seeds_text


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
        VerdictLine(contrast_name(found, one), effect_words(found, one), one.word, _verdict(found, one, "MSE"))
        for one in found.contrasts
    )


def conclusion(found: Analysis) -> str:
    """The paragraph that a person can quote: every planned contrast and interaction with its verdict and numbers."""
    if not found.contrasts:
        return "No contrast was planned."
    lines = verdict_lines(found)
    effects = list(dict.fromkeys(line.effect for line in lines))
    alike = f", {effects[0]}" if len(effects) == 1 and effects[0] != ONLY_FACTOR else ""
    labels = [f" ({line.effect})" if len(effects) > 1 else "" for line in lines]
    text = [f"Change of MSE against the baseline by paired seeds{alike}{_adjustment(found, len(lines))}."]
    text += [f"{line.name}{label}: {line.word}. {line.text}" for line, label in zip(lines, labels, strict=True)]
    text += _survivors(found)
    if found.interactions:
        text.append(f"Interactions, as ratios of MSE ratios{_adjustment(found, len(found.interactions))}.")
        text += [
            f"{contrast_name(found, one)}: {one.word}. {_verdict(found, one, 'Ratio')}" for one in found.interactions
        ]
    return " ".join(text)


def _adjustment(found: Analysis, contrasts: int) -> str:
    return f", p adjusted by Holm over {contrasts}" if found.terms.corrected_for(contrasts) > 1 else ""


def _verdict(found: Analysis, one: Contrast, what: str) -> str:
    """The numbers behind a verdict; `what` is the quantity whose change they state."""
    word, terms = one.verdict.word, found.terms
    if word == "incomplete":
        ran = f"{one.n} of {one.blocks_planned} planned seeds"
        return f"{ran} have run for every cell it needs, so there is no verdict."
    if word == "withheld" or one.ci is None or one.ratio is None:
        guide = "" if one.ratio is None else f" The {what} differs by {percent(one.ratio)}, for orientation only."
        return f"{seeds_text(one.n)}; a verdict needs at least {MINIMUM_SEEDS}.{guide}"
    p = p_text(one.p_adjusted, alpha=terms.alpha)
    text = (
        f"{what} {percent(one.ratio)}, {coverage(one.ci)} interval {percent(one.ci.low)} to {percent(one.ci.high)}, "
        f"p {p if p.startswith('<') else f'= {p}'}, {seeds_text(one.n)}."
    )
    if word == "undecided":
        return f"{text} A true change of {one.detectable:.2g} % would be found with {100 * terms.power:g} % power."
    of_interest = f"{100 * terms.sesoi:g} % of interest"
    if word == "equivalent":
        return f"{text} Any difference is smaller than the {of_interest}."
    sizes = {
        "beyond": f"More than the {of_interest}.",
        "below": f"Less than the {of_interest}.",
        "unclear": f"It may be more or less than the {of_interest}.",
    }
    return f"{text} {sizes[one.verdict.size or 'unclear']}"


def _survivors(found: Analysis) -> list[str]:
    """What is left of the contrasts without the seeds in which a run diverged; empty where none did."""
    notes = []
    for one in found.contrasts:
        rest = one.survivors
        if rest is None:
            continue
        left = "no seed is left" if rest.ratio is None else f"MSE ratio {number(rest.ratio)}"
        change = ", where the interval says something else of 1" if rest.agrees is False else ""
        notes.append(f"{contrast_name(found, one)} ({one.failed}) {left}{change}")
    if not notes:
        return []
    return [
        "Diverged runs count with the error of the constant predictor; without their seeds, number of such runs in "
        f"brackets: {'; '.join(notes)}."
    ]


def headline(found: Analysis) -> str:
    """The verdicts counted; how far the study is where runs are missing."""
    words = [contrast.word for contrast in found.contrasts]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    text = f"{plural(len(words), 'planned contrast')}: {counts}." if words else "No contrast was planned."
    if found.missing > 0:
        done = found.design.runs - found.missing
        text += f" The study is not complete: {done:,} of {plural(found.design.runs, 'run')} have ended."
    return text


def caveats(found: Analysis) -> tuple[str, ...]:
    """What a reader of the verdicts has to know beside them."""
    notes = []
    if found.design.crossed and any(one.word == "present" for one in found.interactions):
        notes.append(
            "Factors interact here: an effect averaged over the other factors is not the effect at each of their "
            "levels; see the interactions."
        )
    if len(found.design.factors) == 1:
        notes.append("Every effect is conditional on the settings that all runs share; see the methods.")
    elif not found.design.crossed:
        at = ", ".join(f"{factor_names(found.design)[k]} {show_level(v)}" for k, v in found.design.baseline.items())
        notes.append(
            f"One factor at a time: every effect holds at the baseline ({at}) and may differ at other settings."
        )
    if _alarm(found):
        notes.append("The A/A control raised an alarm; see the diagnostics before relying on small effects.")
    return tuple(notes)


def floor_sentence(found: Analysis) -> str:
    """What is reached without a network, on the sealed test; says so where it was not measured."""
    scores = {name: split.get("test") for name, split in found.floor.items()}
    named = [
        f"{name} {show_score(score)} ({error_pixels(score):.2f} px)"
        for name, score in scores.items()
        if score is not None and drawable(score)
    ]
    if not named:
        return "No floor is stored with this study, so what a method without a network reaches is not known."
    known = [score for score in scores.values() if score is not None and drawable(score)]
    text = f"Without a network, on the sealed test: {', '.join(named)}."
    names = factor_names(found.design)
    below = [
        f"{names[level.factor]} {show_level(level.level)}"
        for level in found.levels
        if level.interval is not None and level.interval.score <= max(known)
    ]
    if below:
        text += f" Not above the higher of them, on average: {', '.join(below)}."
    return text


def without_faces(found: Analysis) -> str:
    """Which contrasts have no interval over seeds and faces and why; empty where all have one."""
    reasons: dict[str, list[str]] = {}
    for contrast, detail in zip(found.contrasts, found.details, strict=True):
        if detail.without:
            reasons.setdefault(detail.without, []).append(contrast_name(found, contrast))
    if not reasons:
        return ""
    listed = [
        f"{'all contrasts' if len(names) == len(found.contrasts) > 1 else ', '.join(names)} ({reason})"
        for reason, names in reasons.items()
    ]
    return f"No interval over seeds and faces: {'; '.join(listed)}."


def keypoints_note(found: Analysis) -> str:
    """What the differences of keypoints are and when one is ringed."""
    tests = sum(len(detail.keypoints) for detail in found.details)
    return (
        "Exploratory: the MSE of each keypoint at the level over that at the baseline, geometric mean over paired "
        "seeds without those in which a run diverged. What all keypoints share is the effect itself. "
        f"p values are adjusted by Benjamini and Hochberg over the {tests} differences of this study; "
        f"a ring marks those below {found.design.alpha:g}, so that at most {100 * found.design.alpha:g} % of the "
        f"ringed are expected to be finds by chance. With fewer than {MINIMUM_SEEDS} seeds, or a planned seed missing, "
        "none is ringed."
    )


def control_sentences(found: Analysis) -> tuple[str, ...]:
    """The A/A result and what it means."""
    if not found.design.control:
        return ("No A/A arm was planned, so false positives of this set-up were not looked for.",)
    control = found.control
    if control is None:
        return ("The A/A arm has fewer than two complete pairs so far, so nothing can be said of it.",)
    alpha = found.design.alpha
    interval = control.ratio_interval(1 - alpha)
    result = (
        f"A/A: the baseline cell against itself under another cohort of seeds, MSE ratio {number(control.ratio)}, "
        f"{coverage(interval)} interval {interval_text(interval)}, "
        f"p {p_text(control.p, alpha=alpha)}, {plural(control.n, 'pair')} of {len(found.design.control)}. "
        f"The standard deviation of its differences of log MSE is {control.sd:.3g}, the noise without pairing."
    )
    if control.n < MINIMUM_SEEDS:
        return (result, f"With fewer than {MINIMUM_SEEDS} pairs it is no check.")
    if _alarm(found):
        return (
            result,
            f"The interval leaves out 1, which happens by chance in {100 * alpha:g} % of healthy studies. It may be "
            "that, or runs that should be exchangeable are not; effects of this size are not to be relied on.",
        )
    return (
        result,
        "The interval holds 1, as it should where nothing was changed. That is one draw: it does not prove that no "
        "other comparison of this study errs.",
    )


def _alarm(found: Analysis) -> bool:
    """Whether the A/A arm, with enough pairs, differs from the baseline that it repeats."""
    control = found.control
    if control is None or control.n < MINIMUM_SEEDS:
        return False
    return control.interval(1 - found.design.alpha).excludes(0.0)


DIAGNOSTICS = (
    "Pair correlation is that of the two log MSEs over blocks. Near 0, sharing seeds did not help; it does not bias "
    "the result. The p of normality (Shapiro and Wilk, on the paired differences) is small where they are not normal; "
    "with few seeds it misses most departures, so a large p is no proof. The permutation p and the bootstrap interval "
    "above do not rest on normality."
)
"""What the diagnostics say and what they do not."""


def deviations(
    found: Analysis, sessions: Sequence[Mapping[str, object]], readings: Sequence[Mapping[str, object]]
) -> tuple[str, ...]:
    """Where what was done differs from the plan, or from one undisturbed run of it; empty for none."""
    notes = []
    if found.missing > 0:
        tried = f", {len(found.failures):,} of them after a failed attempt" if found.failures else ""
        notes.append(f"{found.missing:,} of {plural(found.design.runs, 'planned run')} have no outcome{tried}.")
    lost = [row for row in found.rows if row.state == "failed"]
    if lost:
        blocks = ", ".join(f"{row.cell} seed {row.seed}" for row in lost[:12])
        more = f" and {len(lost) - 12:,} more" if len(lost) > 12 else ""
        counted = [row for row in lost if row.role == "ablation"]
        rule = " They count with the mean face's MSE." if counted else ""
        notes.append(f"{plural(len(lost), 'run')} diverged: {blocks}{more}.{rule}")
        aside = [row for row in lost if row.role == "control"]
        if aside:
            notes.append(f"{plural(len(aside), 'diverged run')} of the A/A arm: the pair is left out.")
    if len(sessions) > 1:
        notes.append(f"The study was done in {plural(len(sessions), 'session')}.")
    for what, values in (
        ("devices", {row.device for row in found.rows}),
        ("data digests", {row.data for row in found.rows}),
    ):
        if len(values) > 1:
            notes.append(f"The runs have several {what}: {', '.join(sorted(values))}.")
    taken = [row.taken_from for row in found.rows if row.taken_from is not None]
    if taken:
        plans = ", ".join(sorted(set(taken)))
        notes.append(
            f"{plural(len(taken), 'run')} of {found.design.runs:,} were trained and scored in another study of the "
            f"same task (plan {plans}) and taken over: the two studies are no independent witnesses."
        )
    again = _models(readings) - sum(row.test_score is not None and row.taken_from is None for row in found.rows)
    if again > 0:
        notes.append(f"The sealed test was opened {plural(again, 'time')} more than once for each run that is counted.")
    return tuple(notes)


def readings_sentence(readings: Sequence[Mapping[str, object]]) -> str:
    """How often the sealed test was opened and for what."""
    if not readings:
        return "The sealed test has not been opened."
    runs = _models(readings)
    text = f"The sealed test was opened {plural(len(readings), 'time')}: {runs:,} for a run's model"
    return f"{text}, {len(readings) - runs:,} for the floor."


def _models(readings: Sequence[Mapping[str, Any]]) -> int:
    return sum(not str(reading.get("model", "")).startswith("floor:") for reading in readings)
