"""Replays searches on fixed tables of runs: what each sampler and rule trains until it has a cell near the best.

`python benchmarks/search/replay.py` prints the figures and writes `figures.json` beside this file. It is `kpbench
replay` with rules that a search does not have, tried before one was chosen: other rungs, and short runs with their own
whole schedule. A trial goes through the stages of its rule, and at each it stops unless it is in the top third of those
that came there before it. The tables are `table.csv`, `real_anew.csv`, `real_cooled.csv` and the published rows of
`kpbench verify faces`, which have more seeds and no short runs.

Under `flat_cosine`, in `real_cooled.csv`, a short run is the beginning of a longer one, at the same rate, cooled down
in its second half: `table.py` gives all of them the warm-up of the whole run. So what follows a short run goes on from
there, and costs that much less than where it begins anew.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from kpbench.analysis.replay import read_table as read_study
from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.schedulers import falls
from kpbench.sampling.table import Ended, Table
from kpbench.space.reading import read_space
from kpbench.statistics.resampling import resampled
from kpbench.studies.replay import outcomes
from kpbench.task.score import score_from_mse
from kpbench.training.recipe import FLAT

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WHOLE, NEAR, REPLAYS = 8, 0.01, 200

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
    "additive": ("none", "rung at half", "rung at five eighths", "rung at three quarters"),
    "tpe": ("none", "rung at half", "rung at five eighths"),
}
"""The rules that each sampler is replayed with; the last two cost too much for all."""

OF_SCHEDULES: Mapping[str, Sequence[str]] = {
    "random": tuple(RULES),
    "additive": ("none", "rung at half", "short run of 2 epochs", "short run of 4 epochs"),
}
"""The same for the tables that say what a schedule does."""


@dataclass(frozen=True)
class Runs(Table):
    """The trained runs, and those of shorter schedules.

    Attributes:
        short: the score after each epoch of a schedule shorter than `WHOLE`.
        shared: share of a short run that the next longer one has in common with it.
    """

    short: Mapping[Run, tuple[float, ...]] = field(default_factory=dict)
    shared: float = 0.0

    def score(self, cell: str, seed: int, epochs: int, epoch: int) -> float:
        """The score after an epoch of a schedule."""
        return (self.scores[cell, seed] if epochs == WHOLE else self.short[cell, seed, epochs])[epoch - 1]

    def gone(self, at: tuple[int, int], epochs: int) -> float:
        """Epochs of a schedule that need no training after a stage, its schedule and epoch."""
        return at[1] if at[0] == epochs else self.shared * at[0]

    def has(self, seed: int, epochs: int) -> bool:
        """Whether each cell was trained by a schedule with a seed."""
        return epochs == WHOLE or all((cell, seed, epochs) in self.short for cell in self.cells)


def read_table(name: str, shared: float = 0.0) -> Runs:
    """A committed table; a schedule of a seed that some cells lack is left out."""
    space = read_space(HERE / f"{name}.toml", known_parameters())
    by_words = {
        tuple(str(cell.get(name, "")) for name in space.factors): {n: cell[n] for n in space.factors if n in cell}
        for cell in space.cells()
    }
    scores: dict[Run, tuple[float, ...]] = {}
    for row in csv.DictReader((HERE / f"{name}.csv").open()):
        params = by_words[tuple(row[name] for name in space.factors)]
        mse = (float(row[f"mse_{epoch}"]) for epoch in range(1, WHOLE + 1) if row[f"mse_{epoch}"])
        scores[cell_id(params), int(row["seed"]), int(row["epochs"])] = tuple(map(score_from_mse, mse))
    counts = Counter(run[1:] for run in scores)
    kept = {run: curve for run, curve in scores.items() if counts[run[1:]] == len(by_words)}
    whole = {run[:2]: curve for run, curve in kept.items() if run[2] == WHOLE}
    short = {run: curve for run, curve in kept.items() if run[2] != WHOLE}
    return Runs(space, whole, WHOLE, short=short, shared=shared)


def read_published(folder: Path) -> Runs:
    """The 18 cells (two depths of `cnn_small`) of a published study, all whole runs."""
    table = read_study(folder)
    return Runs(table.space, table.scores, table.epochs)


def staged(runs: Runs, rule: str, seed: int) -> Callable[[str], Ended]:
    """What trains a cell in one search, through the stages of a rule."""
    arrived: dict[int, list[float]] = {}

    def train(cell: str) -> Ended:
        spent, at, shown = 0, (0, 0), {}
        for stage, (epochs, epoch) in enumerate(RULES[rule], start=1):
            spent += epoch - runs.gone(at, epochs)
            at = (epochs, epoch)
            shown[stage] = score = runs.score(cell, seed, epochs, epoch)
            others = arrived.setdefault(stage, [])
            stopped = falls(epoch, epoch, WHOLE, score, others)
            others.append(score)
            if stopped:
                return Ended(cell, spent, shown, None)
        return Ended(cell, spent + WHOLE - runs.gone(at, WHOLE), shown, runs.end(cell, seed))

    return train


def epochs_to_arrive(runs: Runs, sampler: str, rule: str, replays: int = REPLAYS) -> list[tuple[int, bool]]:
    """For each replay the epochs of training until a cell near the best has had its whole run, and whether one had.

    Empty where the table lacks a schedule of the rule.
    """
    if not all(runs.has(seed, epochs) for seed in runs.seeds for epochs, _ in RULES[rule]):
        return []
    found = outcomes(runs, sampler, partial(staged, runs, rule), replays=replays, near=NEAR)
    return [(one.epochs, one.arrived) for one in found]


def correlations(runs: Runs) -> dict[str, float]:
    """Spearman's correlation of what a stage shows with the end of the whole run, the mean over seeds."""
    cells = sorted(runs.cells)
    found = {}
    for epochs, epoch in [*((WHOLE, epoch) for epoch in range(1, WHOLE)), *((short, short) for short in (1, 2, 4))]:
        each = [
            spearmanr(
                [runs.score(cell, seed, epochs, epoch) for cell in cells], [runs.end(cell, seed) for cell in cells]
            )[0]
            for seed in runs.seeds
            if runs.has(seed, epochs)
        ]
        what = f"epoch {epoch} of {WHOLE}" if epochs == WHOLE else f"short run of {epochs}"
        if each:
            found[what] = round(float(np.mean(each)), 3)
    return found


