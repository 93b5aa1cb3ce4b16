"""The tables of an ablation's page as texts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import contrast_name, effect_words, factor_names
from kpbench.plots.ablation.variance_shares import shares
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.report.tables import REASONS
from kpbench.statistics.evidence import Evidence
from kpbench.statistics.words import coverage, interval_text, number, p_text, percent, signed


@dataclass(frozen=True)
class ContrastLine:
    """One planned contrast; a dash stands where nothing can be computed."""

    name: str
    effect: str
    verdict: str
    n: str
    failed: str
    ratio: str
    interval: str
    confidence: str
    faces: str
    percent: str
    scores: str
    pixels: str
    p: str
    p_adjusted: str
    p_equivalence: str
    d_z: str
    wins: str
    permutation: str
    bootstrap: str
    detectable: str
    survivors: str


def contrast_lines(found: Analysis) -> tuple[ContrastLine, ...]:
    """Every planned contrast in the order of the plan."""
    lines, alpha = [], found.design.alpha
    for contrast, detail in zip(found.contrasts, found.details, strict=True):
        evidence = contrast.evidence
        scores, pixels, rest = contrast.scores, contrast.pixels, contrast.survivors
        failed = contrast.failed_level + contrast.failed_baseline
        lines.append(
            ContrastLine(
                name=contrast_name(found, contrast),
                effect=effect_words(found, contrast),
                verdict=contrast.verdict.word,
                n=f"{contrast.n}" + (f" of {contrast.blocks_planned}" if contrast.n < contrast.blocks_planned else ""),
                failed=str(failed) if failed else "",
                ratio="–" if contrast.ratio is None else number(contrast.ratio),
                interval=interval_text(evidence.ci if evidence else None),
                confidence="–" if evidence is None else coverage(evidence.ci),
                faces=interval_text(detail.seeds_and_faces),
                percent="–" if contrast.ratio is None else percent(contrast.ratio),
                scores="–" if scores is None else f"{show_score(scores[0])} / {show_score(scores[1])}",
                pixels="–" if pixels is None else f"{pixels[0]:.3g} / {pixels[1]:.3g}",
                p=p_text(evidence.p if evidence else None, alpha=alpha),
                p_adjusted=p_text(evidence.p_adjusted if evidence else None, alpha=alpha),
                p_equivalence=p_text(evidence.p_equivalence_adjusted if evidence else None, alpha=alpha),
                d_z=signed(evidence.d_z if evidence else None),
                wins=_wins(evidence),
                permutation=p_text(evidence.p_permutation if evidence else None, alpha=alpha),
                bootstrap=interval_text(evidence.bootstrap if evidence else None),
                detectable="–" if evidence is None else f"{evidence.detectable:.2g} %",
                survivors="" if rest is None or rest.ratio is None else f"{number(rest.ratio)} (n {rest.n})",
            )
        )
    return tuple(lines)


@dataclass(frozen=True)
class InteractionLine:
    """One planned interaction."""

    name: str
    verdict: str
    n: str
    ratio: str
    interval: str
    p: str
    p_adjusted: str
    detectable: str


def interaction_lines(found: Analysis) -> tuple[InteractionLine, ...]:
    """Every planned interaction in the order of the plan."""
    names = factor_names(found.design)
    lines = []
    for one in found.interactions:
        first, second = one.planned.first, one.planned.second
        lines.append(
            InteractionLine(
                name=" × ".join(f"{names[side.factor]} {show_level(side.level)}" for side in (first, second)),
                verdict=one.word,
                n=f"{one.n}" + (f" of {one.blocks_planned}" if one.n < one.blocks_planned else ""),
                ratio="–" if one.ratio is None else number(one.ratio),
                interval=interval_text(one.ci),
                p=p_text(one.p, alpha=found.design.alpha),
                p_adjusted=p_text(one.p_adjusted, alpha=found.design.alpha),
                detectable="–" if one.detectable is None else f"{one.detectable:.2g} %",
            )
        )
    return tuple(lines)


def variance_lines(found: Analysis) -> tuple[tuple[str, str, str, str], ...]:
    """Term, degrees of freedom, share, and the share that noise alone would give."""
    return tuple((one.name, str(one.df), f"{one.percent:.1f} %", f"{one.noise_percent:.1f} %") for one in shares(found))


@dataclass(frozen=True)
class RankLine:
    """One cell's rank; `best` marks those not separable from the best."""

    rank: str
    cell: str
    interval: str
    p_best: str
    score: str
    best: bool


