"""The tables of an ablation's results: contrasts, interactions, variance, ranks, diagnostics."""

from collections.abc import Sequence

import numpy as np

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.details import ContrastDetail
from kpbench.analysis.ablation.levels import counting_cells
from kpbench.plots.ablation.names import cell_name, contrast_name, effect_words, factor_names
from kpbench.plots.ablation.variance_shares import shares
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.report.metrics import score_ends
from kpbench.report.tables import Kind, Table
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.collapse import collapse_bound, iqm
from kpbench.statistics.contrasts import Checks, Contrast
from kpbench.statistics.intervals import score_interval
from kpbench.statistics.words import coverage, detectable_text, interval_text, number, p_text, percent, signed

CONTRASTS: dict[str, Kind] = {
    "Contrast": "",
    "Verdict": "tag",
    "Effect": "",
    "Seeds": "n",
    "MSE ratio": "n strong",
    "Interval": "n",
    "at": "n",
    "Interval over seeds and faces": "n",
    "SE over seeds / and faces": "n",
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
    "Failed": "n",
    "Ratio without failed seeds": "n",
    "Interval with collapse": "n",
}

READ_FIRST = ("Contrast", "Verdict", "MSE ratio", "Interval", "at", "p adjusted", "Detectable")
"""The columns of a contrast that are not folded away."""


def contrasts(found: Analysis) -> Table:
    """Every planned contrast in the order of the plan; a dash stands where nothing can be computed."""
    pairs = zip(found.contrasts, found.details, strict=True)
    folded = [name for name in CONTRASTS if name not in READ_FIRST]
    return Table("Table of contrasts", CONTRASTS, [_contrast(found, *pair) for pair in pairs], folded)


def _contrast(found: Analysis, one: Contrast, detail: ContrastDetail) -> tuple[str, ...]:
    alpha, rest, two = found.design.alpha, one.survivors, detail.two
    return (
        contrast_name(found, one),
        one.word,
        effect_words(found, one),
        _seeds(one),
        "–" if one.ratio is None else number(one.ratio),
        interval_text(one.ci),
        "–" if one.ci is None else coverage(one.ci),
        interval_text(detail.seeds_and_faces),
        "–" if two is None else f"{two.seeds.error:.3g} / {two.seeds_and_faces.error:.3g}",
        "–" if one.ratio is None else percent(one.ratio),
        "–" if one.scores is None else " / ".join(map(show_score, one.scores)),
        "–" if one.pixels is None else " / ".join(f"{px:.3g}" for px in one.pixels),
        p_text(one.p, alpha=alpha),
        p_text(one.p_adjusted, alpha=alpha),
        *_checks(one.checks, alpha, signed(None if one.estimate is None else one.estimate.d_z)),
        detectable_text(one.detectable, one.detectable_interval),
        str(one.failed) if one.failed else "",
        "" if rest is None or rest.ratio is None or not one.failed else f"{number(rest.ratio)} (n {rest.n})",
        interval_text(None if rest is None else rest.with_collapse),
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


def simple_effects(found: Analysis) -> Table:
    """The effects behind every contrast that is averaged over others, in each combination of their levels."""
    columns: dict[str, Kind] = {
        "Contrast": "", "At": "", "MSE ratio": "n strong", "Interval": "n", "at": "n", "p adjusted": "n",
    }  # fmt: skip
    rows = [
        (
            contrast_name(found, one),
            effect_words(found, effect).removeprefix("at "),
            "–" if effect.ratio is None else number(effect.ratio),
            interval_text(effect.ci),
            "–" if effect.ci is None else coverage(effect.ci),
            p_text(effect.p_adjusted, alpha=found.design.alpha),
        )
        for one, simple in zip(found.contrasts, found.simple, strict=True)
        for effect in (() if simple is None else simple.effects)
    ]
    return Table("Effects at each level of the other factors", columns, rows)


def means(found: Analysis) -> Table:
    """Every level averaged over what it is crossed with, then every cell: score, runs that failed, middle half."""
    columns: dict[str, Kind] = {
        "Level or cell": "", "Score": "n strong", "95 % interval": "n", "Failed": "n", "could be up to": "n",
        "Middle half": "n",
    }  # fmt: skip
    names, table = factor_names(found.design), found.table
    groups = [
        (f"{names[level.factor]} {show_level(level.level)}", counting_cells(found.design, level.factor, level.level))
        for level in (found.levels if len(found.design.factors) > 1 else ())
    ]
    groups += [(cell_name(found, cell), (at,)) for at, cell in enumerate(table.cells)]
    return Table("Scores by level and by cell", columns, [_mean(name, table, cells) for name, cells in groups])


def _mean(name: str, table: BlockTable, cells: Sequence[int]) -> tuple[str, ...]:
    mse, failed = table.mse[list(cells)], int(table.failed[list(cells)].sum())
    blocks = np.log(mse).mean(axis=0)
    blocks, runs = blocks[~np.isnan(blocks)], mse[~np.isnan(mse)]
    if not blocks.size:
        return (name, *("–",) * 5)
    score = score_interval(np.exp(blocks).tolist())
    return (
        name,
        show_score(score.score),
        score_ends(score),
        f"{failed} of {runs.size}",
        f"{100 * collapse_bound(failed, runs.size):.0f} %",
        show_score(iqm(1.0 / (2.0 * runs))),
    )


def confirmed(found: Analysis) -> Table:
    """The planned contrasts on the sealed test; empty while it is not opened."""
    columns: dict[str, Kind] = {
        "Contrast": "", "Effect": "", "Verdict": "tag", "MSE ratio": "n strong", "Interval": "n", "at": "n",
        "p adjusted": "n",
    }  # fmt: skip
    rows = [
        (
            contrast_name(found, one),
            effect_words(found, one),
            one.word,
            "–" if one.ratio is None else number(one.ratio),
            interval_text(one.ci),
            "–" if one.ci is None else coverage(one.ci),
            p_text(one.p_adjusted, alpha=found.design.alpha),
        )
        for one in found.confirmed
    ]
    return Table("Contrasts on the sealed test", columns, rows, ["Effect"])


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
            detectable_text(one.detectable, one.detectable_interval),
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
