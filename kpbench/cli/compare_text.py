"""A comparison in lines of 80 columns and as one JSON object, with the notes that both carry."""

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from kpbench.analysis.comparison.arms import differing
from kpbench.analysis.comparison.comparison import Comparison
from kpbench.analysis.comparison.contest import POWER, Contest
from kpbench.cli.compare_notes import coverage, notes, number, shown, span
from kpbench.statistics.intervals import Interval, ScoreInterval
from kpbench.statistics.scale import pixel_change, rmse_px
from kpbench.statistics.verdicts import MINIMUM_SEEDS

WIDTH = 80
LABEL = 18
"""Columns of what stands before a value."""

MOST = 23
"""Columns of a cell's name in a table; names that cannot be told apart in them give way to cell ids."""


def text(result: Comparison) -> list[str]:
    """The comparison for a person: one contest in full, several as one line each; then the notes."""
    one = result.one
    lines = [*_sides(result), "", *(_single(one, result) if one else _table(result))]
    for note in notes(result):
        lines += ["", *textwrap.wrap(note, WIDTH, break_on_hyphens=False)]
    return lines


def _sides(result: Comparison) -> list[str]:
    one, plan = result.one, result.first.plan
    lines = []
    for name, study, at in (("A", result.first, 0), ("B", result.second, 1)):
        lines.append(f"{name}  {study.name}")
        if one:
            side = one.sides[at]
            lines.append(f"   {'' if side.chosen == 'named' else side.chosen + ' '}cell {side.cell}")
    if one:
        apart = differing([one.first.params, one.second.params])
        words = [f"{name} {shown(a)} against {shown(b)}" for name, (a, b) in apart.items()]
        lines += _entry("differ in", "; ".join(words) or "nothing: the same cell in two studies")
    lines += _entry("the same", f"data {plan.data}, benchmark {plan.benchmark}, scorer {plan.scorer}")
    if result.unlike:
        return lines + _entry("recipe", f"{result.recipes[0]} against {result.recipes[1]}: not the same")
    return lines + _entry("", f"recipe {result.recipes[0]}")


def _entry(label: str, words: str) -> list[str]:
    """A label and words, wrapped beside it."""
    lines = textwrap.wrap(words, WIDTH - LABEL, break_on_hyphens=False)
    return [f"{label if not at else '':{LABEL}}{line}" for at, line in enumerate(lines)]


def _single(contest: Contest, result: Comparison) -> list[str]:
    sides = contest.sides
    lines = [f"{'':{LABEL}}{'A':26}B"]

    def row(label: str, *values: str) -> None:
        lines.append(f"{label:{LABEL}}{values[0]:26}{values[1]}".rstrip())

    row("seeds", *(str(len(seeds)) for seeds in contest.seeds))
    if any(side.diverged for side in sides):
        row("diverged", *(str(len(set(s.diverged) & set(n))) for s, n in zip(sides, contest.seeds, strict=True)))
    if contest.scores and contest.mse:
        row(
            f"score ({100 * (1 - result.alpha):.4g} %)",
            *(f"{_score(score.score)}{_score_range(score)}" for score in contest.scores),
        )
        row("RMSE", *(f"{rmse_px(mse):.3f} px" for mse in contest.mse))
    row("parameters", *("-" if side.parameters is None else f"{side.parameters:,}" for side in sides))
    row("model file", *("-" if side.megabytes is None else f"{side.megabytes:.2f} MB" for side in sides))
    row("an epoch", *("-" if side.seconds is None else f"{side.seconds:.2f} s" for side in sides))
    lines.append("")
    found = contest.finding
    if contest.ratio is not None:
        interval = f", {coverage(found.ci)} interval {span(found.ci)}" if found else ""
        lines += _entry("MSE ratio A/B", f"{number(contest.ratio)}{interval}; below 1 A is better")
    if found and contest.mse:
        low, high = (pixel_change(contest.mse[1], limit) for limit in (found.ci.low, found.ci.high))
        change = rmse_px(contest.mse[0]) - rmse_px(contest.mse[1])
        lines.append(f"{'RMSE A - B':{LABEL}}{number(change, '+')} px, {number(low, '+')} to {number(high, '+')}")
        if contest.faces:
            faces = contest.faces.seeds_and_faces
            lines.append(f"{'  fresh faces too':{LABEL}}MSE ratio {number(contest.faces.ratio)}, {span(faces)}")
        lines += _entry("p", f"{_p(found.p)}, {_test(contest)}")
        wins = found.wins
        lines.append(f"{'P(A beats B)':{LABEL}}{wins.share:.3f}, {span(wins.interval)}")
        lines.append(
            f"{'detectable':{LABEL}}{_percent(found.detectable)} % of MSE at this n, {100 * POWER:.0f} % power"
        )
    return lines + _entry("verdict", _verdict(contest, result))


