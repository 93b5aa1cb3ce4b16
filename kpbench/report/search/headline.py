"""The headline of a study's page and the sentences below it: what the rows support and no more."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from kpbench.analysis.ranking import trial_counts
from kpbench.plots.factors import describe, trials_of, varying
from kpbench.plots.scores import counts, geometric_mean, score_rmse_px, show_score
from kpbench.plots.search.leaderboard import TOP
from kpbench.plots.search.names import cell_names, cut
from kpbench.plots.search.standings import standings
from kpbench.report.search.study_input import Best, ReportInput
from kpbench.report.tables import Card
from kpbench.statistics.words import plural
from kpbench.task.score import shortfalls

SHORT = 56
"""Letters of a cell's description that fit into the headline."""

Tone = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class Headline:
    """A first sentence, further ones, and whether the mark is passed (`good`), missed (`bad`) or not known (`open`)."""

    tone: Tone
    text: str
    more: tuple[str, ...] = ()


def headline(study: ReportInput) -> Headline:
    """What can be said: nothing yet, a tuning score, or a sealed-test score against pass mark and floors."""
    found = trial_counts(study.rows)
    ended = f"{found['complete']:,} complete, {found['pruned']:,} stopped early, {found['failed']:,} failed"
    if not any(found.values()) and not study.rows:
        return Headline("open", "No run has ended yet.", ("The page fills as the study goes on.",))
    if study.best is None:
        return Headline("open", "No run is complete with a score yet.", (f"Trials so far: {ended}.",))
    best = study.best
    if best.test_mean is None or math.isnan(best.test_mean):
        return _without_finals(study, best)
    return _with_finals(study, best, best.test_mean)


def cell_words(study: ReportInput, best: Best) -> tuple[str, str]:
    """A name for the best cell that fits in a headline, and a sentence on what it is where that says more."""
    factors = varying(trials_of(study.rows))
    words = describe(best.params, factors)
    if not words:
        return f"cell {best.cell}", ""
    if len(words) <= SHORT:
        return words, ""
    leading = islice((cell for cell in standings(study.rows) if cell.tuning), TOP)
    names = cell_names(study.rows, list(leading))
    short = cut(names.get(best.cell, "").partition(" ")[2], length=SHORT)
    return short or "the best cell", f"The cell, {best.cell}: {words}."


def cards(study: ReportInput) -> tuple[Card, ...]:
    """The best cell, the pass mark and the floor: sealed-test scores where there are any, else of validation."""
    best, sealed = study.best, study.best is not None and study.best.test_mean is not None
    split, faces = ("test", "sealed test") if sealed else ("val", "validation")
    score = math.nan if best is None else best.test_mean if best.test_mean is not None else best.val_score
    detail = "no run is complete"
    if best is not None:
        interval = f"{' to '.join(map(show_score, best.test_interval))}, " if best.test_interval else ""
        detail = f"{interval}{faces}, {plural(best.seeds, 'fresh seed') if sealed else 'the score it was chosen by'}"
    floors = _scores(study.floor, split)
    highest = max(floors.values(), default=math.nan)
    times = f"; the best cell has {score / highest:.3g} times that" if 0 < score < math.inf and highest > 0 else ""
    named = next((name for name, value in floors.items() if value == highest), "not measured")
    missed = shortfalls(score, study.pass_mark, floors)
    passed = f"no pass: {' and '.join(missed)}" if missed else "passed"
    if not sealed:
        passed = "" if math.isnan(score) else "open: the sealed test decides"
    return (
        Card("Best cell", show_score(score), detail),
        Card("Pass mark", show_score(study.pass_mark), passed),
        Card("Floor", show_score(highest), f"{named}, {faces}{times}" if floors else named),
    )


def _without_finals(study: ReportInput, best: Best) -> Headline:
    floors = _scores(study.floor, "val")
    cell, what = cell_words(study, best)
    text = f"Best so far: {cell}, validation score {show_score(best.val_score)}."
    tried = sum(not math.isnan(cell.tuning_score) for cell in standings(study.rows))
    bias = "This is the score it was chosen by, so it flatters the cell: n" if tried > 1 else "N"
    more = [f"{bias}o final run with fresh seeds is complete, and nothing is known of the sealed test."]
    more += [what, _against(best.val_score, study.pass_mark, floors, "validation")]
    return Headline("open", text, tuple(filter(None, more)))


