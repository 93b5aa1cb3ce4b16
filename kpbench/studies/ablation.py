"""`kpbench ablate`: a planned factorial of cells and seeds, none stopped early, scored on the sealed test."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kpbench.cell import Scalar, cell_id
from kpbench.engine.evaluate import epoch_seconds
from kpbench.engine.events import Notify, Stage
from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.networks.families import flops, step_megabytes
from kpbench.space.design import (
    Design,
    base_cell,
    blocks_of,
    factorial,
    find_factor,
    levels_of,
    refuse_same_cells,
    whole_cell,
)
from kpbench.space.tuning import plan_tuning
from kpbench.statistics.power import detectable_d
from kpbench.store.files import COSTS, SESSIONS
from kpbench.store.plan import Plan
from kpbench.store.study import check_folder, find_study, open_study
from kpbench.studies.matching import MATCH, size_matched
from kpbench.studies.measures import SHIFTS, Measure, elsewhere, under_shifts
from kpbench.studies.official import score_floor
from kpbench.studies.planned_runs import every_cell, scored_runs, take_runs, tuned_cells, tuning_count, tuning_runs
from kpbench.studies.preflight import Say, Task, at_least, check_name, prepare_task, run_queue

LEAST_ALPHA, POWER = 1e-3, 0.8
"""The strictest error rate at which a few seeds have a detectable effect, and the power of that effect."""

SANE_RUNS = 400
"""More runs than this need --yes."""

CORRECTIONS = ("holm", "none")


@dataclass(frozen=True)
class AblationRequest:
    """What a person asked of `kpbench ablate`; `levels` and `baseline` as `name=words` by factor."""

    factors: tuple[str, ...] = ("dropout",)
    cross: tuple[str, ...] = ()
    levels: dict[str, tuple[str, ...]] | None = None
    baseline: dict[str, str] | None = None
    space: str = "cnn_small"
    data: str = "synthetic"
    labels: str = "complete"
    seeds: int = 8
    epochs: int | None = None
    sesoi: float = 0.05
    alpha: float = 0.05
    correction: str = "holm"
    control: bool = True
    shifts: tuple[int, ...] | None = None
    also: str | None = None
    tune: str = "none"
    tune_trials: int = 8
    match: str = "none"
    reuse: tuple[str, ...] = ()
    workers: int = 2
    device: str = "auto"
    seed: int = 0
    name: str | None = None
    out: Path = Path("reports")
    yes: bool = False
    command: str = ""


@dataclass(frozen=True, eq=False)
class Ablate:
    """A request that can be carried out: the design fixed, every cell checked, nothing written yet."""

    request: AblationRequest
    task: Task
    design: Design
    cells: tuple[dict[str, Scalar], ...]

    def plan(self, splits: Splits, other: Splits | None = None) -> Plan:
        """The identity of the study that the request asks for, its design included."""
        also = None if other is None else f"{other.name} {other.digest()}"
        notes = () if other is None else tuple(f"{other.name}: {note}" for note in other.notes)
        return self.task.plan(
            replace(splits, notes=(*splits.notes, *notes)),
            kind="ablation",
            seeds=self.request.seeds,
            seed=self.request.seed,
            sampler="planned",
            scheduler="none",
            design=self.design.model_copy(update={"also": also}),
        )

    def folder(self, plan: Plan) -> Path:
        """The study's folder: as named, or after factors, data and plan, so that the same request finds it again."""
        factors = "-".join(name.rpartition(".")[2] for name in self.design.factors)
        return self.request.out / (self.request.name or f"ablate-{factors}-{plan.data_name}-{plan.digest[:6]}")


