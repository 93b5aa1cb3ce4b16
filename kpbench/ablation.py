"""`kpbench ablate`: a planned factorial of cells and seeds, none stopped early, scored on the sealed test."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpbench.cell import Role, RunResult, Scalar, cell_id
from kpbench.design import (
    Design,
    base_cell,
    blocks_of,
    factorial,
    find_factor,
    levels_of,
    refuse_same_cells,
    whole_cell,
)
from kpbench.errors import UsageError
from kpbench.evaluate import Staged, prepare, work
from kpbench.events import Notify, Stage
from kpbench.faces.faces import Splits
from kpbench.jobs import Job, Progress
from kpbench.measures import SHIFTS, Measure, elsewhere, under_shifts
from kpbench.networks.families import flops, step_megabytes
from kpbench.official import score_floor, score_row
from kpbench.preflight import Say, Task, at_least, plain_name, prepare_task, run_queue
from kpbench.queues import Planned
from kpbench.statistics.power import detectable_d
from kpbench.study import COSTS, MODELS, ROWS, SESSIONS, Plan, Study, check_folder, open_study

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
    seeds: int = 8
    epochs: int | None = None
    sesoi: float = 0.05
    alpha: float = 0.05
    correction: str = "holm"
    control: bool = True
    shifts: tuple[int, ...] | None = None
    also: str | None = None
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
        return self.task.plan(
            splits,
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
    for option, value in (("--sesoi", request.sesoi), ("--alpha", request.alpha)):
        if not 0 < value < 1:
            raise UsageError(f"{option} must lie between 0 and 1, got {value:g}")
    if request.correction not in CORRECTIONS:
        raise UsageError(f"unknown correction '{request.correction}'. Known: {', '.join(CORRECTIONS)}")
    if request.name is not None:
        plain_name(request.name)
    task = prepare_task(request.space, request.device, request.epochs)
    under_shifts(request.shifts or (), task.benchmark.coordinates)  # refuses what is no shift
    design = _design(request, task)
    cells = tuple(task.complete(whole_cell(task.space, levels)) for levels in design.cells)
    refuse_same_cells(cells)
    for cell in cells:
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
        power=0.8,
        correction=request.correction,
        shifts=_shifts(request, asked),
    )


def _shifts(request: AblationRequest, asked: Sequence[str]) -> tuple[int, ...] | None:
    """As asked; where families are compared, by themselves: convolution's promise is about shifts."""
    shifts = request.shifts if request.shifts is not None else SHIFTS if "family" in asked else ()
    return tuple(dict.fromkeys(shifts)) or None


def ablate(prepared: Ablate, notify: Notify, say: Say) -> Path:
    """Carries out a prepared request, from the faces to the last row; returns the study's folder.

    Raises:
        UsageError: the faces cannot be read, or the study cannot be opened.
        KeyboardInterrupt: as it comes; the study can be continued.
    """
    request, task = prepared.request, prepared.task
    splits = task.read_faces(request.data, say)
    other = None if request.also is None else task.read_faces(request.also, say)
    plan = prepared.plan(splits, other)
    with open_study(prepared.folder(plan), plan) as study:
        study.append(SESSIONS, task.session(request.command, request.workers))
        study.write(COSTS, _costs(prepared))
        score_floor(study, task, splits, request.command, notify)  # what a diverged seed counts with
        runs = _runs(study, prepared, splits, _measures(prepared, other), notify)
        if runs.jobs:
            total = prepared.design.runs
            notify(Stage("training cells and seeds in random order", total, total - len(runs.jobs)))
            run_queue(runs, task.stage(splits), request.workers)
    return study.folder


def _costs(prepared: Ablate) -> str:
    """What a cell costs besides its parameters, by cell: counted, so the same on every machine."""
    costs = {cell_id(cell): {"flops": flops(cell), "step_megabytes": step_megabytes(cell)} for cell in prepared.cells}
    return json.dumps(costs, indent=2) + "\n"


def _measures(prepared: Ablate, other: Splits | None) -> list[Measure]:
    coordinates = prepared.task.benchmark.coordinates
    shifts = prepared.design.shifts
    found = [] if shifts is None else [under_shifts(shifts, coordinates)]
    return found if other is None else [*found, elsewhere(other.name, other.val, coordinates)]


def _runs(study: Study, prepared: Ablate, splits: Splits, measures: Sequence[Measure], notify: Notify) -> Planned:
    """Every planned run in random order, those done left out; each is scored officially, its model then removed."""
    design, task, request = prepared.design, prepared.task, prepared.request
    done = {(row.role, row.cell, row.seed) for row in study.rows() if is_done(row)}
    wanted: list[tuple[Role, dict[str, Scalar], int]] = [
        ("ablation", cell, seed) for cell in prepared.cells for seed in design.blocks
    ]
    wanted += [("control", prepared.cells[0], seed) for seed in design.control]
    random.Random(request.seed).shuffle(wanted)
    models = str((study.folder / MODELS).absolute())
    jobs = [
        Job(number=number, role=role, params=cell, seeds=(seed,), epochs=task.epochs, models=models)
        for number, (role, cell, seed) in enumerate(wanted)
        if (role, cell_id(cell), seed) not in done
    ]

    def settle(rows: Sequence[RunResult]) -> Sequence[RunResult]:
        scored = [score_row(study, task, splits, row, request.command, measures=measures) for row in rows]
        for row in scored:
            study.append(ROWS, row.model_copy(update={"model": None}))
            if row.model is not None:
                for suffix in (".safetensors", ".json"):
                    (study.folder / row.model).with_suffix(suffix).unlink(missing_ok=True)
        return scored

    return Planned(jobs, task.facts(splits), notify, settle)


def is_done(row: RunResult) -> bool:
    """Whether a planned run needs no other: it is complete, or diverged, which is its outcome."""
    return row.state == "complete" or row.reason == "nan"


def dry_run(prepared: Ablate, say: Say) -> dict[str, Any]:
    """What `ablate` would do, with the time as a measured epoch on 128 faces tells it; nothing is written."""
    from_request, task, design = prepared.request, prepared.task, prepared.design
    splits = task.read_faces(from_request.data, say)
    other = None if from_request.also is None else task.read_faces(from_request.also, say)
    plan = prepared.plan(splits, other)
    check_folder(prepared.folder(plan), plan)
    seconds = sum(_seconds(cell, task.stage(splits)) for cell in prepared.cells) / len(prepared.cells)
    total = seconds * task.epochs * design.runs / max(1, from_request.workers)
    return {
        "study": str(prepared.folder(plan)),
        "cells": [" ".join(f"{name}={level}" for name, level in levels.items()) for levels in design.cells],
        "runs": f"{design.runs}: {len(design.cells)} cells x {len(design.blocks)} seeds, {len(design.control)} A/A",
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


def _seconds(cell: dict[str, Scalar], staged: Staged) -> float:
    """Seconds of one epoch of a cell over the whole training split, from a second epoch over 128 faces."""
    n = min(128, len(staged.train_images))
    small = Staged(
        staged.train_images[:n],
        staged.train_keypoints[:n],
        staged.val_images[:8],
        staged.val_keypoints[:8],
        staged.coordinates,
        staged.benchmark,
        staged.data,
        staged.device,
    )
    epochs: list[Progress] = list(
        work(Job(number=0, role="ablation", params=cell, seeds=(0,), epochs=2), prepare(small))
    )
    records = [seed for progress in epochs for seed in progress.seeds if hasattr(seed, "seconds")]
    return min(record.seconds for record in records) * len(staged.train_images) / n
