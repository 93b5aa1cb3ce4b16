"""The sentences of a verification: what was found, what was done, and what it does not say."""

from collections.abc import Sequence

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.verify import StudyAgreement, Verification
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.report.metrics import score_ends
from kpbench.statistics.agreement import Ends, RankAgreement
from kpbench.statistics.intervals import ScoreInterval
from kpbench.statistics.words import number, plural

FACES = {"test": "sealed test", "val": "validation faces"}
"""What a study's own cells are judged on, by split."""

CLEAR = 0.05
"""A tau that perfectly agreeing studies would have this seldom, or less, is no noise."""


def headline(found: Verification) -> str:
    """The one sentence that answers whether the built-in faces rank architectures as real ones do."""
    if found.result is None:
        return f"Nothing is compared yet: {plural(sum(found.missing), 'planned run')} of both studies have no outcome."
    one, cells = found.result.agreement, plural(len(found.result.ranks), "cell")
    if one.tau is None or one.interval is None or one.ceiling is None:
        return f"One study ties all {cells}, so there is no order to compare."
    tau = f"Kendall's tau {one.tau:.2f} (95 % interval {ends_text(one.interval)})"
    reach = f"{one.ceiling.tau:.2f} is what two studies of one order would show through this noise"
    if one.interval[0] <= 0.0:
        return f"Built-in and real faces show no common order of the {cells}: {tau}; {reach}."
    if one.ceiling.p > CLEAR:
        return f"Built-in and real faces order the {cells} alike as far as noise lets one see: {tau}; {reach}."
    return f"Built-in and real faces order the {cells} in part alike: {tau}; {reach}, so some of the order differs."


def findings(found: StudyAgreement) -> list[str]:
    """What stands below the headline: tau without noise, signs, cells apart, transfer."""
    one, texts = found.agreement, []
    if one.corrected is not None and one.corrected_interval is not None:
        texts.append(
            f"Without the noise of both studies tau would be about {one.corrected:.2f} "
            f"({ends_text(one.corrected_interval)}); a repetition of one study would agree with itself to "
            f"{one.reliability[0].tau:.2f} (built-in) and {one.reliability[1].tau:.2f} (real)."
        )
    for kind, count, needed in (
        ("Contrasts averaged over the other factors", found.signs, found.needed_seeds),
        ("Simple contrasts", found.simple_signs, found.simple_needed_seeds),
    ):
        if count is None:
            texts.append(f"{kind}: their signs are withheld; they are given from {needed} seeds in each study on.")
        elif count["contrasts"]:
            flips = plural(count["disagree"], "sign flips", many="signs flip") if count["disagree"] else "no sign flips"
            texts.append(
                f"{kind}: of {count['contrasts']}, {count['agree'] + count['disagree']} are significant in both "
                f"studies, and of these {flips}; {count['one_side']} in one study only, {count['neither']} in "
                f"neither. {count['same_direction']} point the same way."
            )
    apart = "; ".join(
        f"{' / '.join(map(show_level, one.cell.values()))} ({one.ranks[0]} built-in, {one.ranks[1]} real)"
        for one in found.ranks
        if one.apart
    )
    ranked = f"{plural(len(found.apart), 'cell')} of {len(found.ranks)} ranked" if apart else "No cell is ranked"
    texts.append(f"{ranked} apart by more than noise explains{': ' if apart else ''}{apart}.")
    if (there := found.transfer) is not None:
        texts.append(
            f"Trained on built-in faces, the cells score {show_score(there.cells.score)} on average on the real "
            f"validation faces, the best of them on built-in ones {show_score(there.best.score)}; trained on real "
            f"ones {show_score(there.real_cells.score)} and {show_score(there.real_best.score)}. Without a look at any "
            f"picture the mean face of the built-in faces scores {show_score(there.mean_face)}, that of the real ones "
            f"{show_score(there.real_mean_face)}."
        )
    return texts


def limits(found: RankAgreement, studies: Sequence[Analysis]) -> list[str]:
    """What the numbers do not say."""
    seeds = [study.plan.seeds for study in studies]
    texts = []
    if min(seeds) < 8:
        texts.append(
            f"With {' and '.join(dict.fromkeys(map(str, seeds)))} seeds a study the intervals know the noise from as "
            "many values: they are a guide, in simulations too narrow in up to one study of seven (tau) or of three "
            "(corrected)."
        )
    texts.append(
        "They tell what other seeds would have given for these cells on these faces, "
        "not what other architectures would give."
    )
    if found.tau is not None and found.corrected is None:
        texts.append("A study hardly agrees with itself, so tau is not corrected; more seeds would help.")
    return texts


def transfer_sentence(found: RankAgreement, split: str) -> str:
    """How well the transfer's order of the cells agrees with that of training on real faces."""
    if found.tau is None or found.interval is None or found.ceiling is None:
        return "One of the two orders is all ties, so there is no tau of the transfer."
    return (
        "Do networks trained on built-in faces and scored on real ones rank the cells as networks trained on real "
        f"faces do (their {FACES[split]})? Kendall's tau {found.tau:.2f}, 95 % interval {ends_text(found.interval)}, "
        f"against {found.ceiling.tau:.2f} for one order under this noise."
    )


def ends_text(ends: Ends) -> str:
    """An interval of tau: `0.61 to 0.80`."""
    return f"{ends[0]:.2f} to {ends[1]:.2f}"


def ratio_text(ratio: float, ends: Ends) -> str:
    """A ratio of MSE with its interval: `0.84 (0.743 to 0.938)`."""
    return f"{number(ratio)} ({number(ends[0])} to {number(ends[1])})"


def score_text(found: ScoreInterval) -> str:
    """A score with its interval over seeds."""
    ends = "" if found.low is None else f" ({score_ends(found)})"
    return show_score(found.score) + ends
