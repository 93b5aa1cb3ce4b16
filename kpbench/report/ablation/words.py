"""The sentences of an ablation's page: verdicts, methods, diagnostics, deviations; none says more than the rows do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import contrast_name, effect_words, factor_names
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
        VerdictLine(
            contrast_name(found, contrast),
            effect_words(found, contrast),
            contrast.verdict.word,
            _verdict(found, contrast),
        )
        for contrast in found.contrasts
    )


def _verdict(found: Analysis, contrast: Contrast) -> str:
    word, evidence, ratio = contrast.verdict.word, contrast.evidence, contrast.ratio
    if word == "incomplete":
        ran = f"{contrast.n} of {contrast.blocks_planned} planned seeds"
        return f"{ran} have run for every cell it needs, so there is no verdict."
    if word == "withheld" or evidence is None or ratio is None:
        guide = "" if ratio is None else f" The MSE differs by {percent(ratio)}, for orientation only."
        return f"{seeds_text(contrast.n)}; a verdict needs at least {MINIMUM_SEEDS}.{guide}"
    low, high = percent(evidence.ci.low), percent(evidence.ci.high)
    text = f"MSE {percent(ratio)}, {coverage(evidence.ci)} interval {low} to {high}, {seeds_text(contrast.n)}."
    if word == "undecided":
        return (
            f"{text} A true change of {evidence.detectable:.2g} % would be found with "
            f"{100 * found.design.power:g} % power."
        )
    of_interest = f"{100 * found.design.sesoi:g} % of interest"
    if word == "equivalent":
        return f"{text} Any difference is smaller than the {of_interest}."
    sizes = {
        "beyond": f"More than the {of_interest}.",
        "below": f"Less than the {of_interest}.",
        "unclear": f"It may be more or less than the {of_interest}.",
    }
    return f"{text} {sizes[contrast.verdict.size or 'unclear']}"


def headline(found: Analysis) -> str:
    """The verdicts counted; how far the study is where runs are missing."""
    words = [contrast.verdict.word for contrast in found.contrasts]
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
    if found.control is not None and found.control.alarm:
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
    told = [
        f"{'all contrasts' if len(names) == len(found.contrasts) > 1 else ', '.join(names)} ({reason})"
        for reason, names in reasons.items()
    ]
    return f"No interval over seeds and faces: {'; '.join(told)}."


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
    result = (
        f"A/A: the baseline cell against itself under another cohort of seeds, MSE ratio {number(control.ratio)}, "
        f"{coverage(control.ci)} interval {interval_text(control.ci)}, "
        f"p {p_text(control.p, alpha=alpha)}, {plural(control.n, 'pair')} of {len(found.design.control)}. "
        f"The standard deviation of its differences of log MSE is {control.sd:.3g}, the noise without pairing."
    )
    if control.alarm is None:
        return (result, f"With fewer than {MINIMUM_SEEDS} pairs it is no check.")
    if control.alarm:
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
