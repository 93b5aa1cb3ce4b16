"""The sentences of an ablation's page: verdicts, methods, diagnostics, deviations; none says more than the rows do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kpbench.analysis import Analysis
from kpbench.plots.ablation_names import contrast_name, effect_words, factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import drawable, error_pixels, show_score
from kpbench.report.verdict import plural
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.families import Correction, interval_note
from kpbench.statistics.scale import percent_change
from kpbench.statistics.verdicts import MINIMUM_SEEDS

MINUS = "−"


@dataclass(frozen=True)
class VerdictLine:
    """One contrast's verdict: what was compared, the word, and the numbers behind it as a sentence."""

    name: str
    effect: str
    word: str
    text: str


def number(value: float, *, beside: float = 1.0) -> str:
    """Three significant digits, or as many as keep the text on the value's side of `beside`."""
    for digits in range(3, 12):
        text = f"{value:.{digits}g}"
        if (float(text) < beside, float(text) > beside) == (value < beside, value > beside):
            break
    return text


def percent(ratio: float) -> str:
    """A ratio as a signed change: `−12.3 %`; more digits where it is small, so that the sign is never lost."""
    change = percent_change(ratio)
    text = f"{abs(change):,.1f}" if abs(change) >= 0.1 else f"{abs(change):.2g}"
    return f"{MINUS if change < 0 else '+'}{text} %" if change else "0 %"


def p_text(p: float | None) -> str:
    """A p value: `< 0.001`, or three digits; a dash for none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0495 or p >= 0.0505 else f"{p:.5f}"


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
        return f"{plural(contrast.n, 'seed')}; a verdict needs at least {MINIMUM_SEEDS}.{guide}"
    low, high = percent(evidence.ci.low), percent(evidence.ci.high)
    level = f"{100 * evidence.ci.confidence:.3g} %"
    text = f"MSE {percent(ratio)}, {level} interval {low} to {high}, {plural(contrast.n, 'seed')}."
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
    means = {level.level: level.interval.score for level in found.levels if level.interval is not None}
    known = [score for score in scores.values() if score is not None and drawable(score)]
    text = f"Without a network, on the sealed test: {', '.join(named)}."
    below = sorted(show_level(level) for level, score in means.items() if score <= max(known))
    if below:
        text += f" Not above the higher of them: {', '.join(dict.fromkeys(below))}."
    return text


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
        f"Data: {plan.data_name} ({sizes} faces). Every run has {plural(plan.epochs, 'epoch')} of training on "
        f"{plan.device} in {plan.precision}, with the same recipe for all cells and no tuning of a cell of its own. "
        "Within a block all cells share the seeds of data order, augmentation, initial weights and dropout, each "
        "derived by hashing. No run is stopped early, and the order of runs is randomised. Each complete run is "
        "scored once on the sealed test split by the official scorer, one image at a time, after its last epoch."
    )


def _analysis(found: Analysis) -> str:
    design = found.design
    m = len(found.contrasts)
    correction = cast(Correction, design.correction)
    text = "Contrasts are paired t tests on log MSE over blocks. "
    if m > 1 and correction != "none":
        text += f"The {m} planned contrasts are one family, corrected by {correction.capitalize()}"
        text += "; interactions are a family of their own. " if design.crossed else ". "
    elif m > 1:
        text += f"The {m} planned contrasts are not corrected for their number. "
    low, high = 1 / (1 + design.sesoi), 1 + design.sesoi
    text += interval_note(max(m, 1), alpha=design.alpha, correction=correction)
    text += (
        f" Better or worse: the interval leaves out 1. Equivalent: it lies within {low:.3f} to "
        f"{high:.3f}, the smallest effect of interest of {100 * design.sesoi:g} % of MSE (two one-sided tests, each "
        f"at half the interval's level). Fewer than {MINIMUM_SEEDS} seeds get no verdict, and neither does a contrast "
        "with a missing run. The stated rule for diverged runs: one whose loss or score is not a number counts with "
        "the MSE of the mean face. Detectable effects are for "
        f"{100 * design.power:g} % power at alpha = {design.alpha:g}"
    )
    return text + (f" / {m}." if m > 1 and correction != "none" else ".")


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
        f"{100 * control.ci.confidence:.3g} % interval {number(control.ci.low)} to {number(control.ci.high)}, "
        f"p {p_text(control.p)}, {plural(control.n, 'pair')} of {len(found.design.control)}. "
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
        notes.append(f"{found.missing:,} of {plural(found.design.runs, 'planned run')} have no outcome.")
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
    again = _models(readings) - sum(row.test_score is not None for row in found.rows)
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
