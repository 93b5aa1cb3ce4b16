"""`kpbench search`: a sampler chooses cells; the best are trained again and scored on the sealed test."""

import json
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kpbench.analysis.ranking import ranked, trial_counts
from kpbench.analysis.search import against_floor, best_of, finalists, pareto
from kpbench.cell import RunResult, Scalar, cell_id, network_id
from kpbench.engine.ahead import Ahead
from kpbench.engine.beside import beside, spare
from kpbench.engine.cluster import Cluster
from kpbench.engine.events import Notice, Notify, Stage
from kpbench.engine.jobs import Job, grouped
from kpbench.engine.planned import Planned
from kpbench.engine.running import run_queue
from kpbench.engine.trials import Trials
from kpbench.faces.faces import Splits
from kpbench.sampling.journal import Journal, check_journal
from kpbench.sampling.points import told_elsewhere
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.seeds import block_seed
from kpbench.space.space import varied
from kpbench.store.files import JOURNAL, LATENCY, MODELS, RESULT, ROWS, read_lines
from kpbench.store.study import Study, open_study
from kpbench.store.values import Latency
from kpbench.studies.costs import Costing
from kpbench.studies.followed import followed
from kpbench.studies.forecast import forecast, minutes, sampled, slips
from kpbench.studies.inference import measure_finalists
from kpbench.studies.official import remove_model, score_floor, score_row
from kpbench.studies.preflight import Say
from kpbench.studies.search_request import Search
from kpbench.studies.shown_faces import keep_faces
from kpbench.studies.warm_start import kept_cells, known_cells


def search(prepared: Search, notify: Notify, say: Say, cluster: Cluster | None = None) -> Path:
    """Carries out a prepared request, from the faces to `result.json`; returns the study's folder.

    Networks are trained by the cluster's workers, or one after the other in this process.

    Raises:
        UsageError: the faces cannot be read, or the study cannot be opened.
        KeyboardInterrupt: as it comes; the study can be continued.
    """
    splits = prepared.task.read_faces(prepared.request.data, say)
    prepared = prepared.on(splits)
    request, task = prepared.request, prepared.task
    plan = prepared.plan(splits)
    known = () if prepared.warm is None else known_cells(prepared.warm, task, plan)
    costing = prepared.costing(prepared.folder(plan))
    costing.check(prepared.objectives)
    with (
        open_study(prepared.folder(plan), plan) as study,
        study.checkpoints() as checkpoints,
        followed(study, notify, request.track) as notify,
        beside(spare(cluster.resources if cluster else None, task.device.kind == "cuda"), task.own) as pool,
    ):
        study.begin(task.session(request.command, request.workers, prepared.totals(costing.size())))
        for line in splits.warnings:
            notify(Notice(line))
        _keep_latency(study, costing, notify)
        staged = task.stage(splits, checkpoints=checkpoints)
        trials = Trials(
            study=study,
            journal=Journal(study.folder / JOURNAL, prepared.objectives),
            space=task.space,
            sampler=SAMPLERS[request.sampler],
            scheduler=SCHEDULERS[request.scheduler],
            facts=replace(task.facts(splits), costs=costing.beside_parameters),
            notify=notify,
            complete=task.complete,
            legal=costing.legal,
            n_trials=prepared.n_trials,
            epochs=task.epochs,
            seeds=request.seeds,
            seed=request.seed,
            warm=told_elsewhere(task.space, [(cell.params, cell.score) for cell in kept_cells(study, known)])
            if known
            else (),
            costs=costing.of,
            legal_cells=costing.size(),
        )
        trials.recover()
        shown = tuple(task.space.factors), task.space.parameters
        ended: str | None = None
        plan_finals = partial(_finals, study, prepared, splits, notify, pool)

        def begin(finals: Planned) -> None:
            if finals.jobs:
                notify(Stage("final runs, fresh seeds", len(finals.jobs), 0, None, *shown))

        finals: Planned | None = None
        if trials.left():
            scores = [score for _, score in ranked(study.rows())]
            done, best_yet = len(trials.journal.history()), max(scores, default=None)
            notify(Stage("search", trials.total(), done, best_yet, *shown))
            ahead = Ahead(trials, plan_finals, begin, partial(_drop, study))
            try:
                ended = run_queue(ahead, staged, cluster, request.limits, study.folder)
            except KeyboardInterrupt:
                ahead.abandon()
                raise
            finals = ahead.finals
        if finals is None and not ended:
            begin(finals := plan_finals())
        if finals is not None and finals.jobs and not ended:
            ended = run_queue(finals, staged, cluster, request.limits, study.folder)
        if cluster is not None:
            cluster.leave()
        rows = study.rows()
        best = best_of(rows)
        judged = "val" if best is None or best["test_score"] is None else "test"
        floor = score_floor(study, task, splits, request.command, notify, test=judged == "test")
        if best and best["model"]:
            keep_faces(study, splits.val, task.benchmark.coordinates, rows, best["model"])

        def named(found: dict[str, Any]) -> dict[str, Any]:
            return {**found, "varies": varied(found["cell"], *shown)}

        result = {
            "study": study.name,
            "epochs": task.epochs,
            "images": task.epochs * len(splits.train),
            "best": best and named(best),
            "floor": {name: scores[judged] for name, scores in floor.items()},
            "floor_split": judged,
            "trials": trial_counts(rows),
            "finals_failed": 0 if ended else len(_unfinished(prepared, rows)),
            "stopped": ended and f"{ended}: {trials.total() - trials.left()} of {trials.total()} trials are done",
        }
        speeds = measure_finalists(study, rows, task.device, notify)
        if best:
            mine = [one for one in speeds if one.network == network_id(best["cell"])]
            result["inference"] = [one.model_dump(exclude={"network", "what", "when"}) for one in mine]
        result |= against_floor(best, floor, task.benchmark.scorer.pass_mark)
        if plan.objectives:
            result |= {"objectives": plan.objectives, "pareto": [named(one) for one in pareto(rows, plan.objectives)]}
        study.write(RESULT, json.dumps(result, indent=2) + "\n")
    return study.folder


