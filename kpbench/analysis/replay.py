"""A study's rows to a table on which searches are replayed, and the replays to figures."""

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpbench.analysis.floor import mean_face_mse
from kpbench.analysis.ranking import last_of_each
from kpbench.cell import RunResult, Scalar, cell_id, spoken
from kpbench.errors import UsageError
from kpbench.sampling.table import Ended, Table, near_best
from kpbench.space.design import Split
from kpbench.space.reading import parameters_in, space_of
from kpbench.space.space import Choice, SearchSpace
from kpbench.statistics.resampling import Resampled, resampled
from kpbench.statistics.words import plural
from kpbench.store.files import ROWS, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.task.score import score_from_mse

FEW = 4
"""Run seeds below which what is best in a table is warned of."""


def read_table(folder: Path) -> Table:
    """The table of a study in which every cell of a finite space had its whole run.

    Validation scores of a search's trials or of an ablation's cells. A seed that some cells lack is left out. Where one
    seed of a search's trial diverged, the trial ended with all its seeds: they count as diverged too.

    Raises:
        UsageError: the space is a continuum, a design is not crossed, a cell is missing or was stopped early.
    """
    plan = read_plan(folder)
    role = "trial" if plan.design is None else "ablation"
    rows = [row for row in last_of_each(read_lines(folder / ROWS, RunResult)) if row.role == role]
    space = _space(folder, plan, rows)
    if space.size is None:
        raise UsageError(f"{folder}: {plan.space_name} has no list of cells; replay a study of a finite space")
    remedy = "its own command goes on" if plan.design else f"its own command with --n-trials {space.size} goes on"
    failed = {row.trial for row in rows if row.state == "failed"} - {None}
    if stopped := {row.cell for row in rows if row.state == "pruned" and row.trial not in failed}:
        raise UsageError(
            f"{folder}: {plural(len(stopped), 'cell')} stopped early; train all with --sampler grid --scheduler none "
            f"--n-trials {space.size} under another --name"
        )
    lost = {row.trial for row in rows if row.reason == "nan"} - {None}
    curves: dict[tuple[str, int], tuple[float, ...]] = {}
    for row in rows:
        diverged = row.reason == "nan" or row.trial in lost
        if diverged or (row.state == "complete" and len(row.curve) == plan.epochs):
            varying = {name: value for name, value in space.settle(row.params).items() if name in space.factors}
            curve = row.curve[: plan.epochs - diverged]  # short of its end where it diverged, if there alone
            curves[cell_id(varying), row.seed] = tuple(score_from_mse(record.val_mse) for record in curve)
    cells = [cell_id({n: cell[n] for n in space.factors if n in cell}) for cell in space.cells()]
    seeds = [seed for seed in sorted({seed for _, seed in curves}) if all((cell, seed) in curves for cell in cells)]
    if not seeds:
        missing = len(set(cells) - {cell for cell, _ in curves})
        raise UsageError(f"{folder}: {missing or 'some'} of {plural(len(cells), 'cell')} have no whole run; {remedy}")
    scores = {(cell, seed): curves[cell, seed] for cell in cells for seed in seeds}
    floor: Mapping[Split, float] = {"val": math.nan}
    if any(len(curve) < plan.epochs for curve in scores.values()) and not (floor := mean_face_mse(folder, "val")):
        raise UsageError(f"{folder}: a run diverged and the mean face, as which it counts, has no score yet; {remedy}")
    diverged_score = score_from_mse(floor["val"])
    return Table(space, scores, plan.epochs, images=plan.data_sizes["train"], diverged=diverged_score)


def _space(folder: Path, plan: Plan, rows: Sequence[RunResult]) -> SearchSpace:
    """What varies in a study; of a search the file as it was asked, checked against the parameters in its rows."""
    if plan.design is not None:
        if not plan.design.crossed and len(plan.design.factors) > 1:
            raise UsageError(f"{folder} varies one factor at a time; replay an ablation with --cross")
        factors = plan.design.factors
        order = [*(name for name in parameters_in(plan.space_text) if name in factors), *factors]
        parameters = {name: Choice(factors[name], {}) for name in order}
        return SearchSpace(plan.space_name, plan.space_name, parameters, {}, {}, {}, "")
    known: dict[str, dict[str, Scalar]] = {}
    for row in rows:
        known.setdefault(str(row.params["family"]), {}).update(row.params)
    words = {spoken(value): value for found in known.values() for value in found.values() if isinstance(value, str)}
    if plan.constraints:
        raise UsageError(f"{folder} left out cells by its constraints; replay a search without --max-...")
    table = _as_trained(tomllib.loads(plan.space_text), words)
    families = table["family"] if isinstance(table["family"], list) else [table["family"]]
    if unseen := [str(family) for family in families if family not in known]:
        raise UsageError(f"{folder} has no run of {', '.join(unseen)}; its own command goes on")
    return space_of(table, plan.space_text, Path(plan.space_name), known)


