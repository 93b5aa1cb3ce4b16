"""The page of a verification: built-in against real faces, one HTML file that needs nothing but a browser."""

from collections.abc import Sequence
from dataclasses import dataclass

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.verify.agreement import Transfer, Verification
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.drawing import Drawing
from kpbench.plots.scores import show_score
from kpbench.plots.verify import agreement as plots
from kpbench.report.shell import whole_page
from kpbench.report.verify import words
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.sign_agreement import SignAgreement, count_signs
from kpbench.statistics.words import number, p_text

DRAWINGS = {"scores": plots.draw_scores, "ranks": plots.draw_ranks, "effects": plots.draw_effects}


@dataclass(frozen=True)
class SignLine:
    """One contrast on both sides as texts."""

    name: str
    word: str
    tag: str
    ratios: tuple[str, str]
    p: tuple[str, str]
    quotient: str
    quotient_p: str


@dataclass(frozen=True)
class RankLine:
    """One cell's place on both sides as texts."""

    name: str
    scores: tuple[str, str]
    ranks: tuple[str, str]
    difference: str
    p: str
    apart: bool


TAGS = {"agree": "better", "disagree": "worse", "one side": "undecided", "neither": "undecided"}
"""The page's look of each `Sign`."""


def render_verify(found: Verification) -> str:
    """The whole page as text, offline and self-contained, without any face; a partial one says what is missing."""
    compared = found.comparison
    drawings: dict[str, Drawing] = {name: draw(found) for name, draw in DRAWINGS.items()}
    return whole_page(
        "verify.html",
        drawings,
        found=found,
        title=f"Do the built-in faces rank architectures as those of {found.asked.real} do?",
        headline=words.headline(found),
        findings=() if compared is None else words.findings(compared),
        limits=() if compared is None else words.limits(compared),
        tiles=_tiles(found),
        families=_families(found),
        ranks=_rank_lines(found),
        transfer=None if compared is None or compared.transfer is None else _transfer_lines(found, compared.transfer),
        transfer_sentence=None
        if compared is None or compared.transfer is None
        else words.transfer_sentence(compared.transfer.agreement),
        methods=words.methods(found),
        sides=_side_lines(found),
    )


def _tiles(found: Verification) -> list[tuple[str, str]]:
    if found.comparison is None:
        return [(f"Missing, {name}", f"{missing:,}") for name, missing in zip(found.names, found.missing, strict=True)]
    one, signs = found.comparison.agreement, count_signs(found.comparison.signs)
    tiles = [
        ("Kendall's tau", _two(one.tau)),
        ("Without noise", _two(one.corrected)),
        ("Reachable", _two(None if one.ceiling is None else one.ceiling.tau)),
        ("Signs that agree", f"{signs.agree} of {signs.agree + signs.disagree}"),
        ("Cells apart", f"{sum(cell.apart for cell in found.comparison.cells)} of {one.cells}"),
    ]
    if found.comparison.transfer is not None:
        tiles.append(("Transfer score", show_score(found.comparison.transfer.best.score)))
    return tiles


def _families(found: Verification) -> list[tuple[str, list[SignLine]]]:
    side = found.sides[0]
    if found.comparison is None or side is None:
        return []
    families = [
        ("Averaged over the other factors", found.comparison.signs),
        ("At each level of the other factor", found.comparison.simple),
    ]
    return [(title, _sign_lines(signs, side)) for title, signs in families if signs]


def _sign_lines(signs: Sequence[SignAgreement], side: Analysis) -> list[SignLine]:
    names = factor_names(side.design)
    return [
        SignLine(
            name=plots.sign_name(sign, names),
            word=plots.WORDS[sign.word],
            tag=TAGS[sign.word],
            ratios=(_ratio(sign.sides[0]), _ratio(sign.sides[1])),
            p=(_p(sign.sides[0]), _p(sign.sides[1])),
            quotient=f"{number(sign.quotient)} ({number(sign.interval.low)} to {number(sign.interval.high)})",
            quotient_p=p_text(sign.p_adjusted),
        )
        for sign in signs
    ]


def _ratio(contrast: Contrast) -> str:
    if contrast.ratio is None:
        return "–"
    ci = contrast.ci
    return number(contrast.ratio) + ("" if ci is None else f" ({number(ci.low)} to {number(ci.high)})")


def _p(contrast: Contrast) -> str:
    return p_text(contrast.p_adjusted)


def _rank_lines(found: Verification) -> list[RankLine]:
    side = found.sides[0]
    if found.comparison is None or side is None:
        return []
    points = plots.cell_points(found.comparison, side.design)
    return [
        RankLine(
            name=point.name,
            scores=(show_score(point.scores[0]), show_score(point.scores[1])),
            ranks=(_rank(cell.ranks[0], cell.intervals[0]), _rank(cell.ranks[1], cell.intervals[1])),
            difference=f"{cell.difference:+d}" if cell.difference else "0",
            p=p_text(cell.p_adjusted),
            apart=cell.apart,
        )
        for point, cell in sorted(zip(points, found.comparison.cells, strict=True), key=lambda pair: pair[1].ranks[1])
    ]


def _rank(rank: int, interval: tuple[int, int]) -> str:
    return f"{rank} ({interval[0]} to {interval[1]})"


def _transfer_lines(found: Verification, transfer: Transfer) -> list[tuple[str, str, str]]:
    built_in, real = found.names
    return [
        (f"trained on {built_in}", words.score_text(transfer.cells), words.score_text(transfer.best)),
        (
            f"trained on {real}",
            words.score_text(transfer.real_cells),
            words.score_text(transfer.real_best),
        ),
        (f"mean face of {built_in}", show_score(transfer.mean_face), ""),
        (f"mean face of {real}", show_score(transfer.real_mean_face), ""),
    ]


def _side_lines(found: Verification) -> list[dict[str, str]]:
    lines = []
    for name, side, runs, missing in zip(found.names, found.sides, found.asked.runs, found.missing, strict=True):
        line = {"study": name, "runs": f"{runs - missing:,} of {runs:,}"}
        if side is not None:
            line |= {
                "seeds": str(side.plan.seeds),
                "diverged": str(sum(row.state == "failed" for row in side.rows)),
                "faces": ", ".join(f"{part} {size:,}" for part, size in side.plan.data_sizes.items()),
                "data digest": side.plan.data,
                "plan digest": side.plan.digest,
                "device": ", ".join(sorted({row.device for row in side.rows})),
                "mean face, test": show_score(side.floor.get("mean face", {}).get("test")),
            }
        lines.append(line)
    return lines


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