def prepare_ablation(request: AblationRequest) -> Ablate:
    """Reads and checks everything that can be wrong before a face is read, and fixes the design.

    Raises:
        UsageError: an unknown factor or level, a factor with one level, a baseline outside the space, a cell against
            the rules, a number out of range, more runs than `SANE_RUNS` without `yes`.
    """
    at_least(
        {"--seeds": (request.seeds, 2), "--workers": (request.workers, 0), "--seed": (request.seed, 0)},
    )
    if not 0 < request.sesoi < 1:
        raise UsageError(f"--sesoi must lie between 0 and 1, got {request.sesoi:g}")
    if not LEAST_ALPHA <= request.alpha < POWER:
        raise UsageError(f"--alpha must lie between {LEAST_ALPHA:g} and {POWER:g}, got {request.alpha:g}")
    for what, word, known in (("correction", request.correction, CORRECTIONS), ("--match", request.match, MATCH)):
        if word not in known:
            raise UsageError(f"unknown {what} '{word}'. Known: {', '.join(known)}")
    if request.match != "none" and request.tune == "per-cell":
        raise UsageError("--match keeps the baseline's recipe, --tune per-cell does not: use --tune locked with it")
    check_name(request.name)
    task = prepare_task(request.space, request.device, request.epochs, labels=request.labels)
    under_shifts(request.shifts or (), task.benchmark.coordinates)  # refuses what is no shift
    design = _design(request, task)
    cells = tuple(task.complete(whole_cell(task.space, levels)) for levels in design.cells)
    refuse_same_cells(cells)
    if request.match == "params":
        design = design.model_copy(update={"matched": size_matched(task, design)})
    for place in request.reuse:
        find_study(place, request.out)
    for cell in every_cell(task, design):
        task.size(cell)
    if design.runs > SANE_RUNS and not request.yes:
        raise UsageError(
            f"{len(cells)} cells x {request.seeds} seeds are {design.runs} runs; fewer levels or seeds, or --yes"
        )
    return Ablate(request, task, design, cells)


def _design(request: AblationRequest, task: Task) -> Design:
    space = task.space
    words = list(space.factors) if request.factors == ("all",) else list(request.factors)
    asked = tuple(dict.fromkeys(find_factor(space, word) for word in words))
    crossing = tuple(dict.fromkeys(find_factor(space, word) for word in request.cross))
    names = tuple(dict.fromkeys([*asked, *crossing]))
    levels = {find_factor(space, word): found for word, found in (request.levels or {}).items()}
    baseline = {find_factor(space, word): found for word, found in (request.baseline or {}).items()}
    for option, given in (("--levels", levels), ("--baseline", baseline)):
        for name in given:
            if name not in names:
                raise UsageError(f"{option} names {name}, which is no factor of this ablation: {', '.join(names)}")
    factors = {name: levels_of(space, name, words=levels.get(name), baseline=baseline.get(name)) for name in names}
    blocks, control = blocks_of(request.seed, request.seeds, control=request.control)
    return Design(
        factors=factors,
        asked=asked,
        crossed=bool(crossing),
        cells=factorial(factors, crossed=bool(crossing)),
        blocks=blocks,
        control=control,
        sesoi=request.sesoi,
        alpha=request.alpha,
        power=POWER,
        correction=request.correction,
        shifts=_shifts(request, asked),
        tuning=plan_tuning(
            space, names, own=_own_recipe(task), how=request.tune, trials=request.tune_trials, seed=request.seed
        ),
    )


def _own_recipe(task: Task) -> dict[str, Scalar]:
    """The value of every parameter that nobody varies: the space's baseline, else its family's default."""
    base = base_cell(task.space)
    known = {name: value for defaults in task.defaults.values() for name, value in defaults.items()}
    return {**known, **task.defaults[str(base["family"])], **base}


def _shifts(request: AblationRequest, asked: Sequence[str]) -> tuple[int, ...] | None:
    """As asked; where families are compared, by themselves: convolution's promise is about shifts."""
    shifts = request.shifts if request.shifts is not None else SHIFTS if "family" in asked else ()
    return tuple(dict.fromkeys(shifts)) or None