def tables() -> dict[str, tuple[Runs, Mapping[str, Sequence[str]]]]:
    """Every table by name, and what is replayed on it."""
    verify = ROOT / "reports" / "verify-facial_keypoints"
    return {
        "built-in faces, 60 cells": (read_table("table"), REPLAYED),
        "built-in faces, 18 cells": (read_published(verify / "synthetic"), REPLAYED),
        "real faces, 18 cells": (read_published(verify / "facial_keypoints"), REPLAYED),
        "real faces, short runs anew": (read_table("real_anew"), OF_SCHEDULES),
        "real faces, cooled down": (read_table("real_cooled", shared=FLAT), OF_SCHEDULES),
    }


def figures(runs: Runs, sampler: str, rules: Sequence[str]) -> dict[str, dict[str, object]]:
    """What is committed of a table and a sampler: for each rule the epochs until it arrived, and how often never."""
    found: dict[str, dict[str, object]] = {}
    for rule in rules:
        if arrived := epochs_to_arrive(runs, sampler, rule):
            mean = resampled([epochs for epochs, _ in arrived])
            found[rule] = {
                "epochs": round(mean.value, 1),
                "interval": [round(mean.low, 1), round(mean.high, 1)],
                "never": round(sum(not did for _, did in arrived) / len(arrived), 3),
            }
    return found


if __name__ == "__main__":
    everything: dict[str, object] = {"replays": REPLAYS}
    for name, (runs, replayed) in tables().items():
        samplers = {sampler: figures(runs, sampler, rules) for sampler, rules in replayed.items()}
        everything[name] = {"seeds": len(runs.seeds), "correlations": correlations(runs), **samplers}
        print(name, json.dumps(everything[name], indent=1), flush=True)
    (HERE / "figures.json").write_text(json.dumps(everything, indent=1) + "\n")
