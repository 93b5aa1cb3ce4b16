"""A comparison in lines of 80 columns and as one JSON object."""

import json
from collections.abc import Iterator
from typing import Any

from kpbench.analysis.comparison.arms import Ends, differing
from kpbench.analysis.comparison.comparison import Comparison
from kpbench.analysis.comparison.pairs import POWER, CellComparison
from kpbench.analysis.comparison.study import judged_on
from kpbench.cli.compare_notes import coverage, notes, number, shown, span
from kpbench.cli.lines import COLUMNS, STEP, paragraph, table, terminal_columns
from kpbench.statistics.intervals import Interval
from kpbench.statistics.words import detectable_text, ends_text, plural, short_names

LABEL = 18
"""Columns of what stands before a value."""

TESTS = {"paired t": "paired t", "overlapping samples": "t of overlapping samples", "Welch": "Welch's t"}
"""What is printed for each test."""

MOST = 23
"""Columns of a cell's name in a table; names that cannot be told apart in them give way to cell ids."""


def text(result: Comparison) -> list[str]:
    """The comparison for a person: one pair in full, several as one line each; then the notes."""
    one = result.one
    lines = [*_arms(result), "", *(_single(one, result) if one else _table(result))]
    for note in notes(result):
        lines += ["", *paragraph(note)]
    return lines


def _arms(result: Comparison) -> Iterator[str]:
    plan, pair = result.first.plan, result.pairs[0]
    for name, study, arm in (("A", result.first, pair.a), ("B", result.second, pair.b)):
        yield f"{name}  {study.name}"
        if result.one:
            yield f"   {'' if arm.chosen == 'named' else arm.chosen + ' '}cell {arm.cell}"
    if result.one:
        words = [f"{name} {shown(a)} against {shown(b)}" for name, (a, b) in pair.differs.items()]
        yield from _entry("differ in", "; ".join(words) or "nothing: the same cell in two studies")
    yield from _entry("judged on", _judged_on(result))
    yield from _entry("the same", f"data {plan.data}, benchmark {plan.benchmark}, scorer {plan.scorer}")
    if result.unlike:
        yield from _entry("recipe", f"{result.recipes[0]} against {result.recipes[1]}: not the same")
    else:
        yield from _entry("", f"recipe {result.recipes[0]}")


def _judged_on(result: Comparison) -> str:
    if result.split == "test":
        return "the sealed test"
    closed = [study.name for study in (result.first, result.second) if judged_on(study.plan) == "val"]
    if len(closed) == 2:
        return "validation faces, as both were"
    return f"validation faces; the sealed test was not opened for every run of {closed[0]}"


def _entry(label: str, words: str) -> list[str]:
    """A label and words, wrapped beside it."""
    return paragraph(f"{label:{LABEL}}{words}", LABEL)


def _single(pair: CellComparison, result: Comparison) -> list[str]:
    a, b = pair.a, pair.b
    rows = [("", "A", "B"), ("seeds", *(str(len(arm.seeds)) for arm in pair.arms))]
    for label, counts in (
        ("diverged", [len(arm.diverged) for arm in pair.arms]),
        ("below mean face", [len(arm.collapsed) for arm in pair.arms]),
    ):
        if any(counts):
            rows.append((label, str(counts[0]), str(counts[1])))
    if a.rmse_px is not None and b.rmse_px is not None:
        rows.append((f"score ({coverage(1 - result.alpha)})", *(_score(arm.score, arm.interval) for arm in pair.arms)))
        rows.append(("RMSE", *(f"{rmse:.3f} px" for rmse in (a.rmse_px, b.rmse_px))))
    for label, kind, name in (
        ("parameters", "{:,}", "parameters"),
        ("model file", "{:.2f} MB", "megabytes"),
        ("an epoch", "{:.2f} s", "seconds_per_epoch"),
        ("images seen", "{:,}", "images"),
    ):
        values = [getattr(arm, name) for arm in pair.arms]
        rows.append((label, *("-" if value is None else kind.format(value) for value in values)))
    aligned = LABEL - STEP if (terminal_columns() or COLUMNS) >= COLUMNS else 0
    lines = [*table([f"{rows[0][0]:{aligned}}", *rows[0][1:]], rows[1:]), ""]
    if pair.ratio is not None:
        interval = f", {coverage(pair.confidence)} interval {span(pair.ci)}" if pair.ci and pair.confidence else ""
        lines += _entry("MSE ratio A/B", f"{number(pair.ratio)}{interval}; below 1 A is better")
    if pair.ci and a.rmse_px is not None and b.rmse_px is not None:
        low, high = (b.rmse_px * (limit**0.5 - 1.0) for limit in pair.ci)
        ends = ends_text((low, high), lambda end: number(end, "+"))
        lines += _entry("RMSE A - B", f"{number(a.rmse_px - b.rmse_px, '+')} px, {ends}")
    if faces := pair.seeds_and_faces:
        label = "  fresh faces too" if faces.unit == "face" else f"  {faces.units} people too"
        lines.append(f"{label:{LABEL}}MSE ratio {number(faces.ratio)}, {span(faces.ci)}")
    if pair.p is not None and pair.superiority_interval and pair.detectable is not None and pair.detectable_interval:
        found = detectable_text(pair.detectable, Interval(*pair.detectable_interval, confidence=0.95))
        lines += [
            *_entry("p", f"{_p(pair.p)}, {_test(pair)}"),
            *_entry("P(A beats B)", f"{pair.superiority:.3f}, {span(pair.superiority_interval)}"),
            *_entry("detectable", f"{found} of MSE at this n, {100 * POWER:.0f} % power"),
        ]
    return lines + _entry("verdict", _verdict(pair, result))