def dry_run(prepared: Search, say: Say) -> dict[str, Any]:
    """What `search` would do, in numbers; the faces are read, an epoch of some cells is timed, nothing is written."""
    splits = prepared.task.read_faces(prepared.request.data, say)
    prepared = prepared.on(splits)
    request, task = prepared.request, prepared.task
    plan = prepared.plan(splits)
    said = forecast(task, splits, plan, prepared.folder(plan), request.workers, request.limits)
    check_journal(prepared.folder(plan) / JOURNAL, prepared.objectives)
    known = () if prepared.warm is None else known_cells(prepared.warm, task, plan)
    costing = prepared.costing(prepared.folder(plan))
    costing.check(prepared.objectives)
    size = costing.size()
    trials = prepared.n_trials if size is None else min(size, prepared.n_trials)
    finals = min(request.final_cells, trials) * request.final_seeds
    kept = costing.legal_cells()
    said |= {
        "objectives": list(prepared.objectives),
        "constraints": costing.constraints,
        "left_out": _left_out(costing) if costing.constraints else None,
        "cells": size,
        "trials": trials,
        "every_cell": size is not None and size <= prepared.n_trials,
        "sampler": request.sampler,
        "scheduler": request.scheduler,
        "warm_start": None if prepared.warm is None else {"study": str(prepared.warm), "cells": len(known)},
        "runs": {"trials": trials * request.seeds, "finals": finals},
        "minutes": minutes(task, splits, sampled(kept, task), trials * request.seeds + finals, request.workers),
    }
    return said | {"warnings": slips(task, splits, said)}


def _left_out(costing: Costing) -> list[dict[str, Scalar]] | None:
    """What varies of the cells that the constraints leave out; None where each is looked at as it is proposed."""
    space, cells = costing.task.space, costing.legal_cells()
    if cells is None:
        return None
    kept = set(map(cell_id, cells))
    return [{n: cell[n] for n in space.factors if n in cell} for cell in space.cells() if cell_id(cell) not in kept]


def _keep_latency(study: Study, costing: Costing, notify: Notify) -> None:
    """Lets the study remember what is measured, so that it is measured once; says where some was on another device."""
    known = {one.network for one in read_lines(study.folder / LATENCY, Latency)}
    for found in costing.measured.values():
        if found.network not in known:
            study.append(LATENCY, found)
    costing.keep = partial(study.append, LATENCY)
    others = {found.device for found in costing.measured.values()} - {costing.device}
    if others:
        notify(Notice(f"latency: some networks were measured on {', '.join(others)}, new ones on {costing.device}"))


def _unfinished(prepared: Search, rows: Sequence[RunResult]) -> list[tuple[str, int]]:
    """The final runs, cell and seed, that the request asks for and that are not complete."""
    request = prepared.request
    done = {(row.cell, row.seed) for row in rows if row.role == "final" and row.state == "complete"}
    fresh = [block_seed(request.seed, request.seeds + block) for block in range(request.final_seeds)]
    chosen = finalists(rows, prepared.objectives)[: request.final_cells]
    return [(cell, seed) for cell in chosen for seed in fresh if (cell, seed) not in done]


def _finals(study: Study, prepared: Search, splits: Splits, notify: Notify, pool: Executor) -> Planned:
    """The best cells with fresh seeds, those done already left out; each is scored officially as it ends."""
    request, task, rows = prepared.request, prepared.task, study.rows()
    params = {row.cell: row.params for row in rows}
    models = str((study.folder / MODELS).absolute())
    jobs = [
        Job(number=number, role="final", params=params[cell], seeds=seeds, budget=task.epochs, models=models)
        for number, (cell, seeds) in enumerate(grouped(_unfinished(prepared, rows), task.device.cohort))
    ]

    def score(row: RunResult) -> Future[RunResult]:
        return score_row(pool, study, task, splits, row, request.command)

    return Planned(jobs, task.facts(splits), notify, partial(study.append, ROWS), score)


def _drop(study: Study, job: Job) -> None:
    """Removes what a final run left that is not wanted any more."""
    for seed in job.seeds:
        remove_model(study, job.params, seed)
