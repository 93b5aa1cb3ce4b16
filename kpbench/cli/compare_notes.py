"""The notes of a comparison: what a reader must know beside the numbers."""

from collections.abc import Iterator
from typing import Any

from kpbench.analysis.comparison.arms import Arm, Ends
from kpbench.analysis.comparison.comparison import Comparison
from kpbench.analysis.comparison.pairs import CellComparison
from kpbench.analysis.ranking import trial_counts
from kpbench.analysis.search import best_of
from kpbench.space.design import Split
from kpbench.statistics.words import ends_text, plural, seeds_text
from kpbench.task.score import score_from_mse


def notes(result: Comparison) -> list[str]:
    """What a reader must know beside the numbers, a sentence or two each."""
    found = list(_recipe_notes(result))
    for name, study, at in (("A", result.first, 0), ("B", result.second, 1)):
        arms = [pair.arms[at] for pair in result.pairs]
        if study.plan.design is None:
            found.append(_chosen_note(name, arms[0], result.split))
        if not study.finished:
            found.append(f"{name}, {study.name}, has no result yet: its search may not have ended.")
        found += _seed_notes(name, arms, study.failed_mse)
    if result.one:
        found += _pair_notes(result.one, result.alpha)
    identical = sum(pair.identical for pair in result.pairs)
    if identical:
        which = "" if result.one else f" in {identical} of {len(result.pairs)} cells"
        found.append(
            f"Both sides have the very same MSE for every seed{which}: that is one computation done twice. It shows "
            "that the numbers can be reproduced and says nothing of fresh seeds."
        )
    if any(result.alone):
        found.append(
            f"Left out: {plural(result.alone[0], 'cell')} that only A has scored and {result.alone[1]} that only B has."
        )
    return [*found, *_drift_notes(result)]


def _recipe_notes(result: Comparison) -> Iterator[str]:
    if result.unlike:
        apart = ", ".join(f"{name} {shown(a)} against {shown(b)}" for name, (a, b) in result.unlike.items())
        yield f"Compared across recipes ({apart}): a difference is of network plus recipe, not of the network alone."
    elif result.across:
        yield "--across recipe lifted nothing: both sides were trained by the same recipe."
    if result.one:
        if sum(not name.startswith("training.") for name in result.one.differs) > 1:
            yield "The cells differ in several parameters; the difference is of all of them together."
        cells = len(result.first.plan.design.cells) if result.first.plan.design else 0
        if result.first.place == result.second.place and cells > 2:
            yield (
                f"This is one comparison picked out of {cells} cells and not corrected for the others; the planned "
                "contrasts stand in the study's own report."
            )


def _chosen_note(name: str, arm: Arm, split: Split) -> str:
    """The winner's curse: by what a search's cell was chosen, and that the seeds compared are fresh ones."""
    rows = arm.source.rows
    trials = sum(trial_counts(rows).values())
    finalists = {row.cell for row in rows if row.role == "final"}
    best = best_of(rows)
    is_best = best is not None and best["cell_id"] == arm.cell
    what = f"the best cell of {trials} trials" if is_best else f"one of the best cells of {trials} trials"
    where = "on the sealed test" if split == "test" else "here on the faces it was chosen on, which flatters it,"
    note = (
        f"{name} is {what}, chosen by validation score; its {len(arm.mse)} fresh seeds were trained and scored "
        f"{where} after that choice."
    )
    if is_best and best is not None and best.get("val_mean") is not None:
        note += f" Its validation score was {best['search_score']:.1f} when chosen, {best['val_mean']:.1f} on them."
    if is_best and len(finalists) > 1:
        note += (
            f" Of {len(finalists)} finalists it is best by the validation scores of these seeds: slightly flattered."
        )
    return note


def _seed_notes(name: str, arms: list[Arm], failed_mse: float | None) -> Iterator[str]:
    kinds = {
        ("diverged run", ""): [seed for arm in arms for seed in arm.diverged],
        ("run", " worse than the mean face"): [seed for arm in arms for seed in arm.collapsed],
    }
    for (what, more), found in kinds.items():
        if found and failed_mse is not None:
            seeds = f" (seed {', '.join(map(str, found))})" if len(arms) == 1 else ""
            yield (
                f"{name}: {plural(len(found), what)}{more}{seeds}, counted with the mean face's MSE, "
                f"score {score_from_mse(failed_mse):.1f}."
            )
    missing, planned = sum(arm.missing for arm in arms), sum(len(arm.planned) for arm in arms)
    if missing:
        yield f"{name}: {missing} of {planned} planned runs have no outcome yet."


def _pair_notes(pair: CellComparison, alpha: float) -> Iterator[str]:
    if 0 < pair.shared < 3 and pair.test == "Welch":
        yield f"{seeds_text(pair.shared)} in common, too few to know their correlation: they are taken as independent."
    if left := pair.survivors:
        count = str(left.n[0]) if pair.test == "paired t" else f"{left.n[0]} and {left.n[1]}"
        yield (
            f"Without failed seeds ({count} left) the MSE ratio is {number(left.ratio)}, "
            f"{coverage(1.0 - alpha)} interval {span(left.ci)}; for orientation, never for the verdict."
        )


def _drift_notes(result: Comparison) -> Iterator[str]:
    first, second = result.first, result.second
    packages = [name for name in ("kpbench", "torch", "timm") if name in first.versions and name in second.versions]
    drift = [
        f"{name} {first.versions[name]} against {second.versions[name]}"
        for name in packages
        if first.versions[name] != second.versions[name]
    ]
    if drift:
        yield f"Trained with other versions: {', '.join(drift)}."
    if first.machine != second.machine and first.machine and second.machine:
        yield f"Seconds were measured on other machines: {first.machine} against {second.machine}."


def shown(value: Any) -> str:
    """A parameter's value as it is read; `-` where it does not apply."""
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def number(value: float, sign: str = "") -> str:
    """Three decimals below 10, then fewer; never more than seven characters and a sign."""
    size = abs(value)
    return f"{value:{sign}{'.3f' if size < 10 else '.1f' if size < 1000 else '.0f' if size < 1e5 else '.0e'}}"


def span(ends: Ends) -> str:
    """`0.912 to 0.987`."""
    return ends_text(ends, number)


def coverage(confidence: float) -> str:
    """`95 %`, with more digits than a page shows: the intervals of several contrasts differ little."""
    return f"{100 * confidence:.4g} %"
