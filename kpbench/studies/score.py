"""`kpbench score`: the official score of a model, or of predictions, on val or on the sealed test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from kpbench.engine.evaluate import Labelled, predict
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, Splits
from kpbench.models.predictions import SUFFIXES, Predictions, read_predictions
from kpbench.models.reading import PIXELS, Model
from kpbench.networks.own import told
from kpbench.statistics.conditions import error_by_condition
from kpbench.statistics.keypoint_errors import Metrics, keypoint_metrics
from kpbench.store.files import FLOOR, MODELS, PLAN, read_json
from kpbench.store.plan import read_plan
from kpbench.store.study import Study
from kpbench.studies.floor import floors
from kpbench.studies.measures import elsewhere, squared_errors, under_shifts
from kpbench.studies.models import open_model
from kpbench.studies.preflight import Say
from kpbench.studies.study_faces import faces_of_study
from kpbench.task.benchmark import (
    Benchmark,
    Coordinates,
    Rules,
    SplitShares,
    parse_benchmark,
    read_benchmark,
    with_rules,
)
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import official_mse
from kpbench.whole_file import write_whole

KIND = "kpbench score"
"""What a result file says it is; `kpbench leaderboard` looks for it."""

SHIFT = 4
"""Pixels by which the faces of a hand-in are moved, for the leaderboard's second column."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to score, on what, and what else to find out.

    Attributes:
        model: a file, a study, `FILE.py:NAME`, or predictions (`.npz`, `.csv`).
        data: the faces; those of the model's study where not given, the built-in ones where it lies in none.
        parameters: `name=value` of `FILE.py:NAME`.
        shifted: also the MSE on faces moved by `SHIFT` pixels.
        elsewhere: other faces to measure on.
        max_parameters, max_megabytes: rules in place of the course's, or of the model's study.
    """

    model: str
    data: str | None
    split: str
    command: str
    weights: Path | None = None
    parameters: Sequence[str] = ()
    trust_code: bool = False
    by_condition: bool = False
    metrics: bool = False
    shifted: bool = False
    elsewhere: str | None = None
    max_parameters: int | None = None
    max_megabytes: float | None = None
    name: str | None = None


def score(request: Request, say: Say) -> tuple[dict[str, Any], Metrics | None]:
    """The official score as `kpbench score --json` prints it, and the metrics where they are asked.

    Where the model lies in a study and the split is the sealed test, the reading is written down there first.

    Raises:
        UsageError: an unknown split; a model, predictions or data that cannot be used.
    """
    if request.split not in ("val", "test"):
        raise UsageError(f"unknown split '{request.split}'. Known: val, test")
    predictions = Path(request.model).suffix in SUFFIXES
    if predictions and (request.weights or request.parameters or request.elsewhere):
        raise UsageError("predictions are points alone: --weights, --param and --on are for models")
    model = None
    if not predictions:
        model = open_model(
            request.model, weights=request.weights, parameters=request.parameters, trust_code=request.trust_code
        )
    elif not Path(request.model).is_file():
        raise UsageError(f"no file {request.model}")
    benchmark = _benchmark_of(model, request)
    splits = _splits_of(model, request.data, benchmark.splits, say)
    notes, study = _provenance(model, splits, benchmark, request.split)
    # all that may be refused is, before the sealed test is opened for it
    other = _elsewhere(request, splits, benchmark.splits, say)
    if request.by_condition and not splits.val.conditions:
        raise UsageError("nothing is known of how these faces were taken; --by-condition needs the built-in ones")
    record = study.test_reading(request.command, f"{MODELS}/{model.file.name}") if study and model else lambda: None
    faces = splits.val if request.split == "val" else splits.test.open(record)
    if model is None:
        points = read_predictions(Path(request.model), faces)
        if np.abs(points).max() < PIXELS:
            notes.append("all points lie within 4 px of the corner: predictions are in pixels, not (k - 48) / 48")
        network: nn.Module = Predictions(points, benchmark.coordinates)
    else:
        network = model.network
    coordinates = benchmark.coordinates
    with told(request.model):
        mse = official_mse(network, Labelled(faces, coordinates))
    if not math.isfinite(mse):
        raise UsageError(f"{request.model}: its points on these faces are no finite numbers, MSE {mse}")
    if mse == 0.0:
        raise UsageError(f"{request.model}: every point is its label, exactly; are these the labels themselves?")
    floor = _floor(study, splits, faces, request.split, coordinates, say)
    result = {
        "kind": KIND,
        "model": request.name or (model.name if model else request.model),
        "faces": len(faces),
        "score": score_from_mse(mse),
        "mse": mse,
        "rmse_px": math.sqrt(mse) * coordinates.scale,
        "parameters": model.parameters if model else None,
        "megabytes": model.file.stat().st_size / 1e6 if model else None,
        "pass_mark": benchmark.scorer.pass_mark,
        "floor": floor,
        "data": splits.name,
        "data_digest": splits.digest(),
        "split": request.split,
        "benchmark": benchmark.digest,
        "rules": benchmark.rules.model_dump(),
        "scorer_version": benchmark.scorer.version,
    }
    result["why_not"] = why_not(result, benchmark.rules)
    result["pass"] = not result["why_not"]
    if measures := _measures(request, network, faces, other, coordinates) if model else {}:
        result["measures"] = measures
    if request.by_condition:
        result["conditions"] = _by_condition(network, faces, coordinates)
    found = None
    if request.metrics:
        found = keypoint_metrics(
            predict(network, faces, coordinates), faces.keypoints, faces.subjects, conditions=faces.conditions
        )
        result["metrics"] = found.as_json()
    best = max(floor, key=lambda name: floor[name])
    if floor["mean face"] < score_from_mse(mse) < floor[best]:
        notes.append(f"below {best}, {floor[best]:.1f}, which is no network")
    return {**result, "notes": [*(model.notes if model else ()), *notes]}, found


def why_not(result: dict[str, Any], rules: Rules) -> list[str]:
    """The reasons for which a result does not pass; none where it does."""
    score, floor = result["score"], result["floor"]
    reasons = []
    if score < result["pass_mark"]:
        reasons.append(f"{score:.2f} is below the pass mark {result['pass_mark']:g}")
    if score < floor["mean face"]:
        reasons.append(f"{score:.2f} is worse than the mean face, {floor['mean face']:.1f}")
    if (parameters := result["parameters"]) is None:
        reasons.append("the rules are not checked: nothing is known of the network behind predictions")
    elif parameters > rules.max_parameters:
        reasons.append(f"{parameters:,} parameters, the rules allow {rules.max_parameters:,}")
    if (size := result["megabytes"]) is not None and size > rules.max_model_megabytes:
        reasons.append(f"a file of {size:.1f} MB, the rules allow {rules.max_model_megabytes:g}")
    return reasons


def _benchmark_of(model: Model | None, request: Request) -> Benchmark:
    """The task with its rules: of the study that the model lies in, else the course's, unless others are asked for."""
    found = read_benchmark()
    folder = _folder_of(model)
    if model and model.card and model.card.benchmark != found.digest and (folder / PLAN).is_file():
        own = parse_benchmark(read_plan(folder).benchmark_text, str(folder))
        found = own if own.digest == model.card.benchmark else found
    return with_rules(found, max_parameters=request.max_parameters, max_megabytes=request.max_megabytes)


