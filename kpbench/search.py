"""`kpbench search`: a sampler chooses cells; the best are trained again and scored on the sealed test."""

import io
import json
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kpbench import __version__
from kpbench.benchmark import Benchmark, read_benchmark
from kpbench.catalog import find
from kpbench.cell import Params, RunResult, Scalar
from kpbench.engine import inline, ray_tune
from kpbench.errors import UsageError, lookup
from kpbench.evaluate import THREADS, Labelled, Staged, known_parameters, predict
from kpbench.events import Notify, Stage
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, Splits
from kpbench.floor import floors
from kpbench.jobs import Job, Queue, model_name
from kpbench.journal import Journal
from kpbench.networks.families import check_rules, describe
from kpbench.queues import Facts, Planned, Trials
from kpbench.samplers import SAMPLERS
from kpbench.schedulers import SCHEDULERS
from kpbench.score import mean_score, score_from_mse
from kpbench.scoring import VERSION, evaluate_model, official_mse
from kpbench.seeds import block_seed
from kpbench.space import SearchSpace, complete, read_space
from kpbench.statistics.intervals import score_interval
from kpbench.study import (
    EXAMPLES,
    FLOOR,
    JOURNAL,
    MODELS,
    RESULT,
    ROWS,
    SESSIONS,
    Plan,
    Session,
    Study,
    now,
    open_study,
    read_json,
)
from kpbench.submission import load_model
from kpbench.training.device import Device, find_device

Say = Callable[[str, float], None]
"""(what is being done, share done): progress of reading or drawing faces."""


@dataclass(frozen=True)
class SearchRequest:
    """What a person asked of `kpbench search`; totals, so that the same request continues a study."""

    space: str = "cnn_small"
    data: str = "synthetic"
    n_trials: int = 12
    epochs: int | None = None
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
class Prepared:
    """A request that can be carried out: everything read and checked, nothing written yet."""

    request: SearchRequest
    benchmark: Benchmark
    space: SearchSpace
    device: Device
    epochs: int
    legal: Callable[[Params], bool]
    size: Callable[[Params], tuple[int, float]]
    complete: Callable[[Params], dict[str, Scalar]]


def prepare_search(request: SearchRequest) -> Prepared:
    """Reads and checks everything that can be wrong before a face is read.

    Raises:
        UsageError: an unknown name, a number out of range, a space that breaks the rules.
    """
    for option, value, least in (
        ("--n-trials", request.n_trials, 1),
        ("--epochs", 1 if request.epochs is None else request.epochs, 1),
        ("--seeds", request.seeds, 1),
        ("--workers", request.workers, 0),
        ("--seed", request.seed, 0),
        ("--final-cells", request.final_cells, 0),
        ("--final-seeds", request.final_seeds, 1),
    ):
        if value < least:
            raise UsageError(f"{option} must be at least {least}, got {value}")
    sampler = lookup(SAMPLERS, request.sampler, "sampler")
    lookup(SCHEDULERS, request.scheduler, "scheduler")
    benchmark = read_benchmark(find("benchmarks", "facial_keypoints"))
    defaults = known_parameters()
    space = read_space(find("search_spaces", request.space), defaults)
    if sampler.make is None and space.size is None:
        raise UsageError(
            f"sampler '{request.sampler}' needs a finite space and '{space.name}' has a continuous range; use tpe"
        )
    sizes: dict[str, tuple[int, float]] = {}

    def size(params: Params) -> tuple[int, float]:
        key = describe(params)
        if key not in sizes:
            sizes[key] = check_rules(params, benchmark.rules)
        return sizes[key]

    def legal(cell: Params) -> bool:
        try:
            size(complete(cell, defaults))
        except UsageError:
            return False
        return True

    for cell in space.cells() if space.size is not None else space.probes():
        size(complete(cell, defaults))
    device = find_device(request.device)
    epochs = request.epochs or benchmark.budget.epochs
    return Prepared(request, benchmark, space, device, epochs, legal, size, lambda cell: complete(cell, defaults))