def _table(result: Comparison) -> Iterator[str]:
    factors = _factors(result)
    head = " ".join(factors.values())
    names = [" ".join(shown(one.first.params.get(name)) for name in factors) for one in result.contests]
    width = min(MOST, max(len(head), *map(len, names)))
    if not factors or len({_cut(name, width) for name in names}) < len(names):
        head, names, width = "cell", [contest.first.cell for contest in result.contests], 12
    yield f"{_cut(head, width)} {'seeds':>5} {'A':>5} {'B':>5} {'ratio':>5} {'interval':14} {'p adj.':>6} verdict"
    for label, contest in zip(names, result.contests, strict=True):
        found, scores = contest.finding, contest.scores
        seeds = str(contest.n) if contest.paired else f"{len(contest.seeds[0])}/{len(contest.seeds[1])}"
        a, b = (_score(score.score) for score in scores) if scores else ("", "")
        ratio = "" if contest.ratio is None else number(contest.ratio)
        interval = span(found.ci) if found else ""
        p = "" if found is None or found.p_adjusted is None else _p(found.p_adjusted)
        line = f"{_cut(label, width)} {seeds:>5} {a:>5} {b:>5} {ratio:>5} {interval:14} {p:>6} "
        yield line + contest.verdict.word
    yield ""
    tests = " and ".join(dict.fromkeys("paired t" if contest.paired else "Welch's t" for contest in result.contests))
    yield from textwrap.wrap(
        f"Ratio: MSE of A over that of B, below 1 A is better; {tests} on log MSE, Holm over "
        f"{len(result.contests)} cells at {result.alpha:g}; smallest effect of interest {100 * result.sesoi:g} %.",
        WIDTH,
    )


def labels(result: Comparison) -> list[str]:
    """A name for each contest: what tells A's cells apart, or the cell's id where there is nothing."""
    factors = _factors(result)
    return [
        " ".join(f"{word}={shown(contest.first.params.get(name))}" for name, word in factors.items())
        or contest.first.cell
        for contest in result.contests
    ]


def _factors(result: Comparison) -> dict[str, str]:
    """The parameters in which A's cells differ, with the last part of each name where that is unique."""
    names = list(differing([contest.first.params for contest in result.contests]))
    last = [name.rpartition(".")[2] for name in names]
    return {name: word if last.count(word) == 1 else name for name, word in zip(names, last, strict=True)}


def _cut(words: str, width: int) -> str:
    return f"{words if len(words) <= width else words[: width - 1] + '…':{width}}"


def _verdict(contest: Contest, result: Comparison) -> str:
    word, size = contest.verdict.word, contest.verdict.size
    sesoi = f"{100 * result.sesoi:g} % of MSE"
    sizes = {
        "beyond": f"by more than the {sesoi} that are of interest",
        "below": f"but by less than the {sesoi} that are of interest",
        "unclear": f"by more or less than the {sesoi} that are of interest",
    }
    if word in ("better", "worse"):
        return f"A is {word} than B, {sizes[size or 'unclear']}"
    if word == "equivalent":
        return f"equivalent within {sesoi}"
    if word == "undecided":
        return f"undecided at this n: neither a difference nor equivalence within {sesoi} is shown"
    if word == "incomplete":
        return f"incomplete: {contest.missing} planned run(s) are missing"
    return f"withheld: {contest.n} of the {MINIMUM_SEEDS} seeds a side that a verdict needs"


