"""What a person asked of `kpbench search`, checked before a face is read and before Ray starts."""

from dataclasses import dataclass, replace
from pathlib import Path

from kpbench.errors import UsageError, lookup
from kpbench.faces.faces import Splits
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.store.plan import Plan
from kpbench.studies.preflight import Task, at_least, check_name, prepare_task


@dataclass(frozen=True)
class SearchRequest:
    """What a person asked of `kpbench search`; totals, so that the same request continues a study.

    Attributes:
        network: one network instead of a space, `FILE.py:NAME` or a family.
    """

    space: str = "cnn_small"
    network: str | None = None
    data: str = "synthetic"
    labels: str = "complete"
    n_trials: int = 7
    epochs: int | None = None
    images: int | None = None
    seeds: int = 1
    sampler: str = "tpe"
    scheduler: str = "asha"
    workers: int = 2
    device: str = "auto"
    seed: int = 0
    name: str | None = None
    out: Path = Path("reports")
    final_cells: int = 1
    final_seeds: int = 3
    command: str = ""


@dataclass(frozen=True, eq=False)
class Search:
    """A request that can be carried out: everything read and checked, nothing written yet."""

    request: SearchRequest
    task: Task

    def on(self, splits: Splits) -> "Search":
        """The request with the epochs that it asks for on these faces."""
        return replace(self, task=self.task.on(splits))

    def plan(self, splits: Splits) -> Plan:
        """The identity of the study that the request asks for."""
        request = self.request
        return self.task.plan(
            splits,
            kind="search",
            seeds=request.seeds,
            seed=request.seed,
            sampler=request.sampler,
            scheduler=request.scheduler,
        )

    def folder(self, plan: Plan) -> Path:
        """The study's folder: as named, or after space, data and plan, so that the same request finds it again."""
        name = self.request.name or f"{plan.space_name}-{plan.data_name}-{plan.digest[:6]}"
        return self.request.out / name


def prepare_search(request: SearchRequest) -> Search:
    """Reads and checks everything that can be wrong before a face is read.

    Raises:
        UsageError: an unknown name, a number out of range, a space that breaks the rules.
    """
    at_least(
        {
            "--n-trials": (request.n_trials, 1),
            "--seeds": (request.seeds, 1),
            "--workers": (request.workers, 0),
            "--seed": (request.seed, 0),
            "--final-cells": (request.final_cells, 0),
            "--final-seeds": (request.final_seeds, 1),
        }
    )
    check_name(request.name)
    sampler = lookup(SAMPLERS, request.sampler, "sampler")
    lookup(SCHEDULERS, request.scheduler, "scheduler")
    task = prepare_task(
        request.space,
        request.device,
        request.epochs,
        images=request.images,
        labels=request.labels,
        network=request.network,
    )
    if sampler.make is None and task.space.size is None:
        raise UsageError(
            f"sampler '{request.sampler}' needs a finite space and '{task.space.name}' has a continuous range; use tpe"
        )
    return Search(request, task)
