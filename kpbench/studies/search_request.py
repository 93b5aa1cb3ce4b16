"""What a person asked of `kpbench search`, checked before a face is read and before Ray starts."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from kpbench.engine.limits import Limits
from kpbench.engine.trackers import check_tracker
from kpbench.errors import UsageError, lookup
from kpbench.faces.faces import Splits
from kpbench.networks.own import WRITTEN
from kpbench.sampling import samplers, schedulers
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.store.files import LATENCY, read_lines
from kpbench.store.finding import find_study
from kpbench.store.plan import Plan, bare, read_plan
from kpbench.store.values import Latency
from kpbench.studies.costs import Costing
from kpbench.studies.preflight import Task, at_least, check_name, prepare_task
from kpbench.task.objectives import OBJECTIVES, SCORE, objectives_asked
from kpbench.training.device import THREADS, Device

SPACE = "cnn_small"
"""What is searched, unless a space or a network is named."""

TRIALS = 7
"""Of a search, unless its space or the command says otherwise."""


@dataclass(frozen=True)
class SearchRequest:
    """What a person asked of `kpbench search`; totals, so that the same request continues a study.

    Attributes:
        space: a name or a TOML file; `SPACE` where neither it nor `network` is given.
        network: `FILE.py:NAME`, one network instead of a space.
        warm_start: a study, by name or path, whose cells the sampler is shown.
    """

    space: str | None = None
    network: str | None = None
    data: str = "synthetic"
    labels: str = "complete"
    max_parameters: int | None = None
    max_megabytes: float | None = None
    n_trials: int | None = None
    epochs: int | None = None
    images: int | None = None
    seeds: int = 1
    sampler: str = samplers.DEFAULT
    scheduler: str = schedulers.DEFAULT
    warm_start: str | None = None
    workers: int = 2
    threads: int = THREADS
    device: str | Device = "auto"
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    name: str | None = None
    out: Path = Path("reports")
    final_cells: int = 1
    final_seeds: int = 3
    track: str | None = None
    objective: tuple[str, ...] = SCORE
    max_params: float | None = None
    max_flops: float | None = None
    max_latency_ms: float | None = None
    command: str = ""

    @property
    def constraints(self) -> dict[str, float]:
        """The most that a cell may have, by the objective's name."""
        given = {"params": self.max_params, "flops": self.max_flops, "latency": self.max_latency_ms}
        return {name: float(most) for name, most in given.items() if most is not None}


@dataclass(frozen=True, eq=False)
class Search:
    """A request that can be carried out: everything read and checked, nothing written yet.

    Attributes:
        warm: the folder of the study to start from.
    """

    request: SearchRequest
    task: Task
    objectives: tuple[str, ...]
    warm: Path | None = None

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
            warm_start=None if self.warm is None else read_plan(self.warm).digest,
            objectives=None if self.objectives == SCORE else self.objectives,
            constraints=request.constraints or None,
        )

    def costing(self, folder: Path) -> Costing:
        """What counts and measures the cells, with what the study in `folder` has measured before."""
        constraints = self.request.constraints
        wanted = {*self.objectives, *constraints}
        asked = tuple(name for name, one in OBJECTIVES.items() if name in wanted and one.known == "before")
        known = read_lines(folder / LATENCY, Latency) if "latency" in asked else []
        return Costing(self.task, asked, constraints, {one.network: one for one in known})

    @property
    def n_trials(self) -> int:
        """Trials in the study, in total: as asked, the space's, or `TRIALS`."""
        return self.request.n_trials or self.task.space.budget.get("n_trials", TRIALS)

    def totals(self, size: int | None) -> dict[str, int]:
        """What the study will have in total: trials, no more than the `size` cells there are, and final runs."""
        request = self.request
        trials = self.n_trials if size is None else min(size, self.n_trials)
        return {"trials": trials, "final cells": request.final_cells, "final seeds": request.final_seeds}

    def folder(self, plan: Plan) -> Path:
        """The study's folder: as named, or after space, data and plan, so that the same request finds it again."""
        name = self.request.name or f"{plan.space_name}-{bare(plan.data_name)}-{plan.digest[:6]}"
        return self.request.out / name


def prepare_search(request: SearchRequest) -> Search:
    """Reads and checks everything that can be wrong before a face is read.

    Raises:
        UsageError: an unknown name, a number out of range, a space that breaks the rules.
    """
    at_least(
        {
            "--n-trials": (1 if request.n_trials is None else request.n_trials, 1),
            "--seeds": (request.seeds, 1),
            "--workers": (request.workers, 0),
            "--seed": (request.seed, 0),
            "--final-cells": (request.final_cells, 0),
            "--final-seeds": (request.final_seeds, 1),
        }
    )
    for name, most in request.constraints.items():
        if not 0 < most < math.inf:
            raise UsageError(f"{OBJECTIVES[name].constraint} must be a positive number, got {most:g}")
    objectives = objectives_asked(request.objective)
    if isinstance(request.device, Device) and "latency" in {*objectives, *request.constraints}:
        raise UsageError("latency is measured on this machine, where nothing is trained with --address: leave one out")
    if request.warm_start is not None and objectives != SCORE:
        raise UsageError("--warm-start shows the sampler scores alone; leave it out, or search for the score alone")
    check_name(request.name)
    check_tracker(request.track)
    sampler = lookup(SAMPLERS, request.sampler, "sampler")
    if request.warm_start is not None and not sampler.learns:
        raise UsageError(
            f"--warm-start shows the sampler what another study found, and '{request.sampler}' looks at nothing: leave "
            f"it out, or use {samplers.DEFAULT}"
        )
    lookup(SCHEDULERS, request.scheduler, "scheduler")
    if request.network is not None and not WRITTEN.fullmatch(request.network):
        raise UsageError(f"--network must be FILE.py:NAME, got '{request.network}'")
    if request.network is not None and request.space is not None:
        raise UsageError("--network is searched instead of a space: leave out --space, or name the network in its file")
    task = prepare_task(
        request.network or request.space or SPACE,
        request.device,
        request.epochs,
        images=request.images,
        labels=request.labels,
        threads=request.threads,
        max_parameters=request.max_parameters,
        max_megabytes=request.max_megabytes,
    )
    if "training.exposure" in task.space.factors and SCHEDULERS[request.scheduler] is not schedulers.never:
        raise UsageError(
            f"'{task.space.name}' varies training.exposure, and --scheduler {request.scheduler} compares trials at one "
            "epoch, where runs of other lengths are elsewhere in their schedules: leave out --scheduler"
        )
    if sampler.ask is None and task.space.size is None:
        raise UsageError(
            f"sampler '{request.sampler}' needs a finite space and '{task.space.name}' has a continuous range; "
            f"use {samplers.DEFAULT}"
        )
    warm = None if request.warm_start is None else find_study(request.warm_start, request.out)
    prepared = Search(request, task, objectives, warm)
    counted = {name: most for name, most in request.constraints.items() if name != "latency"}
    Costing(task, tuple(counted), counted).check(objectives)  # what is measured waits until the study is known
    return prepared