def _as_trained(value: Any, words: Mapping[str, str]) -> Any:
    """The value of a TOML table with the names of a person's own code as they stand in cells, with a digest."""
    if isinstance(value, dict):
        return {key: _as_trained(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_trained(one, words) for one in value]
    return words.get(value.replace("\\", "/").rpartition("/")[2], value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Outcome:
    """One replayed search, judged.

    Attributes:
        epochs, trials: spent when a cell near the best had its whole run; those of the whole table where none had.
        named: epochs spent and regret, 1 - true score of the cell that the search would name / that of the best, each
            time that it would name another.
    """

    epochs: int
    trials: int
    arrived: bool
    named: tuple[tuple[int, float], ...]

    def regret(self, epochs: int) -> float:
        """After so many epochs; 1 before any trial is complete."""
        return next((regret for spent, regret in reversed(self.named) if spent <= epochs), 1.0)


def judged(found: Iterable[Ended], table: Table, seed: int, *, near: float, until: int) -> Outcome:
    """Follows a search until it arrives and has spent `until` epochs.

    Args:
        seed: of the runs; the truth is over the others (`Table.truth`).
        near: a cell is near the best within this share of its score.
    """
    truth = table.truth(seed)
    best, left = max(truth.values()), near_best(truth, near)
    spent, first = 0, (math.inf, "")
    at = never = (len(table.cells) * table.epochs, len(table.cells), False)
    named: list[tuple[int, float]] = []
    for trials, trial in enumerate(found, start=1):
        spent += trial.epochs
        if trial.score is not None and (mine := (-trial.score, trial.cell)) < first:  # as `ranking.ranked` orders them
            first = mine
            named.append((spent, 1 - math.exp(truth[trial.cell] - best)))
        if at is never and trial.cell in left:
            left -= {trial.cell}
            at = never if trial.score is None else (spent, trials, True)
        if spent >= until and (at is not never or not left):
            break
    return Outcome(*at, tuple(named))


@dataclass(frozen=True)
class Replays:
    """What the replays of a sampler and a scheduler came to, with 95 % intervals over replays.

    Attributes:
        images, trials: until a cell near the best had its whole run.
        ratio: of images to those of the control, paired by replay; None for the control itself.
        never: share of replays that stopped every such cell; they count with the whole table.
        regret: after the budget; `curve` after as many images as each of some numbers of whole trials has.
    """

    sampler: str
    scheduler: str
    images: Resampled
    trials: Resampled
    ratio: Resampled | None
    never: float
    regret: Resampled
    curve: tuple[tuple[int, Resampled], ...]

    @property
    def name(self) -> str:
        """`tpe + asha_late`."""
        return f"{self.sampler} + {self.scheduler}"

    @property
    def verdict(self) -> str | None:
        """`fewer` or `more` images than the control, `undecided` where the interval has 1 in it."""
        if self.ratio is None:
            return None
        return "undecided" if not self.ratio.excludes(1.0) else "fewer" if self.ratio.value < 1 else "more"


def summed(
    sampler: str,
    scheduler: str,
    mine: Sequence[Outcome],
    control: Sequence[Outcome],
    table: Table,
    *,
    budget: int,
    drawn: Sequence[int] = (),
) -> Replays:
    """The figures of a sampler and a scheduler from its replays and those of the control, which may be the same.

    Args:
        budget: trials of full length.
        drawn: such budgets for the curve.
    """

    def regret(trials: int) -> Resampled:
        return resampled([one.regret(trials * table.epochs) for one in mine])

    images = [table.images * one.epochs for one in mine]
    return Replays(
        sampler,
        scheduler,
        images=resampled(images),
        trials=resampled([one.trials for one in mine]),
        ratio=None if mine is control else resampled(images, [table.images * one.epochs for one in control]),
        never=sum(not one.arrived for one in mine) / len(mine),
        regret=regret(budget),
        curve=tuple((trials * table.epochs * table.images, regret(trials)) for trials in drawn),
    )


def good_cells(table: Table, near: float) -> tuple[int, int]:
    """The fewest and the most cells that are near the best, over the seeds that are replayed."""
    counts = [len(near_best(table.truth(seed), near)) for seed in table.seeds]
    return min(counts), max(counts)


def cautions(table: Table, planned: int) -> list[str]:
    """What is to be known of the seeds of a table, of a study that planned so many."""
    n, found = len(table.seeds), []
    if n < planned:
        found.append(f"{n} of the {planned} planned seeds: the others lack cells and are left out")
    if n == 1:
        found.append(
            "one seed: the best cell is named by the runs that are replayed, so every search looks better than it is; "
            "train the table with --seeds 3 or more"
        )
    elif n < FEW:
        found.append(f"{n} seeds: what is best rests on {plural(n - 1, 'other run')} a cell; more --seeds are surer")
    return found
