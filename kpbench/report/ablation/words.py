"""The sentences of an ablation's page beside its verdicts: headline, caveats, floor, control, notes."""

from collections.abc import Sequence

import numpy as np

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.plots.ablation.names import cell_name, contrast_name, factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import drawable, score_rmse_px, show_score
from kpbench.report.metrics import score_ends
from kpbench.report.tables import Card
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.intervals import score_interval
from kpbench.statistics.verdicts import MINIMUM_SEEDS
from kpbench.statistics.words import coverage, interval_text, number, p_text, percent, plural, seeds_text

SPLITS = {"val": "the validation faces", "test": "the sealed test"}
"""The faces that judge, as a sentence calls them."""


PHRASES = {
    "better": "gains score", "worse": "costs score", "equivalent": "makes no difference of interest",
    "undecided": "is undecided", "withheld": "has no verdict, an estimate only", "mixed": "is no single effect",
}  # fmt: skip
"""What is said of a factor whose every contrast has the same verdict."""


def answer(found: Analysis) -> str:
    """The first sentence of the page: each factor's changes of MSE, and what its verdicts let one say."""
    names, by_factor = factor_names(found.design), dict[str, list[Contrast]]()
    for one in found.contrasts:
        if one.ratio is not None and one.word != "incomplete":
            by_factor.setdefault(one.factor, []).append(one)
    if not by_factor:
        return headline(found)
    texts = []
    for factor, mine in by_factor.items():
        words = {one.word for one in mine}
        alike = len(words) == 1
        parts = [
            f"{percent(one.ratio or 1.0)}{'' if at else ' MSE'} with {_level(found, one)}"
            f"{'' if alike else f' ({one.word})'}"
            for at, one in enumerate(mine)
        ]
        says = f"{_subject(found, mine)} {PHRASES[words.pop()]}" if alike else names[factor]
        texts.append(f"{says}: {', '.join(parts)}")
    n = {one.n for mine in by_factor.values() for one in mine}
    seeds = seeds_text(max(n)) if len(n) == 1 else f"{min(n)} to {max(n)} seeds"
    text = f"{'; '.join(texts)} ({seeds})."
    return text[0].upper() + text[1:]


def _subject(found: Analysis, mine: Sequence[Contrast]) -> str:
    """What gains or costs score: the factor where its baseline is to have none of it, else another value of it."""
    name, baselines = factor_names(found.design)[mine[0].factor], {one.baseline for one in mine}
    if len(baselines) > 1 or baselines <= {"none", False} or mine[0].word not in ("better", "worse"):
        return name
    return f"other {name} than {show_level(baselines.pop())}"


def _level(found: Analysis, one: Contrast) -> str:
    against = "" if one.baseline == found.design.baseline.get(one.factor) else f" against {show_level(one.baseline)}"
    names, baseline = factor_names(found.design), found.design.baseline
    apart = {name: level for name, level in one.planned.at.items() if level != baseline.get(name)}
    held = ", ".join(f"{names[name]} {show_level(level)}" for name, level in apart.items())
    return f"{show_level(one.level)}{against}{f' at {held}' if held else ''}"


def cards(found: Analysis) -> tuple[Card, ...]:
    """The best cell, the largest contrast and the highest floor, as far as they are known."""
    made, faces = [], SPLITS[found.split]
    cells = [(mean, at) for at, mse in enumerate(found.table.mse) if not np.isnan(mean := np.log(mse).mean())]
    if cells:
        at = min(cells)[1]
        score = score_interval(found.table.mse[at].tolist())
        ends = "" if score.low is None else f", {score_ends(score)}"
        name = cell_name(found, found.table.cells[at])
        made.append(Card("Best cell", show_score(score.score), f"{name}{ends}, {faces}"))
    known = [one for one in found.contrasts if one.ratio]
    if known:
        one = max(known, key=lambda one: abs(np.log(one.ratio or 1.0)))
        made.append(
            Card("Largest effect", f"{percent(one.ratio or 1.0)} MSE", f"{contrast_name(found, one)}, {one.word}")
        )
    if floors := _floors(found):
        name = max(floors, key=lambda name: floors[name])
        rest = "".join(f"; {other} {show_score(floors[other])}" for other in floors if other != name)
        made.append(Card("Floor", show_score(floors[name]), f"{name}{rest}"))
    return tuple(made)


def headline(found: Analysis) -> str:
    """The verdicts counted; how far the study is where runs are missing."""
    words = [contrast.word for contrast in found.contrasts]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    text = f"{plural(len(words), 'planned contrast')}: {counts}." if words else "No contrast was planned."
    if found.missing > 0:
        done = found.planned_runs - found.missing
        text += f" The study is not complete: {done:,} of {plural(found.planned_runs, 'run')} have ended."
    return text


def caveats(found: Analysis) -> tuple[str, ...]:
    """What a reader of the verdicts has to know beside them."""
    notes = []
    if found.provenance.older:
        notes.append(
            f"Post hoc: {plural(found.provenance.older, 'row')} ended before this plan was made, "
            f"{found.provenance.made}. What was looked at before it was asked gets estimates and intervals, no verdict."
        )
    ran = int((~np.isnan(found.table.mse)).sum())
    if 2 * int(found.table.failed.sum()) > ran:
        notes.append(
            f"{int(found.table.failed.sum())} of {plural(ran, 'run')} are no better than the mean face: little has "
            "been learned yet; more epochs or another recipe come first."
        )
    if found.design.tuning is not None and found.design.tuning.how == "locked":
        notes.append("Every effect is conditional on one recipe, the best at the baseline, for all cells.")
    if found.design.looks and found.next_look is None and found.contrasts:
        seeds = max(one.n for one in found.contrasts)
        notes.append(f"A sequential design: it ended at {seeds} of at most {found.design.looks[-1]} seeds.")
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
    """What is reached without a network on the faces that judge; says so where it was not measured."""
    known = _floors(found)
    if not known:
        return "No floor is stored with this study, so what a method without a network reaches is not known."
    named = (f"{name} {show_score(score)} (RMSE {score_rmse_px(score):.2f} px)" for name, score in known.items())
    text = f"Without a network, on {SPLITS[found.split]}: {', '.join(named)}."
    names = factor_names(found.design)
    below = [
        f"{names[level.factor]} {show_level(level.level)}"
        for level in found.levels
        if level.interval is not None and level.interval.score <= max(known.values())
    ]
    if below:
        text += f" Not above the higher of them, on average: {', '.join(below)}."
    return text


def _floors(found: Analysis) -> dict[str, float]:
    """Name of a method without a network -> its score on the faces that judge, where it has a usable one."""
    scores = {name: on.get(found.split) for name, on in found.floor.items()}
    return {name: score for name, score in scores.items() if score is not None and drawable(score)}


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
