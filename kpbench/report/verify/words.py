"""The sentences of a verification's page: what was found, what was done, and what it does not say."""

from kpbench.analysis.verify.agreement import Comparison, Verification
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.statistics.agreement import Agreement, sentences
from kpbench.statistics.intervals import Interval, ScoreInterval
from kpbench.statistics.sign_agreement import count_signs
from kpbench.statistics.words import plural

CLEAR = 0.05
"""A tau that perfectly agreeing sides would have this seldom, or less, is no noise."""


def headline(found: Verification) -> str:
    """The one sentence that answers whether the built-in faces rank architectures as real ones do."""
    if found.comparison is None:
        return f"Nothing is compared yet: {plural(sum(found.missing), 'planned run')} of both sides have no outcome."
    one = found.comparison.agreement
    cells = plural(one.cells, "cell")
    if one.tau is None or one.interval is None or one.ceiling is None:
        return f"One side ties all {cells}, so there is no order to compare."
    tau = f"Kendall's tau {one.tau:.2f} (95 % interval {ends(one.interval)})"
    reach = f"{one.ceiling.tau:.2f} is what two sides of one order would show through this noise"
    if one.interval.low <= 0.0:
        return f"Built-in and real faces show no common order of the {cells}: {tau}; {reach}."
    if one.ceiling.p > CLEAR:
        return f"Built-in and real faces order the {cells} alike as far as noise lets one see: {tau}; {reach}."
    return f"Built-in and real faces order the {cells} in part alike: {tau}; {reach}, so some of the order differs."


def findings(found: Comparison) -> tuple[str, ...]:
    """What stands below the headline: tau without noise, signs, cells apart, transfer."""
    one, signs, simple = found.agreement, count_signs(found.signs), count_signs(found.simple)
    texts = []
    if one.corrected is not None and one.corrected_interval is not None:
        texts.append(
            f"Without the noise of both sides tau would be about {one.corrected:.2f} "
            f"({ends(one.corrected_interval)}); a repetition of one side would agree with itself to "
            f"{one.reliability[0].tau:.2f} (built-in) and {one.reliability[1].tau:.2f} (real)."
        )
    for name, count in (("contrasts averaged over the other factors", signs), ("simple contrasts", simple)):
        if count.contrasts:
            flips = "no sign flips" if not count.disagree else plural(count.disagree, "sign flips", many="signs flip")
            texts.append(
                f"{name[0].upper()}{name[1:]}: of {count.contrasts}, {count.agree + count.disagree} are told from no "
                f"effect on both sides, and of these {flips}; {count.one_side} on one side only, {count.neither} on "
                f"neither. {count.same_direction} point the same way."
            )
    apart = sum(cell.apart for cell in found.cells)
    texts.append(
        f"{plural(apart, 'cell')} of {one.cells} ranked apart by more than noise explains."
        if apart
        else "No cell is ranked apart by more than noise explains."
    )
    if found.transfer is not None:
        there = found.transfer
        texts.append(
            f"Trained on built-in faces, the cells score {show_score(there.cells.score)} on average on the real "
            f"validation faces, trained on real ones {show_score(there.real_cells.score)}; without a look at any "
            f"picture the mean face of the built-in faces scores {show_score(there.mean_face)}, that of the real ones "
            f"{show_score(there.real_mean_face)}."
        )
    return tuple(texts)


def limits(found: Comparison) -> tuple[str, ...]:
    """What the figures do not say."""
    return tuple(sentences(found.agreement))


def methods(found: Verification) -> tuple[str, ...]:
    """What was done, in paragraphs, from the plans."""
    side = next((side for side in found.sides if side is not None), None)
    if side is None:
        return ("Neither study has begun.",)
    design, names = side.design, factor_names(side.design)
    numbers = [len(side.design.blocks) for side in found.sides if side is not None]
    seeds = f"the same {plural(numbers[0], 'seed')}"
    if len(set(numbers)) > 1:
        seeds = f"{numbers[0]} seeds (built-in) and {numbers[1]} seeds (real), those in common the same,"
    factors = "; ".join(
        f"{names[name]} {', '.join(map(show_level, levels))}" for name, levels in design.factors.items()
    )
    return (
        f"One full factorial on both sides: {factors}. {plural(len(design.cells), 'cell')} with "
        f"{seeds} each, {plural(side.plan.epochs, 'epoch')} of one fixed recipe "
        f"({side.plan.space_name}), none stopped early, on {side.plan.device} ({side.plan.precision}). A cell is "
        "judged by its geometric-mean MSE on its own side's sealed test.",
        "Tau is Kendall's tau-b of the cell means of log MSE; its interval resamples whole seeds of each side by "
        "itself (percentiles). What noise takes from tau is simulated: one common order with each side's own spread "
        "and noise. Tau without noise divides by each side's agreement with itself, on the scale of Greiner's "
        "relation, cut at 1.",
        f"A contrast is told from no effect where Holm's adjusted p of its paired t test is below {design.alpha:g}. "
        "With fewer than 5 seeds the studies themselves give no verdict; here the signs are counted all the same.",
        "A cell is named as ranked apart where two sides of one common order would part it by as many ranks in fewer "
        f"than {100 * design.alpha:g} % of pairs of studies, after Holm over the cells; the one furthest apart is then "
        "set aside and the rest looked at again, so that a cell that moved does not name those it passed. Rank "
        "intervals are plain bootstrap figures, too narrow with few seeds.",
    )


def transfer_sentence(found: Agreement) -> str:
    """How well the transfer's order of the cells agrees with that of training on real faces."""
    if found.tau is None or found.interval is None:
        return "One of the two orders is all ties, so there is no tau of the transfer."
    ceiling = "" if found.ceiling is None else f", against {found.ceiling.tau:.2f} for one order under this noise"
    return (
        "Do networks trained on built-in faces and scored on real ones rank the cells as networks trained on real "
        f"faces do (their sealed test)? Kendall's tau {found.tau:.2f}, 95 % interval {ends(found.interval)}{ceiling}."
    )


def ends(interval: Interval) -> str:
    """An interval of tau: `0.61 to 0.80`."""
    return f"{interval.low:.2f} to {interval.high:.2f}"


def score_text(found: ScoreInterval) -> str:
    """A score with its interval over seeds."""
    return show_score(found.score) + (
        "" if found.low is None else f" ({show_score(found.low)} to {show_score(found.high)})"
    )
