"""Replays searches on fixed tables of runs: what each sampler and rule trains until it has a cell near the best.

`python benchmarks/search/replay.py` prints the figures and writes `figures.json` beside this file. A search asks a real
sampler (`propose`) over the table's space and looks its scores up: a trial goes through the stages of its rule, and at
each it stops unless it is in the top third of those that came there before it. It has arrived when a cell whose mean
score over the other seeds (over its own where there is one seed) is within 1 % of the best such cell's has had a whole
run. A search that stops all of these counts with the epochs of every cell trained in full. The tables are `table.csv`
and the published rows of `kpbench verify faces`, which have more seeds and no short runs.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import spearmanr

from kpbench.cell import Params, cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.points import distributions
from kpbench.sampling.samplers import SAMPLERS, propose
from kpbench.sampling.schedulers import REDUCTION
from kpbench.space.reading import read_space
from kpbench.space.space import SearchSpace

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WHOLE, NEAR, REPLAYS = 8, 0.99, 200

Run = tuple[str, int, int]
"""Cell by its varying parameters, run seed, epochs of its schedule."""

RULES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "none": (),
    "rung at a third": ((8, 2),),
    "rung at half": ((8, 4),),
    "rung at five eighths": ((8, 5),),
    "rung at three quarters": ((8, 6),),
    "short run of 1 epoch": ((1, 1),),
    "short run of 2 epochs": ((2, 2),),
    "short run of 4 epochs": ((4, 4),),
    "short runs of 1, then 2": ((1, 1), (2, 2)),
}
"""Stages of a rule as schedule and epoch: of the whole schedule a rung, of a shorter one a run by itself."""

REPLAYED: Mapping[str, Sequence[str]] = {
    "random": tuple(RULES),
    "evolution": tuple(RULES),
    "tpe": ("none", "rung at half", "rung at five eighths"),
}
"""The rules that each sampler is replayed with; TPE costs too much for all."""


@dataclass(frozen=True)
class Table:
    """The trained runs: MSE after each epoch."""

    space: SearchSpace
    mse: Mapping[Run, tuple[float, ...]]

    @property
    def seeds(self) -> list[int]:
        """Seeds with which every cell had a whole run."""
        return sorted({seed for _, seed, epochs in self.mse if epochs == WHOLE})

    def score(self, cell: str, seed: int, epochs: int, epoch: int) -> float:
        """The score after an epoch of a schedule."""
        return 1 / (2 * self.mse[cell, seed, epochs][epoch - 1])

    def near_best(self, seed: int) -> set[str]:
        """Cells within 1 % of the best, by the geometric mean score over the other seeds."""
        cells = {cell for cell, _, _ in self.mse}
        others = [other for other in self.seeds if other != seed] or [seed]
        truth = {cell: float(np.mean([np.log(self.score(cell, s, WHOLE, WHOLE)) for s in others])) for cell in cells}
        return {cell for cell, mean in truth.items() if mean >= max(truth.values()) + np.log(NEAR)}


def read_table(path: Path = HERE / "table.csv") -> Table:
    """The committed table; a schedule of a seed that some cells lack is left out."""
    space = read_space(HERE / "space.toml", known_parameters())
    by_words = {
        tuple(str(cell.get(name, "")) for name in space.factors): {n: cell[n] for n in space.factors if n in cell}
        for cell in space.cells()
    }
    mse: dict[Run, tuple[float, ...]] = {}
    for row in csv.DictReader(path.open()):
        params = by_words[tuple(row[name] for name in space.factors)]
        curve = tuple(float(row[f"mse_{epoch}"]) for epoch in range(1, WHOLE + 1) if row[f"mse_{epoch}"])
        mse[cell_id(params), int(row["seed"]), int(row["epochs"])] = curve
    counts = Counter(run[1:] for run in mse)
    return Table(space, {run: curve for run, curve in mse.items() if counts[run[1:]] == len(by_words)})


def read_published(folder: Path) -> Table:
    """The 18 cells (two depths of `cnn_small`) of a published study as a table of whole runs."""
    plan = json.loads((folder / "plan.json").read_text())
    rows = [row for row in map(json.loads, (folder / "rows.jsonl").open()) if row["role"] == "ablation"]
    depths = plan["design"]["factors"]["network.depth"]
    with TemporaryDirectory() as place:
        text = re.sub(r"(?m)^depth = .*$", f"depth = {depths}", plan["space_text"])
        (path := Path(place) / "space.toml").write_text(text)
        space = read_space(path, known_parameters())
    mse = {}
    for row in rows:
        params = {name: row["params"][name] for name in space.factors}
        mse[cell_id(params), row["seed"], WHOLE] = tuple(record["val_mse"] for record in row["curve"])
    return Table(space, mse)


def trials(table: Table, sampler: str, rule: str, run_seed: int, seed: int) -> Iterator[tuple[str, int, bool]]:
    """One search to its end: each trial's cell, the epochs that it saw, and whether it had its whole run."""
    history: list[FrozenTrial] = []
    seen: set[str] = set()
    arrived: dict[int, list[float]] = {}
    while params := propose(
        table.space,
        history,
        seen,
        sampler=SAMPLERS[sampler],
        seed=seed,
        enumerated=False,
        legal=lambda cell: True,
    ):
        cell = cell_id(params)
        seen.add(cell)
        spent, at, stopped, marks = 0, (0, 0), False, {}
        for stage, (epochs, epoch) in enumerate(RULES[rule], start=1):
            spent += epoch - at[1] if at[0] == epochs else epoch
            at = (epochs, epoch)
            marks[stage] = score = table.score(cell, run_seed, epochs, epoch)
            others = arrived.setdefault(stage, [])
            stopped = len(others) >= REDUCTION - 1 and score < np.quantile(others, 1 - 1 / REDUCTION)
            others.append(score)
            if stopped:
                break
        if not stopped:
            spent += WHOLE - at[1] if at[0] == WHOLE else WHOLE
        history.append(_told(table, params, len(history), marks, None if stopped else (cell, run_seed)))
        yield cell, spent, not stopped


