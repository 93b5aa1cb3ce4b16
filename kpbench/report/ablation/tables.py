"""The tables of an ablation's results: contrasts, interactions, variance, ranks, diagnostics."""

import numpy as np

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.details import ContrastDetail
from kpbench.plots.ablation.names import cell_name, contrast_name, effect_words, factor_names
from kpbench.plots.ablation.variance_shares import shares
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.report.tables import Kind, Table
from kpbench.statistics.contrasts import Checks, Contrast
from kpbench.statistics.words import coverage, interval_text, number, p_text, percent, signed

CONTRASTS: dict[str, Kind] = {
    "Contrast": "",
    "Verdict": "tag",
    "Effect": "",
    "Seeds": "n",
    "MSE ratio": "n strong",
    "Interval": "n",
    "at": "n",
    "Interval over seeds and faces": "n",
    "MSE": "n",
    "Score, level / baseline": "n",
    "RMSE px, level / baseline": "n",
    "p": "n",
    "p adjusted": "n",
    "p equivalent, adjusted": "n",
    "d_z": "n",
    "P(better), interval": "n",
    "Permutation p": "n",
    "Bootstrap interval": "n",
    "Detectable": "n",
    "Diverged": "n",
    "Ratio without diverged seeds": "n",
}


def contrasts(found: Analysis) -> Table:
    """Every planned contrast in the order of the plan; a dash stands where nothing can be computed."""
    pairs = zip(found.contrasts, found.details, strict=True)
    return Table("Table of contrasts", CONTRASTS, [_contrast(found, *pair) for pair in pairs])


def _contrast(found: Analysis, one: Contrast, detail: ContrastDetail) -> tuple[str, ...]:
    alpha, rest = found.design.alpha, one.survivors
    return (
        contrast_name(found, one),
        one.word,
        effect_words(found, one),
        _seeds(one),
        "–" if one.ratio is None else number(one.ratio),
        interval_text(one.ci),
        "–" if one.ci is None else coverage(one.ci),
        interval_text(detail.seeds_and_faces),
        "–" if one.ratio is None else percent(one.ratio),
        "–" if one.scores is None else " / ".join(map(show_score, one.scores)),
        "–" if one.pixels is None else " / ".join(f"{px:.3g}" for px in one.pixels),
        p_text(one.p, alpha=alpha),
        p_text(one.p_adjusted, alpha=alpha),
        *_checks(one.checks, alpha, signed(None if one.estimate is None else one.estimate.d_z)),
        _detectable(one),
        str(one.failed) if one.failed else "",
        "" if rest is None or rest.ratio is None else f"{number(rest.ratio)} (n {rest.n})",
    )


def _checks(checks: Checks | None, alpha: float, d_z: str) -> tuple[str, ...]:
    if checks is None:
        return ("–",) * 5
    better = checks.superiority
    return (
        p_text(checks.p_equivalence, alpha=alpha),
        d_z,
        f"{better.share:.2f} ({better.interval.low:.2f} to {better.interval.high:.2f})",
        p_text(checks.p_permutation, alpha=alpha),
        interval_text(checks.bootstrap),
    )


def _seeds(one: Contrast) -> str:
    return f"{one.n}" + (f" of {one.blocks_planned}" if one.n < one.blocks_planned else "")


def _detectable(one: Contrast) -> str:
    return "–" if one.detectable is None else f"{one.detectable:.2g} %"


INTERACTIONS: dict[str, Kind] = {
    "Levels": "",
    "Interaction": "tag",
    "Seeds": "n",
    "Ratio of ratios": "n strong",
    "Interval": "n",
    "p": "n",
    "p adjusted": "n",
    "Detectable": "n",
}


def interactions(found: Analysis) -> Table:
    """Every planned interaction in the order of the plan."""
    names = factor_names(found.design)
    rows = [
        (
            " × ".join(f"{names[change.factor]} {show_level(change.level)}" for change in one.planned.changes),
            one.word,
            _seeds(one),
            "–" if one.ratio is None else number(one.ratio),
            interval_text(one.ci),
            p_text(one.p, alpha=found.design.alpha),
            p_text(one.p_adjusted, alpha=found.design.alpha),
            _detectable(one),
        )
        for one in found.interactions
    ]
    return Table("Table of interactions", INTERACTIONS, rows)


def variance(found: Analysis) -> Table:
    """Each term's share of the variation, and the share that noise alone would give."""
    columns: dict[str, Kind] = {"Term": "", "Degrees of freedom": "n", "Share": "n strong", "Noise alone": "n"}
    rows = [(one.name, str(one.df), f"{one.percent:.1f} %", f"{one.noise_percent:.1f} %") for one in shares(found)]
    return Table("Table of variance shares", columns, rows)


def ranks(found: Analysis) -> Table:
    """The cells from the best; none below two complete blocks."""
    columns: dict[str, Kind] = {
        "Rank": "n", "Cell": "", "Score": "n strong", "Rank interval": "n", "P(best)": "n", "Against the best": "",
    }  # fmt: skip
    whole = found.table.mse[:, ~np.isnan(found.table.mse).any(axis=0)]
    scores = np.exp(-np.log(2.0 * whole).mean(axis=1)) if found.ranks else np.empty(0)
    rows = [
        (
            str(one.rank),
            cell_name(found, found.table.cells[one.cell]),
            show_score(float(scores[one.cell])),
            str(one.low) if one.low == one.high else f"{one.low} to {one.high}",
            _share(one.p_best),
            "best observed" if not at else "separable" if one.separable else "not separable",
        )
        for at, one in enumerate(sorted(found.ranks, key=lambda one: one.rank))
    ]
    return Table("Ranks of the cells", columns, rows)


def _share(share: float) -> str:
    if 0.005 <= share <= 0.995 or share in (0, 1):
        return f"{100 * share:.0f} %"
    return "< 1 %" if share < 0.5 else "> 99 %"


def diagnostics(found: Analysis) -> Table:
    """What the pairs of each contrast with at least two complete blocks look like."""
    columns: dict[str, Kind] = {
        "Contrast": "", "Seeds": "n", "SD of log ratios": "n", "Pair correlation": "n", "Normality p": "n",
    }  # fmt: skip
    rows = [
        (
            contrast_name(found, one),
            str(one.n),
            f"{one.estimate.sd:.3g}",
            signed(one.checks.correlation),
            p_text(one.checks.normality, alpha=found.design.alpha),
        )
        for one in found.contrasts
        if one.estimate is not None and one.checks is not None
    ]
    return Table("Diagnostics of each contrast", columns, rows)