def _provenance(
    model: Model | None, splits: Splits, benchmark: Benchmark, split: str
) -> tuple[list[str], Study | None]:
    """What is to be noted of where a model is from, and the study that its reading of the test belongs to."""
    notes = []
    card = model.card if model else None
    if card and card.data != splits.digest():
        notes.append(f"the model was trained on other faces ({card.data}) than these ({splits.digest()})")
    if card and card.benchmark != benchmark.digest:
        notes.append(f"the model was trained under other rules, or another version of the benchmark ({card.benchmark})")
    if card and card.split is not None and split == "val":
        raise UsageError(
            "this model was trained on a split drawn anew (--resplit), which faces of val are part of; "
            "score it with --split test"
        )
    folder = _folder_of(model)
    in_study = card is not None and (folder / PLAN).is_file()
    if in_study and card and (card.data == splits.digest() or read_plan(folder).held_out == splits.held_out()):
        return notes, Study(folder)
    if split == "test":
        where = "these are not its study's faces" if in_study else "the model lies in no study"
        notes.append(f"{where}, so this reading of the sealed test is written down nowhere")
    return notes, None


def _folder_of(model: Model | None) -> Path:
    """The study's folder, if a model lies in one; through links, so that no other name hides it."""
    return model.file.resolve().parent.parent if model else Path()