def _with_finals(study: ReportInput, best: Best, score: float) -> Headline:
    floors = _scores(study.floor, "test")
    times = ""
    if floors and math.isfinite(score):
        name, floor = max(floors.items(), key=lambda item: item[1])
        times = f", {score / floor:.2g}× {name}" if score > floor else ""
    beaten = [value for value in floors.values() if score <= value]
    passed = not shortfalls(score, study.pass_mark, floors)
    cell, what = cell_words(study, best)
    low_high = f" ({' to '.join(map(show_score, best.test_interval))})" if best.test_interval else ""
    text = f"{cell[:1].upper()}{cell[1:]}: {show_score(score)}{low_high} on the sealed test{times}"
    if beaten:
        text += ", no better than a method without a network."
    elif passed:
        text += f": above the pass mark of {show_score(study.pass_mark)}."
    else:
        text += f": below the pass mark of {show_score(study.pass_mark)}."
    more = [_seeds(best, study.pass_mark)]
    if math.isfinite(score) and score > 0:
        more[0] += f" That is an RMSE of {score_rmse_px(score):.2f} px in a coordinate."
    more += [what, _against(score, study.pass_mark, floors, "sealed test")]
    tone: Tone = "bad" if beaten or not passed else "good"
    if not beaten and best.test_interval and best.test_interval[0] < study.pass_mark < best.test_interval[1]:
        tone = "open"
    return Headline(tone, text, tuple(filter(None, more)))


def _seeds(best: Best, pass_mark: float) -> str:
    if best.seeds <= 1:
        return "One fresh seed, so the spread between seeds is not known and there is no interval."
    if best.test_interval is None:
        return f"Geometric mean of {best.seeds} fresh seeds, too few for an interval."
    low, high = best.test_interval
    text = f"Geometric mean of {best.seeds} fresh seeds, 95 % interval {show_score(low)} to {show_score(high)}"
    if low < pass_mark < high:
        return f"{text}, which includes the pass mark: more seeds are needed to be sure of either side."
    return f"{text}."


def _against(score: float, pass_mark: float, floors: Mapping[str, float], split: str) -> str:
    if not floors:
        return "No floor was measured, so what a method without a network reaches is not known."
    named = [f"{name} {show_score(value)}" for name, value in floors.items()]
    below = [name for name, value in floors.items() if score <= value]
    text = f"Floors on the {'validation split' if split == 'validation' else split}: {_and(named)}"
    if below:
        text += f"; the score is not above {_and(below, word='or')}, so a network has not earned its place"
    high = [name for name, value in floors.items() if value >= pass_mark]
    if high:
        text += f"; the pass mark of {show_score(pass_mark)} is already reached by {_and(high)}"
    return f"{text}."


def winners_curse(study: ReportInput) -> str:
    """How the best cell's tuning score compares with its fresh validation scores; says so where that is not known."""
    best = study.best
    if best is None:
        return ""
    found = next((cell for cell in standings(study.rows) if cell.cell == best.cell), None)
    if found is None or not found.fresh:
        if sum(not math.isnan(cell.tuning_score) for cell in standings(study.rows)) < 2:
            return ""
        return (
            f"The best cell's {show_score(best.val_score)} was also what it was chosen by. "
            "Without runs on fresh seeds, how much of it is luck is not known."
        )
    fresh = geometric_mean(found.fresh)
    text = f"The best cell had validation score {show_score(best.val_score)} when it was chosen and "
    text += f"{show_score(fresh)} with {plural(len(found.fresh), 'fresh seed')}"
    if not (math.isfinite(fresh) and math.isfinite(best.val_score)):
        return f"{text}."
    change = 100 * (fresh / best.val_score - 1)
    text += f" ({'+' if change >= 0 else '−'}{abs(change):.1f} %)."
    if change < 0:
        return f"{text} The highest of many noisy scores is partly luck; the fresh seeds are what to expect."
    return f"{text} The choice did not flatter it."


def _scores(floor: Mapping[str, Mapping[str, float]], split: str) -> dict[str, float]:
    known = {name: scores[split] for name, scores in floor.items() if counts(scores.get(split))}
    return {name: known[name] for name in sorted(known, key=lambda name: known[name])}


def _and(words: list[str], *, word: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {word} {words[-1]}"