def rank_lines(found: Analysis) -> tuple[RankLine, ...]:
    """The cells from the best; none below two complete blocks."""
    whole = found.table.mse[:, ~np.isnan(found.table.mse).any(axis=0)]
    scores = np.exp(-np.log(2.0 * whole).mean(axis=1)) if found.ranks else np.empty(0)
    return tuple(
        RankLine(
            rank=str(one.rank),
            cell=_cell(found, found.table.cells[one.cell]),
            interval=str(one.low) if one.low == one.high else f"{one.low} to {one.high}",
            p_best=f"{100 * one.p_best:.0f} %" if 0.005 <= one.p_best <= 0.995 or one.p_best in (0, 1) else
            ("< 1 %" if one.p_best < 0.5 else "> 99 %"),
            score=show_score(float(scores[one.cell])),
            best=not one.separable,
        )
        for one in sorted(found.ranks, key=lambda one: one.rank)
    )  # fmt: skip


def _cell(found: Analysis, levels: Sequence[Scalar]) -> str:
    names = factor_names(found.design)
    return ", ".join(
        f"{names[name]} {show_level(level)}" for name, level in zip(found.table.factors, levels, strict=True)
    )


@dataclass(frozen=True)
class DiagnosticLine:
    """What the pairs of one contrast look like."""

    name: str
    n: str
    sd: str
    correlation: str
    normality: str


def diagnostic_lines(found: Analysis) -> tuple[DiagnosticLine, ...]:
    """The contrasts that have at least two complete blocks."""
    return tuple(
        DiagnosticLine(
            name=contrast_name(found, contrast),
            n=str(contrast.n),
            sd=f"{contrast.evidence.sd:.3g}",
            correlation=signed(contrast.evidence.correlation),
            normality=p_text(contrast.evidence.normality, alpha=found.design.alpha),
        )
        for contrast in found.contrasts
        if contrast.evidence is not None
    )


@dataclass(frozen=True)
class CrashLine:
    """One planned run without an outcome whose last attempt failed."""

    cell: str
    seed: str
    reason: str
    words: str
    detail: str


MOST_CRASHES = 50
"""Runs without an outcome that are named one by one."""


def crash_lines(found: Analysis) -> tuple[CrashLine, ...]:
    """The planned runs that failed without an outcome, the first `MOST_CRASHES` of them."""
    names = factor_names(found.design)
    arms = {"control": "A/A arm: ", "matched": "size-matched control: "}
    return tuple(
        CrashLine(
            cell=arms.get(one.role, "")
            + ", ".join(f"{names[name]} {show_level(level)}" for name, level in one.levels.items()),
            seed=str(one.seed),
            reason=one.reason or "unknown",
            words=REASONS.get(one.reason or "", "no reason was recorded")
            + (f", {one.attempts} times" if one.attempts > 1 else ""),
            detail=one.detail or "",
        )
        for one in found.failures[:MOST_CRASHES]
    )


def missing_lines(found: Analysis) -> tuple[tuple[str, str, str], ...]:
    """Cell, how many of its planned runs have no outcome, and their seeds; the A/A arm last."""
    lines = []
    planned = len(found.table.blocks)
    for levels, mse in zip(found.table.cells, found.table.mse, strict=True):
        gone = [block for block, value in zip(found.table.blocks, mse, strict=True) if math.isnan(value)]
        if gone:
            lines.append((_cell(found, levels), f"{len(gone)} of {planned}", _seeds(gone)))
    ran = {row.seed for row in found.rows if row.role == "control"}
    gone = [seed for seed in found.design.control if seed not in ran]
    if gone:
        lines.append(("A/A arm (baseline)", f"{len(gone)} of {len(found.design.control)}", _seeds(gone)))
    return tuple(lines)


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:10])) + (f" and {len(seeds) - 10} more" if len(seeds) > 10 else "")


def _wins(evidence: Evidence | None) -> str:
    if evidence is None:
        return "–"
    interval = evidence.wins.interval
    return f"{evidence.wins.share:.2f} ({interval.low:.2f} to {interval.high:.2f})"