def _elsewhere(request: Request, splits: Splits, shares: SplitShares, say: Say) -> Splits | None:
    """The other faces to measure on.

    Raises:
        UsageError: they cannot be read, or show what is in the sealed test.
    """
    if request.elsewhere is None:
        return None
    other = load(request.elsewhere, **shares.model_dump(), labels="complete", progress=say)
    if held := int(splits.test.holds(other.val).sum()):
        raise UsageError(f"--on {request.elsewhere}: {held} of its val faces are in the sealed test of {splits.name}")
    return other


def _floor(
    study: Study | None, splits: Splits, faces: Faces, split: str, coordinates: Coordinates, say: Say
) -> dict[str, float]:
    """The scores of mean face and ridge on these faces, of the study where it has them."""
    known = read_json(study.folder / FLOOR) if study else None
    scores = {name: found.get(split) for name, found in (known or {}).items() if isinstance(found, dict)}
    if "mean face" in scores and all(isinstance(score, float) for score in scores.values()):
        return {name: float(score) for name, score in scores.items() if score is not None}
    say("scoring the floor: mean face, ridge on pixels", 0.0)
    labelled = Labelled(faces, coordinates)
    found = {
        name: score_from_mse(official_mse(model, labelled))
        for name, model in floors(splits.train, splits.val, coordinates)
    }
    say("scoring the floor: mean face, ridge on pixels", 1.0)
    return found


def _measures(
    request: Request, network: nn.Module, faces: Faces, other: Splits | None, coordinates: Coordinates
) -> dict[str, float]:
    found: dict[str, float] = {}
    if request.shifted:
        found |= under_shifts((SHIFT,), coordinates)(network, faces)
    if other is not None:
        found |= elsewhere(other.name, other.val, coordinates)(network, faces)
    return found


def check_result_file(path: Path) -> None:
    """Refuses a file that cannot keep a result, before anything is scored.

    Raises:
        UsageError: the path is no `.json`, or cannot be written.
    """
    if path.suffix != ".json":
        raise UsageError(f"--to keeps the result as JSON, so it ends in .json, not {path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--to {path} cannot be written: {error.strerror}; choose another place") from error


def write_result(path: Path, text: str) -> None:
    """Keeps a result as a file for the leaderboard; another result is not replaced.

    Raises:
        UsageError: the path holds something else.
    """
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UsageError(f"{path} is there already; choose another --to, or remove it")
    write_whole(path, text)


def _by_condition(network: nn.Module, faces: Faces, coordinates: Coordinates) -> list[dict[str, Any]]:
    mse = squared_errors(network, faces, coordinates).mean(axis=(1, 2))
    return [
        {
            "condition": one.name,
            "unit": one.unit,
            "p_adjusted": one.p_adjusted,
            "rmse_px": {part.label: math.sqrt(part.mse) * coordinates.scale for part in one.slices},
            "faces": {part.label: part.faces for part in one.slices},
        }
        for one in error_by_condition(mse, faces.conditions, faces.subjects)
    ]


def _splits_of(model: Model | None, data: str | None, shares: SplitShares, say: Say) -> Splits:
    """The data as the model was trained on it, with complete or with partial labels; else with complete ones."""
    folder = _folder_of(model)
    if data is None and model and model.card and (folder / PLAN).is_file():
        return faces_of_study(folder, read_plan(folder), shares, None, say)

    def read(labels: str) -> Splits:
        return load(data or "synthetic", **shares.model_dump(), labels=labels, progress=say)

    complete = read("complete")
    if model is None or model.card is None or complete.digest() == model.card.data:
        return complete
    try:
        partial = read("partial")
    except UsageError:  # there are no partial labels
        return complete
    return partial if partial.digest() == model.card.data else complete
