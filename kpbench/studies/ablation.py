"""`kpbench ablate`: a planned design of cells and seeds, none stopped early, judged on val, confirmed on the test."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kpbench.analysis.ablation.family import family_as_json, terms_of
from kpbench.analysis.ablation.provenance import read_before
from kpbench.cell import Scalar, cell_id
from kpbench.engine.beside import beside, spare
from kpbench.engine.cluster import Cluster
from kpbench.engine.events import Notice, Notify, Stage
from kpbench.engine.jobs import Counted
from kpbench.engine.running import run_queue
from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.faces.split import resplit
from kpbench.networks.families import flops, step_megabytes
from kpbench.space.design import Design, base_cell
from kpbench.space.space import SearchSpace, with_part
from kpbench.statistics.looks import at_look
from kpbench.statistics.power import LARGEST_LOG, detectable_d
from kpbench.statistics.verdicts import needed_seeds
from kpbench.statistics.words import plural
from kpbench.store.files import COSTS, PERSONS, PLAN
from kpbench.store.finding import find_study
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Study, open_study
from kpbench.studies.ablation_request import Ablate
from kpbench.studies.confirmation import confirm, looks_to_run, not_fresh, note_readings
from kpbench.studies.followed import followed
from kpbench.studies.forecast import forecast, minutes, slips
from kpbench.studies.measures import Measure, elsewhere, under_shifts
from kpbench.studies.official import score_floor
from kpbench.studies.planned_runs import (
    PlannedRun,
    planned_runs,
    record_source,
    scored_runs,
    seen_elsewhere,
    take_runs,
    tuning_count,
    tuning_runs,
    usable_runs,
)
from kpbench.studies.preflight import Say

MANY_EPOCHS = 20
"""Epochs from which the published studies count as long: their seeds lie closer together."""

TYPICAL_NOISE = {"short": (0.03, 0.13, 0.22), "long": (0.02, 0.06, 0.08)}
"""Standard deviations of paired differences of log MSE in the published contrasts, below `MANY_EPOCHS` and from it:
a tenth have less than the first, a tenth more than the second, the last is the largest."""


def ablate(prepared: Ablate, notify: Notify, say: Say, cluster: Cluster | None = None) -> Path:
    """Carries out a prepared request, from the faces to the last row; returns the study's folder.

    Networks are trained by the cluster's workers, or one after the other in this process.

    Raises:
        UsageError: the faces cannot be read, the study cannot be opened, or no recipe of a cell could be trained.
        KeyboardInterrupt: as it comes; the study can be continued.
    """
    splits = _read_faces(prepared, say)
    other = _other_faces(prepared, splits, say)
    prepared = prepared.on(splits)
    request, task, design = prepared.request, prepared.task, prepared.design
    plan = prepared.plan(splits, other)
    _reusable(prepared, plan)
    with (
        open_study(prepared.folder(plan), plan) as study,
        study.checkpoints() as checkpoints,
        followed(study, notify, request.track) as notify,
        beside(spare(cluster.resources if cluster else None, task.device.kind == "cuda"), task.own) as pool,
    ):
        study.begin(task.session(request.command, request.workers))
        for line in splits.warnings:
            notify(Notice(line))
        if design.judged_on == "test":
            note_readings(study, notify)
        # The floor first: it has what a failed run counts with.
        score_floor(study, task, splits, request.command, notify, test=design.split is None)
        if splits.val.subjects is not None:
            study.write(PERSONS, json.dumps({"val": splits.val.subjects.tolist()}) + "\n")
        staged = task.stage(splits, people=bool(design.resplit), checkpoints=checkpoints)
        measures = _measures(prepared, other)
        for line in _too_few(design):
            notify(Notice(line))

        def ended(queue: Counted) -> bool:
            """Works through a queue; whether a limit of the request ended it."""
            why = run_queue(queue, staged, cluster, request.limits, study.folder)
            if why:
                notify(Notice(f"{why}; the same command continues"))
            return why is not None

        for n in looks_to_run(study, design):
            # Again for what broke, once.
            while (tuning := tuning_runs(study, task, design, splits, notify, blocks=n)).jobs:
                names = (*design.factors, *(design.tuning.spans if design.tuning else ()))
                notify(Stage("tuning on validation faces", len(tuning.jobs), 0, None, names, task.space.parameters))
                if ended(tuning):
                    return study.folder
            wanted = planned_runs(task, design, study.rows(), design.blocks[:n])
            _count_costs(study, wanted)
            if all(row.role == "tuning" for row in study.rows()):
                _record_what_was_seen(study, plan, wanted, request.out, notify)
            for place in request.reuse:
                taken, why = take_runs(study, plan, wanted, find_study(place, request.out))
                if taken or why:
                    notify(Notice(f"{plural(taken, 'run')} taken from {place}" + (f": {why}" if why else "")))
            runs = scored_runs(study, task, design, wanted, splits, measures, request.command, notify, pool)
            if runs.jobs:
                title = "training cells and seeds in random order"
                done = len(wanted) - sum(len(job.seeds) for job in runs.jobs)
                names = tuple(design.factors)
                notify(Stage(title, len(wanted), done, None, names, task.space.parameters, runs=True))
                if ended(runs):
                    return study.folder
        if request.confirm:
            confirm(study, task, splits, request.command, notify)
    return study.folder


def _record_what_was_seen(study: Study, plan: Plan, wanted: Sequence[PlannedRun], out: Path, notify: Notify) -> None:
    """Writes down which studies beside this one have its runs already, and says so: it is post hoc then."""
    for folder, runs in seen_elsewhere(plan, wanted, out).items():
        if folder != study.folder:
            record_source(study, folder, read_plan(folder), runs)
            notify(Notice(_post_hoc(folder, runs)))


def _post_hoc(folder: Path, runs: int) -> str:
    return f"post hoc: {folder.name} has {runs} of these runs; another --seed plans on fresh ones"


def _too_few(design: Design) -> list[str]:
    """The numbers of seeds, at the end or at a look, that can decide nothing, and what this family wants there."""
    terms = terms_of(design)
    looks = design.looks or ()
    steps = [(n, f"the look at {n} seeds") for n in looks] or [(len(design.blocks), f"{len(design.blocks)} seeds")]
    needed = [needed_seeds(terms.corrected_for(design.family_size), at_look(terms, looks, n).alpha) for n, _ in steps]
    return [
        f"no verdict from {what}: this family wants {k}" for (n, what), k in zip(steps, needed, strict=True) if n < k
    ]


def _count_costs(study: Study, wanted: Sequence[PlannedRun]) -> None:
    """Writes what each cell costs, counted, so the same on every machine."""
    cells = {cell_id(cell): cell for _, cell, _ in wanted}
    costs = {name: {"flops": flops(cell), "step_megabytes": step_megabytes(cell)} for name, cell in cells.items()}
    study.write(COSTS, json.dumps(costs, indent=2) + "\n")


def _read_faces(prepared: Ablate, say: Say) -> Splits:
    """The faces of the study, refused where they cannot be split as it asks."""
    splits = prepared.task.read_faces(prepared.request.data, say)
    if prepared.design.resplit:
        resplit(splits, prepared.design.blocks[0])
    return splits


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


def _reusable(prepared: Ablate, plan: Plan) -> dict[str, int]:
    """How many of the runs each study of --reuse has, before anything is written; what tuning chooses is not known yet.

    Raises:
        UsageError: one has none of them, and why.
    """
    request, task, design = prepared.request, prepared.task, prepared.design
    if design.tuning is not None:
        return {}
    wanted, found = planned_runs(task, design, (), design.blocks), dict[str, int]()
    for place in request.reuse:
        usable, why = usable_runs(plan, wanted, find_study(place, request.out))
        if why:
            raise UsageError(f"--reuse {place}: {why}")
        found[place] = len(usable)
        had = {(row.role, row.cell, row.seed) for row in usable}
        wanted = [run for run in wanted if (run[0], cell_id(run[1]), run[2]) not in had]
    return found


def dry_run(prepared: Ablate, say: Say) -> dict[str, Any]:
    """What `ablate` would do, in numbers; the faces are read, an epoch of some cells is timed, nothing is written."""
    splits = _read_faces(prepared, say)
    other = _other_faces(prepared, splits, say)
    prepared = prepared.on(splits)
    request, task, design = prepared.request, prepared.task, prepared.design
    plan = prepared.plan(splits, other)
    said = forecast(task, splits, plan, prepared.folder(plan), request.workers, request.limits)
    tuning, reused = tuning_count(design), _reusable(prepared, plan)
    left = max(0, design.runs - sum(reused.values())) + tuning
    said |= {
        "cells": list(design.cells),
        "runs": {
            "total": design.runs,
            "cells": len(design.cells),
            "seeds": len(design.blocks),
            "control": len(design.control),
            "matched": design.controls * len(design.blocks) if design.matched else 0,
            "tuning": tuning,
        },
        "reuse": reused,
        "crossed": design.crossed,
        "family": family_as_json(design),
        "fixed": _fixed(task.space, design),
        "detectable": _detectable(design, task.epochs),
        "verdicts": _withheld(prepared, plan),
        "minutes": minutes(task, splits, prepared.cells, left, request.workers) if left else 0.0,
    }
    warnings = slips(task, splits, said)
    if request.confirm or design.judged_on == "test":
        before = read_before(prepared.folder(plan), plan, request.out)
        warnings += [not_fresh(before)] if before else []
    return said | {"warnings": warnings}


def _fixed(space: SearchSpace, design: Design) -> dict[str, Scalar]:
    """What all cells have alike, of the parameters that have a part in at least one of them."""
    base = base_cell(space)
    used = {name for levels in design.cells for name in with_part({**base, **levels}, space.parameters)}
    return {name: value for name, value in base.items() if name in used and name not in design.factors}


def _withheld(prepared: Ablate, plan: Plan) -> list[str]:
    """Why verdicts would be withheld, as far as it is known before a run."""
    request, design = prepared.request, prepared.design
    found = _too_few(design)
    if design.tuning is None and not (prepared.folder(plan) / PLAN).is_file():  # else its own record stands
        wanted = planned_runs(prepared.task, design, (), design.blocks)
        found += [_post_hoc(folder, runs) for folder, runs in seen_elsewhere(plan, wanted, request.out).items()]
    return found


def _detectable(design: Design, epochs: int) -> dict[str, Any]:
    """The changes of MSE in % that the design finds, at little and at much noise: its own is not known yet."""
    contrasts = design.family_size if design.correction == "holm" else 1
    d = detectable_d(len(design.blocks), alpha=design.alpha, power=design.power, contrasts=contrasts)
    studies = "long" if epochs >= MANY_EPOCHS else "short"
    little, much, most = (100 * math.expm1(min(d * sd, LARGEST_LOG)) for sd in TYPICAL_NOISE[studies])
    return {
        "least_percent": little,
        "most_percent": much,
        "worst_percent": most,
        "power": design.power,
        "noise_sd": list(TYPICAL_NOISE[studies]),
        "noise_of": f"{'at least' if studies == 'long' else 'fewer than'} {MANY_EPOCHS} epochs",
    }