def _test(contest: Contest) -> str:
    found = contest.finding
    if contest.paired:
        correlation = "" if found is None or found.correlation is None else f", correlation {found.correlation:.2f}"
        return f"paired t on log MSE, {contest.n} seeds in common{correlation}"
    return f"Welch's t on log MSE, {found.df if found else math.nan:.1f} degrees of freedom, seeds not paired"


def plain(result: Comparison) -> dict[str, Any]:
    """The comparison as `kpbench compare --json` prints it."""
    plan = result.first.plan
    return {
        "a": result.first.name,
        "b": result.second.name,
        "data": plan.data,
        "benchmark": plan.benchmark,
        "scorer": plan.scorer,
        "recipe": {"a": result.recipes[0], "b": result.recipes[1], "differs": _named(result.unlike)},
        "across": list(result.across),
        "compared": "network and recipe" if result.unlike else "network",
        "sesoi": result.sesoi,
        "alpha": result.alpha,
        "power": POWER,
        "correction": "holm",
        "comparisons": [
            {"label": label, **_contest(contest)}
            for label, contest in zip(labels(result), result.contests, strict=True)
        ],
        "notes": notes(result),
    }


def _contest(contest: Contest) -> dict[str, Any]:
    found, faces = contest.finding, contest.faces
    return {
        "a": _side(contest, 0),
        "b": _side(contest, 1),
        "differs": _named(differing([contest.first.params, contest.second.params])),
        "test": None if found is None else "paired t" if contest.paired else "Welch",
        "n": contest.n,
        "missing": contest.missing,
        "ratio": contest.ratio,
        "ci": None if found is None else _ends(found.ci),
        "confidence": None if found is None else found.ci.confidence,
        "p": None if found is None else found.p,
        "p_adjusted": None if found is None else found.p_adjusted,
        "p_permutation": None if found is None else found.p_permutation,
        "bootstrap": None if found is None else _ends(found.bootstrap),
        "df": None if found is None else found.df,
        "correlation": None if found is None else found.correlation,
        "wins": None if found is None else found.wins.share,
        "wins_interval": None if found is None else _ends(found.wins.interval),
        "detectable": None if found is None else found.detectable,
        "verdict": contest.verdict.word,
        "size": contest.verdict.size,
        "seeds_and_faces": None if faces is None else {"ratio": faces.ratio, "ci": _ends(faces.seeds_and_faces)},
        "survivors": None
        if contest.survivors is None
        else {"n": list(contest.survivors.n), "ratio": contest.survivors.ratio, "ci": _ends(contest.survivors.ci)},
        "identical": contest.identical,
    }


def _side(contest: Contest, at: int) -> dict[str, Any]:
    side, seeds = contest.sides[at], contest.seeds[at]
    score = None if contest.scores is None else contest.scores[at]
    return {
        "study": side.study.name,
        "cell": side.cell,
        "params": dict(side.params),
        "chosen": side.chosen,
        "seeds": list(seeds),
        "diverged": [seed for seed in side.diverged if seed in seeds],
        "missing": side.missing,
        "score": None if score is None else score.score,
        "interval": None if score is None else _finite(score.low, score.high),
        "rmse_px": None if contest.mse is None else rmse_px(contest.mse[at]),
        "parameters": side.parameters,
        "megabytes": side.megabytes,
        "seconds_per_epoch": side.seconds,
    }


def _named(values: Mapping[str, tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: list(found) for name, found in values.items()}


def _ends(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else _finite(interval.low, interval.high)


def _finite(low: float | None, high: float | None) -> list[float | None] | None:
    """Both ends; one past every number, as two seeds at a small alpha give, is null in JSON."""
    if low is None or high is None:
        return None
    return [end if math.isfinite(end) else None for end in (low, high)]


def _score_range(score: ScoreInterval) -> str:
    return "" if score.low is None or score.high is None else f" ({_score(score.low)} to {_score(score.high)})"


def _score(score: float) -> str:
    return f"{score:.1f}" if score < 1000 else f"{score:.0f}" if score < 1e5 else f"{score:.0e}"


def _percent(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}" if value < 1e5 else f"{value:.0e}"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"
