"""What a study would take before it is begun, in numbers: faces, workers, minutes, and what looks like a slip."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from kpbench.cell import Params
from kpbench.engine.evaluate import epoch_seconds
from kpbench.engine.jobs import job_epochs
from kpbench.engine.limits import Limits, check_room
from kpbench.engine.resources import own_cpus
from kpbench.faces.faces import Splits
from kpbench.space.space import Choice
from kpbench.store.plan import Plan
from kpbench.store.study import check_open
from kpbench.studies.preflight import CHECKED, Task
from kpbench.training.fit import RECIPE

TIMED = 12
"""Cells of which an epoch is measured, evenly chosen where there are more."""

CROWD = 4
"""Workers for each CPU from which on a number of workers looks like a slip."""

EPOCHS, DAYS = 10_000, 30.0
"""Epochs of a run, and days of a study, from which on they look like one."""


def forecast(task: Task, splits: Splits, plan: Plan, folder: Path, workers: int, limits: Limits) -> dict[str, Any]:
    """What any study has: its folder and plan, faces, length of a run, device, workers and limits.

    Raises:
        UsageError: the study could not be begun or continued there; as `check_open` and `check_room`.
    """
    check_open(folder, plan, str(RECIPE))
    check_room(folder)
    return {
        "study": str(folder),
        "plan": plan.digest,
        "faces": {"name": splits.name, "digest": splits.digest(), **plan.data_sizes},
        "notes": list(splits.notes),
        "leak": splits.leak or None,
        "faults": splits.faults or None,
        "epochs": task.epochs,
        "images": task.epochs * len(splits.train),
        "device": {"kind": task.device.kind, "name": task.device.title, "precision": task.device.precision},
        "workers": workers,
        "cpus_per_trial": task.threads,
        "cpus": own_cpus(),
        "time_budget_s": limits.seconds,
        "max_failures": limits.failures,
    }


def minutes(task: Task, splits: Splits, cells: Sequence[Params], runs: int, workers: int) -> float:
    """Minutes that so many whole runs take, as a measured epoch of some of the cells on 128 faces tells it."""
    timed = cells[:: -(-len(cells) // TIMED)]
    staged = task.stage(splits)
    seconds = sum(epoch_seconds(cell, staged) * job_epochs(cell, task.epochs) for cell in timed) / len(timed)
    room = max(1, own_cpus() // task.threads) if task.device.kind == "cpu" else workers
    return round(seconds * runs / max(1, min(workers, room, runs)) / 60, 1)


def sampled(cells: Iterable[Params] | None, task: Task) -> list[Params]:
    """Complete cells to be timed: of a finite space its first `CHECKED`, else its extremes."""
    found = task.checked() if cells is None else cells
    return [task.complete(cell) for cell in islice(found, CHECKED)]


def slips(task: Task, splits: Splits, said: Mapping[str, Any]) -> list[str]:
    """What in a forecast nobody is likely to have meant, a sentence each."""
    found = []
    if said["workers"] > CROWD * said["cpus"]:
        found.append(f"{said['workers']:,} workers: this machine has {said['cpus']} CPUs, and each is a process")
    if said["epochs"] > EPOCHS:
        found.append(f"{said['epochs']:,} epochs: a run sees each training face so often")
    batch = task.space.parameters.get("training.batch_size")
    sizes = () if batch is None else batch.values if isinstance(batch, Choice) else (batch.low, batch.high)
    largest = max(map(float, sizes), default=0)
    if largest > len(splits.train):
        found.append(f"training.batch_size {largest:,.0f}: there are {len(splits.train):,} training faces")
    if (days := said["minutes"] / 60 / 24) > DAYS:
        found.append(f"{days:,.0f} days at this speed")
    return found