def search(prepared: Prepared, notify: Notify, say: Say) -> Path:
    """Carries out a prepared request, from the faces to `result.json`; returns the study's folder.

    Raises:
        UsageError: the faces cannot be read, or the study cannot be opened.
        KeyboardInterrupt: as it comes; the study can be continued.
    """
    request, benchmark = prepared.request, prepared.benchmark
    shares = benchmark.splits
    splits = load(
        request.data, val_share=shares.val_share, test_share=shares.test_share, seed=shares.seed, progress=say
    )
    asked = plan_of(prepared, splits)
    folder = folder_of(request, prepared, asked, splits)
    with open_study(folder, asked) as study:
        study.append(SESSIONS, session(request.command, prepared.device, request.workers))
        staged = stage(splits, prepared)
        facts = Facts(prepared.device.title, asked.data, prepared.size)
        trials = _trials(study, prepared, facts, notify)
        trials.recover()
        notify(Stage("searching", request.n_trials, len(trials.journal.history())))
        _run(trials, staged, request.workers)
        ranking = ranked(study.rows())
        finalists = [cell for cell, _ in ranking[: request.final_cells]]
        finals = _finals(study, prepared, facts, notify, finalists, splits)
        notify(Stage("training the best again with fresh seeds", len(finals.jobs)))
        _run(finals, staged, request.workers)
        floor = _floor(study, splits, benchmark, request.command, notify)
        result = summarise(study, trials.counts(), floor, ranking, finalists)
        if result["best"] and result["best"]["model"]:
            _examples(study, splits.val, benchmark, folder / result["best"]["model"])
        study.write(RESULT, json.dumps(result, indent=2) + "\n")
    return folder


def folder_of(request: SearchRequest, prepared: Prepared, plan: Plan, splits: Splits) -> Path:
    """The study's folder: as named, or named after space, data and plan, so that the same request finds it again.

    Raises:
        UsageError: the name is no plain folder name.
    """
    name = request.name or f"{prepared.space.name}-{splits.name}-{plan.digest[:6]}"
    if Path(name).name != name:
        raise UsageError(f"--name must be a plain folder name, got '{name}'; --out says where")
    return request.out / name