def _told(
    table: Table, params: Params, number: int, marks: Mapping[int, float], whole: tuple[str, int] | None
) -> FrozenTrial:
    mine = {name: d for name, d in distributions(table.space).items() if name in params}
    trial = create_trial(
        state=TrialState.COMPLETE if whole else TrialState.PRUNED,
        params=dict(params),
        distributions=mine,
        intermediate_values=dict(marks),
        value=table.score(*whole, WHOLE, WHOLE) if whole else None,
    )
    trial.number = trial._trial_id = number
    return trial


def epochs_to_arrive(table: Table, sampler: str, rule: str, replays: int = REPLAYS) -> list[tuple[int, bool]]:
    """For each replay the epochs of training until a cell near the best has had its whole run, and whether one had.

    Empty where the table lacks a schedule of the rule.
    """
    needed = {epochs for epochs, _ in RULES[rule]} | {WHOLE}
    has = [seed for seed in table.seeds if all(any(run[1:] == (seed, e) for run in table.mse) for e in needed)]
    found: list[tuple[int, bool]] = []
    for replay in range(replays if has else 0):
        run_seed = has[replay % len(has)]
        good, spent = table.near_best(run_seed), 0
        for cell, epochs, whole in trials(table, sampler, rule, run_seed, replay):
            spent += epochs
            good -= set() if whole else {cell}
            if (whole and cell in good) or not good:
                break
        found.append((spent, True) if good else (WHOLE * len({cell for cell, _, _ in table.mse}), False))
    return found


def correlations(table: Table) -> dict[str, float]:
    """Spearman's correlation of what a stage shows with the end of the whole run, the mean over seeds."""
    cells = sorted({cell for cell, _, _ in table.mse})
    stages = [(WHOLE, epoch) for epoch in range(1, WHOLE)] + [(e, e) for e in (1, 2, 4)]
    found = {}
    for epochs, epoch in stages:
        seeds = [s for s in table.seeds if any(run[1:] == (s, epochs) for run in table.mse)]
        each = [
            spearmanr(
                [table.score(cell, seed, epochs, epoch) for cell in cells],
                [table.score(cell, seed, WHOLE, WHOLE) for cell in cells],
            )[0]
            for seed in seeds
        ]
        what = f"epoch {epoch} of {WHOLE}" if epochs == WHOLE else f"short run of {epochs}"
        if each:
            found[what] = round(float(np.mean(each)), 3)
    return found


def interval(values: list[int], draws: int = 2000) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval."""
    draw = np.random.default_rng(0)
    means = draw.choice(values, (draws, len(values))).mean(axis=1)
    return float(np.mean(values)), *(float(q) for q in np.quantile(means, [0.025, 0.975]))


def tables() -> dict[str, Table]:
    """Every table by name."""
    verify = ROOT / "reports" / "verify-facial_keypoints"
    return {
        "built-in faces, 60 cells": read_table(),
        "built-in faces, 18 cells": read_published(verify / "synthetic"),
        "real faces, 18 cells": read_published(verify / "facial_keypoints"),
    }


def figures(table: Table, sampler: str) -> dict[str, dict[str, object]]:
    """What is committed of a table and a sampler: for each rule the epochs until it arrived, and how often never."""
    found: dict[str, dict[str, object]] = {}
    for rule in REPLAYED[sampler]:
        if arrived := epochs_to_arrive(table, sampler, rule):
            mean, low, high = interval([epochs for epochs, _ in arrived])
            found[rule] = {
                "epochs": round(mean, 1),
                "interval": [round(low, 1), round(high, 1)],
                "never": round(sum(not did for _, did in arrived) / len(arrived), 3),
            }
    return found


if __name__ == "__main__":
    everything: dict[str, object] = {"replays": REPLAYS}
    for name, table in tables().items():
        samplers = {sampler: figures(table, sampler) for sampler in REPLAYED}
        everything[name] = {"seeds": len(table.seeds), "correlations": correlations(table), **samplers}
        print(name, json.dumps(everything[name], indent=1), flush=True)
    (HERE / "figures.json").write_text(json.dumps(everything, indent=1) + "\n")