def ablate(prepared: Ablate, notify: Notify, say: Say) -> Path:
    """Carries out a prepared request, from the faces to the last row; returns the study's folder.

    Raises:
        UsageError: the faces cannot be read, the study cannot be opened, or no recipe of a cell could be trained.
        KeyboardInterrupt: as it comes; the study can be continued.
    """
    request, task, design = prepared.request, prepared.task, prepared.design
    splits = task.read_faces(request.data, say)
    other = _other_faces(prepared, splits, say)
    plan = prepared.plan(splits, other)
    with open_study(prepared.folder(plan), plan) as study:
        study.append(SESSIONS, task.session(request.command, request.workers))
        score_floor(study, task, splits, request.command, notify)  # what a diverged seed counts with
        while (tuning := tuning_runs(study, task, design, splits, notify)).jobs:  # again for what broke, once
            notify(Stage("tuning on validation faces", len(tuning.jobs)))
            run_queue(tuning, task.stage(splits), request.workers)
        cells = tuned_cells(task, design, study.rows())
        costs = {cell_id(cell): {"flops": flops(cell), "step_megabytes": step_megabytes(cell)} for cell in cells}
        study.write(COSTS, json.dumps(costs, indent=2) + "\n")  # counted, so the same on every machine
        for place in request.reuse:
            taken = take_runs(study, plan, cells, find_study(place, request.out))
            notify(Stage(f"{taken} runs taken from {place}"))
        runs = scored_runs(study, task, design, cells, splits, _measures(prepared, other), request.command, notify)
        if runs.jobs:
            notify(Stage("training cells and seeds in random order", design.runs, design.runs - len(runs.jobs)))
            run_queue(runs, task.stage(splits), request.workers)
    return study.folder


def _other_faces(prepared: Ablate, splits: Splits, say: Say) -> Splits | None:
    """The data that `--also` names, without validation pictures that are trained on here; a note counts them.

    Raises:
        UsageError: it cannot be read, or is the same data, or all its pictures are trained on.
    """
    also = prepared.request.also
    if also is None:
        return None
    other = prepared.task.read_faces(also, say)
    seen = other.val.also_in(splits.train, people=False)  # its people are numbered by themselves
    if other.digest() == splits.digest() or seen.all():
        raise UsageError(f"--also {also}: its faces are those of --data; name another data set")
    if not seen.any():
        return other
    note = f"{seen.sum():,} val faces of {other.name} are trained on here and left out of its measure"
    return replace(other, val=other.val.take(np.flatnonzero(~seen)), notes=(*other.notes, note))


def _measures(prepared: Ablate, other: Splits | None) -> list[Measure]:
    coordinates = prepared.task.benchmark.coordinates
    shifts = prepared.design.shifts
    found = [] if shifts is None else [under_shifts(shifts, coordinates)]
    return found if other is None else [*found, elsewhere(other.name, other.val, coordinates)]


def dry_run(prepared: Ablate, say: Say) -> dict[str, Any]:
    """What `ablate` would do, with the time as a measured epoch on 128 faces tells it; nothing is written."""
    request, task, design = prepared.request, prepared.task, prepared.design
    splits = task.read_faces(request.data, say)
    other = _other_faces(prepared, splits, say)
    plan = prepared.plan(splits, other)
    check_folder(prepared.folder(plan), plan)
    seconds = sum(epoch_seconds(cell, task.stage(splits)) for cell in prepared.cells) / len(prepared.cells)
    tuning = tuning_count(design)
    total = seconds * task.epochs * (design.runs + tuning) / max(1, request.workers)
    return {
        "study": str(prepared.folder(plan)),
        "cells": [" ".join(f"{name}={level}" for name, level in levels.items()) for levels in design.cells],
        "runs": f"{design.runs}: {len(design.cells)} cells x {len(design.blocks)} seeds, {len(design.control)} A/A"
        + (f", {design.controls * len(design.blocks)} size-matched" if design.matched else "")
        + (f"; before them {tuning} to tune" if tuning else ""),
        "design": "full factorial" if design.crossed else "one factor at a time, conditional on the baseline",
        "fixed": {k: v for k, v in base_cell(task.space).items() if k not in design.factors},
        "faces": f"{splits.name} {splits.digest()}: " + ", ".join(f"{k} {n}" for k, n in plan.data_sizes.items()),
        "detectable": f"differences of {_detectable(design):.2f} standard deviations of the paired log MSE ratio, "
        f"with {design.power:.0%} power",
        "minutes": round(total / 60, 1),
        "plan": plan.digest,
    }


def _detectable(design: Design) -> float:
    contrasts = sum(len(design.factors[name]) - 1 for name in design.asked) if design.correction == "holm" else 1
    return detectable_d(len(design.blocks), alpha=design.alpha, power=design.power, contrasts=contrasts)