def plan_of(prepared: Prepared, splits: Splits) -> Plan:
    """The identity of the study that a request asks for."""
    request, benchmark, space = prepared.request, prepared.benchmark, prepared.space
    return Plan(
        kind="search",
        space_name=space.name,
        space=space.digest,
        benchmark_name=benchmark.name,
        benchmark=benchmark.digest,
        scorer=VERSION,
        data_name=splits.name,
        data=splits.digest(),
        epochs=prepared.epochs,
        seeds=request.seeds,
        sampler=request.sampler,
        scheduler=request.scheduler,
        seed=request.seed,
        device=prepared.device.kind,
        precision=prepared.device.precision,
        data_sizes={"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)},
        data_notes=splits.notes,
        space_text=space.text,
        benchmark_text=benchmark.text,
    )


def session(command: str, device: Device, workers: int) -> Session:
    """What started now, where, and with which versions."""
    packages = ("torch", "timm", "optuna", "ray", "numpy", "pandas", "plotly")
    versions = {"kpbench": __version__, "python": platform.python_version()}
    return Session(
        when=now(),
        command=command or shlex.join(sys.argv),
        device=f"{device.title}, {THREADS} thread a run",
        workers=workers,
        versions=versions | {package: version(package) for package in packages},
    )


def stage(splits: Splits, prepared: Prepared) -> Staged:
    """What the workers get: train and val, never the test."""
    train, val = splits.train, splits.val
    arrays = (train.images, train.keypoints, val.images, val.keypoints)
    benchmark = prepared.benchmark
    return Staged(*arrays, benchmark.coordinates, benchmark.digest, splits.digest(), prepared.device)


def _run(queue: Queue, staged: Staged, workers: int) -> None:
    if workers == 0:
        inline.run(queue, staged)
    else:
        ray_tune.run(queue, staged, workers=workers)


def _trials(study: Study, prepared: Prepared, facts: Facts, notify: Notify) -> Trials:
    request = prepared.request
    return Trials(
        study=study,
        journal=Journal(study.folder / JOURNAL),
        space=prepared.space,
        sampler=SAMPLERS[request.sampler],
        scheduler=SCHEDULERS[request.scheduler],
        facts=facts,
        notify=notify,
        complete=prepared.complete,
        legal=prepared.legal,
        n_trials=request.n_trials,
        epochs=prepared.epochs,
        seeds=request.seeds,
        seed=request.seed,
    )


def ranked(rows: Sequence[RunResult]) -> list[tuple[str, float]]:
    """Cells whose trial is complete with every seed, with their validation score, best first."""
    by_cell: dict[str, list[RunResult]] = {}
    for row in rows:
        if row.role == "trial":
            by_cell.setdefault(row.cell, []).append(row)
    scores = {
        cell: mean_score([row.val_mse for row in found if row.val_mse is not None])
        for cell, found in by_cell.items()
        if all(row.state == "complete" for row in found)
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _finals(
    study: Study, prepared: Prepared, facts: Facts, notify: Notify, finalists: Sequence[str], splits: Splits
) -> Planned:
    """The top cells with fresh seeds, those done already left out; each is scored officially as it ends."""
    request, rows = prepared.request, study.rows()
    done = {(row.cell, row.seed) for row in rows if row.role == "final" and row.state == "complete"}
    params = {row.cell: row.params for row in rows}
    fresh = [block_seed(request.seed, request.seeds + block) for block in range(request.final_seeds)]
    wanted = [(cell, seed) for cell in finalists for seed in fresh if (cell, seed) not in done]
    jobs = [
        Job(
            number=number,
            role="final",
            params=params[cell],
            seeds=(seed,),
            epochs=prepared.epochs,
            models=str((study.folder / MODELS).absolute()),
        )
        for number, (cell, seed) in enumerate(wanted)
    ]

    def settle(rows: Sequence[RunResult]) -> Sequence[RunResult]:
        scored = [_score_officially(study, prepared, splits, row) for row in rows]
        for row in scored:
            study.append(ROWS, row)
        return scored

    return Planned(jobs, facts, notify, settle)


def _score_officially(study: Study, prepared: Prepared, splits: Splits, row: RunResult) -> RunResult:
    if row.state != "complete":
        return row
    coordinates = prepared.benchmark.coordinates
    file = Path(MODELS) / f"{model_name(row.params, row.seed)}.safetensors"
    network, _ = load_model(study.folder / file)
    val_mse = official_mse(network, Labelled(splits.val, coordinates))
    test = splits.test.open(study.test_reading(prepared.request.command, file.as_posix()))
    test_mse = official_mse(network, Labelled(test, coordinates))
    return row.model_copy(
        update={
            "val_mse": val_mse,
            "val_score": score_from_mse(val_mse),
            "test_mse": test_mse,
            "test_score": score_from_mse(test_mse),
            "model": file.as_posix(),
        }
    )


def _floor(
    study: Study, splits: Splits, benchmark: Benchmark, command: str, notify: Notify
) -> Mapping[str, Mapping[str, float]]:
    """The floor's official scores, computed once a study."""
    known = read_json(study.folder / FLOOR)
    if known is not None:
        return known
    notify(Stage("scoring the floor: mean face, ridge on pixels"))
    coordinates = benchmark.coordinates
    scores: dict[str, dict[str, float]] = {}
    for name, model in floors(splits.train, splits.val, coordinates):
        test = splits.test.open(study.test_reading(command, f"floor: {name}"))
        scores[name] = {
            "val": evaluate_model(model, Labelled(splits.val, coordinates)),
            "test": evaluate_model(model, Labelled(test, coordinates)),
        }
    study.write(FLOOR, json.dumps(scores, indent=2) + "\n")
    return scores


def summarise(
    study: Study,
    trials: Mapping[str, int],
    floor: Mapping[str, Mapping[str, float]],
    ranking: Sequence[tuple[str, float]],
    finalists: Sequence[str],
) -> dict[str, Any]:
    """The study's outcome as `--json` prints it.

    The best cell is the one whose fresh seeds have the best mean validation score; its `model` is the seed with the
    best validation score, and `val_score` and `test_score` are that file's, so that `kpbench score` says the same.
    The mean over fresh seeds stands beside them: it is what to quote.
    """
    finals: dict[str, list[RunResult]] = {}
    for row in study.rows():
        if row.role == "final" and row.state == "complete" and row.cell in finalists:
            finals.setdefault(row.cell, []).append(row)
    best: dict[str, Any] | None = None
    if finals:
        rows = max(finals.values(), key=lambda rows: mean_score([row.val_mse or 0.0 for row in rows]))
        kept = max(rows, key=lambda row: row.val_score or 0.0)
        mses = [row.test_mse for row in rows if row.test_mse is not None]
        interval = score_interval(mses) if all(mses) else None
        best = {
            "cell": kept.params,
            "cell_id": kept.cell,
            "search_score": dict(ranking)[kept.cell],
            "val_score": kept.val_score,
            "test_score": kept.test_score,
            "model": kept.model,
            "seeds": len(rows),
            "val_mean": mean_score([row.val_mse or 0.0 for row in rows]),
            "test_mean": mean_score(mses),
            "test_interval": None if interval is None or interval.low is None else [interval.low, interval.high],
        }
    elif ranking:
        cell, score = ranking[0]
        best = {
            "cell": next(row.params for row in study.rows() if row.cell == cell),
            "cell_id": cell,
            "search_score": score,
            "val_score": score,
            "test_score": None,
            "model": None,
        }
    failed = sum(1 for row in study.rows() if row.role == "final" and row.state == "failed")
    return {
        "study": study.name,
        "best": best,
        "floor": {name: scores["test"] for name, scores in floor.items()},
        "report": None,
        "trials": dict(trials),
        "finals_failed": failed,
    }


def _examples(study: Study, val: Faces, benchmark: Benchmark, model: Path) -> None:
    """Keeps the validation faces that the best model does best, median and worst, with its predictions."""
    network, _ = load_model(model)
    predicted = predict(network, val, benchmark.coordinates)
    error = np.sqrt(np.square(predicted - val.keypoints).mean(axis=(1, 2)))
    order = np.argsort(error, kind="stable")
    n = min(4, max(1, len(order) // 3))
    middle = (len(order) - n) // 2
    index = np.concatenate([order[:n], order[middle : middle + n], order[-n:]])
    label = np.array(["best"] * n + ["median"] * n + ["worst"] * n)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=val.images[index],
        truth=val.keypoints[index],
        predicted=predicted[index],
        error=error[index],
        label=label,
    )
    study.write(EXAMPLES, buffer.getvalue())


def plan(prepared: Prepared, say: Say) -> dict[str, Any]:
    """What `search` would do, for `--dry-run`; the faces are read, nothing is written."""
    request, shares = prepared.request, prepared.benchmark.splits
    splits = load(
        request.data, val_share=shares.val_share, test_share=shares.test_share, seed=shares.seed, progress=say
    )
    asked = plan_of(prepared, splits)
    size = prepared.space.size
    trials = request.n_trials if size is None else min(size, request.n_trials)
    finals = request.final_cells * request.final_seeds
    whole = size is not None and size <= request.n_trials
    return {
        "study": str(folder_of(request, prepared, asked, splits)),
        "cells": "a continuum" if size is None else size,
        "trials": f"{trials}, " + ("every cell once" if whole else f"chosen by {request.sampler}"),
        "runs": f"{trials * request.seeds} of at most {prepared.epochs} epochs, then {finals} with fresh seeds",
        "faces": f"{splits.name} {splits.digest()}: " + ", ".join(f"{k} {n}" for k, n in asked.data_sizes.items()),
        "notes": "; ".join(splits.notes) or "none",
        "device": f"{prepared.device.title} ({prepared.device.kind}, {prepared.device.precision})",
        "plan": asked.digest,
    }