def _table(result: Comparison) -> Iterator[str]:
    factors = _factors(result)
    head = " ".join(factors.values())
    names = [" ".join(shown(pair.a.params.get(name)) for name in factors) for pair in result.pairs]
    width = min(MOST, max(len(head), *map(len, names)))
    if not factors or len({_cut(name, width) for name in names}) < len(names):
        head, names, width = "cell", [pair.a.cell for pair in result.pairs], 12
    rows = []
    for label, pair in zip(names, result.pairs, strict=True):
        seeds = str(pair.n) if pair.test == "paired t" else f"{len(pair.a.seeds)}/{len(pair.b.seeds)}"
        ratio = "" if pair.ratio is None else number(pair.ratio)
        p = "" if pair.p_adjusted is None else _p(pair.p_adjusted)
        scores = (_score(pair.a.score), _score(pair.b.score))
        interval = span(pair.ci) if pair.ci else ""
        rows.append((_cut(label, width).rstrip(), seeds, *scores, ratio, interval, p, pair.verdict))
    titles = (_cut(head, width).rstrip(), "seeds", "A", "B", "ratio", "interval", "p adj.", "verdict")
    yield from table(titles, rows, right=(1, 2, 3, 4, 6), gap=1)
    yield ""
    tests = " and ".join(dict.fromkeys(TESTS[pair.test] for pair in result.pairs if pair.test)) or "no test"
    withheld = any(pair.why == "seeds" for pair in result.pairs)
    yield from paragraph(
        f"Ratio: MSE of A over that of B, below 1 A is better; {tests} on log MSE, Holm over "
        f"{len(result.pairs)} cells at {result.alpha:g}; smallest effect of interest {100 * result.sesoi:g} %."
        + (f" Withheld: a verdict needs {result.needed} seeds a side." if withheld else ""),
    )


def _factors(result: Comparison) -> dict[str, str]:
    """The parameters in which A's cells differ, with the names to print."""
    return short_names(differing([pair.a.params for pair in result.pairs]))


def _cut(words: str, width: int) -> str:
    return f"{words if len(words) <= width else words[: width - 1] + '…':{width}}"


REASONS = {
    "post hoc": "a study's rows are older than its plan",
    "picked": "both are cells of one ablation, whose report has the verdicts that were planned",
    "tuned once": "a study tuned its cells once for all seeds",
}
"""Why a pair of a study that gets no verdicts has none."""


def _verdict(pair: CellComparison, result: Comparison) -> str:
    sesoi = f"{100 * result.sesoi:g} % of MSE"
    sizes = {"beyond": "by more than", "below": "but by less than", "unclear": "by more or less than"}
    if pair.size:
        return f"A is {pair.verdict} than B, {sizes[pair.size]} the {sesoi} that are of interest"
    if pair.why in REASONS:
        return f"withheld: {REASONS[pair.why]}"
    if pair.why == "collapse":
        return "undecided at this n: failures too rare to be seen in so few seeds could hide a difference"
    if pair.why == "nothing learnt":
        return "undecided: too many runs lie at the mean face, and that they are alike says nothing"
    return {
        "equivalent": f"equivalent within {sesoi}",
        "undecided": f"undecided at this n: neither a difference nor equivalence within {sesoi} is shown",
        "incomplete": f"incomplete: {plural(pair.missing, 'planned run')} missing",
        "withheld": f"withheld: {pair.n} of the {result.needed} seeds a side that a verdict needs",
    }[pair.verdict]


def _test(pair: CellComparison) -> str:
    if pair.test == "Welch":
        return f"Welch's t on log MSE, {pair.df:.1f} degrees of freedom, seeds not paired"
    correlation = "" if pair.correlation is None else f", correlation {pair.correlation:.2f}"
    if pair.test == "paired t":
        return f"paired t on log MSE, {pair.n} seeds in common{correlation}"
    sizes = " and ".join(str(len(arm.seeds)) for arm in pair.arms)
    return (
        f"t of overlapping samples on log MSE, {pair.shared} of {sizes} seeds in common{correlation}, "
        f"{pair.df:.1f} degrees of freedom"
    )


def plain(result: Comparison) -> dict[str, Any]:
    """The comparison as `kpbench compare --json` prints it."""
    plan, factors = result.first.plan, _factors(result)
    labels = [
        " ".join(f"{word}={shown(pair.a.params.get(name))}" for name, word in factors.items()) or pair.a.cell
        for pair in result.pairs
    ]
    return {
        "a": result.first.name,
        "b": result.second.name,
        "data": plan.data,
        "benchmark": plan.benchmark,
        "scorer": plan.scorer,
        "split": result.split,
        "recipe": {"a": result.recipes[0], "b": result.recipes[1], "differs": dict(result.unlike)},
        "across": result.across,
        "compared": "network and recipe" if result.unlike else "network",
        "sesoi": result.sesoi,
        "alpha": result.alpha,
        "power": POWER,
        "needed_seeds": result.needed,
        "correction": "holm",
        "comparisons": [
            {"label": label, **json.loads(pair.model_dump_json())}
            for label, pair in zip(labels, result.pairs, strict=True)
        ],
        "notes": notes(result),
    }


def _score(score: float | None, ends: Ends | None = None) -> str:
    if score is None:
        return ""
    text = f"{score:.1f}" if score < 1000 else f"{score:.0f}" if score < 1e5 else f"{score:.0e}"
    return f"{text} ({ends_text(ends, _score)})" if ends else text


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"
