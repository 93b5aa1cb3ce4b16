"""`kpbench score`: the official score of a model, or of predictions, on val or on the sealed test."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.models.predictions import Predictions, read_predictions
from kpbench.models.reading import PIXELS
from kpbench.networks.own import told
from kpbench.statistics.conditions import error_by_condition
from kpbench.statistics.keypoint_errors import Metrics, keypoint_metrics
from kpbench.store.files import FLOOR, read_json
from kpbench.studies.floor import floors
from kpbench.studies.measures import elsewhere, squared_errors, under_shifts
from kpbench.studies.preflight import Say
from kpbench.studies.score_request import Scoring
from kpbench.task.benchmark import Coordinates, Rules
from kpbench.task.score import score_from_mse, shortfalls
from kpbench.task.scorer import official_mse
from kpbench.training.predict import Labelled, predict
from kpbench.whole_file import write_whole

KIND = "kpbench score"
"""What a result file says it is; `kpbench leaderboard` looks for it."""

SHIFT = 4
"""Pixels by which the faces of a hand-in are moved, for the leaderboard's second column."""


def score(scoring: Scoring, say: Say) -> tuple[dict[str, Any], Metrics | None]:
    """The official score as `kpbench score --json` prints it, and the metrics where they are asked.

    Raises:
        UsageError: predictions that are not of these faces, or a network that fails or gives no finite numbers.
    """
    request, model, benchmark, splits = scoring.request, scoring.model, scoring.benchmark, scoring.splits
    coordinates, faces, notes = benchmark.coordinates, scoring.faces(), list(scoring.notes)
    if model is None:
        points = read_predictions(
            Path(request.model), faces, f"the {request.split} faces of {splits.name}; --data names others"
        )
        if np.abs(points).max() < PIXELS:
            notes.append("all points lie within 4 px of the corner: predictions are in pixels, not (k - 48) / 48")
        network: nn.Module = Predictions(points, coordinates)
    else:
        network = model.network
        notes = [*model.notes, *notes]
    with told(request.model):
        mse = official_mse(network, Labelled(faces, coordinates))
    if not math.isfinite(mse):
        raise UsageError(f"{request.model}: its points on these faces are no finite numbers, MSE {mse}")
    if mse == 0.0:
        raise UsageError(f"{request.model}: every point is its label, exactly; are these the labels themselves?")
    floor = _floor(scoring, faces, say)
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
    if model and (measures := _measures(scoring, network, faces)):
        result["measures"] = measures
    if request.by_condition:
        result["conditions"] = _by_condition(network, faces, coordinates)
    found = None
    if request.metrics or request.predictions is not None:
        predicted = predict(network, faces, coordinates)
    if request.metrics:
        found = keypoint_metrics(predicted, faces.keypoints, faces.subjects, conditions=faces.conditions)
        result["metrics"] = found.as_json()
    if request.predictions is not None:
        write_predictions(request.predictions, predicted, faces)
    best = max(floor, key=lambda name: floor[name])
    if floor["mean face"] < score_from_mse(mse) < floor[best]:
        notes.append(f"below {best}, {floor[best]:.1f}, which is no network")
    return {**result, "notes": notes}, found


def why_not(result: dict[str, Any], rules: Rules) -> list[str]:
    """The reasons for which a result does not pass; none where it does."""
    score, floor = result["score"], result["floor"]
    reasons = [f"{score:.2f} is {reason}" for reason in shortfalls(score, result["pass_mark"], floor)]
    if (parameters := result["parameters"]) is None:
        reasons.append("the rules are not checked: nothing is known of the network behind predictions")
    elif parameters > rules.max_parameters:
        reasons.append(f"{parameters:,} parameters, the rules allow {rules.max_parameters:,}")
    if (size := result["megabytes"]) is not None and size > rules.max_model_megabytes:
        reasons.append(f"a file of {size:.1f} MB, the rules allow {rules.max_model_megabytes:g}")
    return reasons


def _floor(scoring: Scoring, faces: Faces, say: Say) -> dict[str, float]:
    """The scores of mean face and ridge on these faces, of the study where it has them."""
    study, splits, coordinates = scoring.study, scoring.splits, scoring.benchmark.coordinates
    known = read_json(study.folder / FLOOR) if study else None
    scores = {name: one.get(scoring.request.split) for name, one in (known or {}).items() if isinstance(one, dict)}
    stored = {name: score for name, score in scores.items() if isinstance(score, float)}
    if "mean face" in stored and len(stored) == len(scores):
        return stored
    what, labelled = "scoring the floor: mean face, ridge on pixels", Labelled(faces, coordinates)
    say(what, 0.0)
    fitted = floors(splits.train, splits.val, coordinates)
    found = {name: score_from_mse(official_mse(model, labelled)) for name, model in fitted}
    say(what, 1.0)
    return found


def _measures(scoring: Scoring, network: nn.Module, faces: Faces) -> dict[str, float]:
    found: dict[str, float] = {}
    coordinates, other = scoring.benchmark.coordinates, scoring.other
    if scoring.request.shifted:
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


def check_predictions_file(path: Path) -> None:
    """Refuses a file that cannot get the predictions, before the faces are read.

    Raises:
        UsageError: the path is no `.npz`, is there already, or lies in no folder.
    """
    if path.suffix != ".npz":
        raise UsageError(f"--predictions writes arrays, so it ends in .npz, not {path.name}")
    if path.exists() or not path.parent.is_dir():
        why = "is there already" if path.exists() else "lies in no folder"
        raise UsageError(f"--predictions {path} {why}; choose another place")


def write_predictions(path: Path, predicted: NDArray[np.float32], faces: Faces) -> None:
    """Keeps `keypoints`, predicted, and `labels`, both (N, 15, 2) in pixels, in the order of the split.

    `kpbench score` reads the file as it does anybody's predictions.
    """
    files: dict[str, Any] = {} if faces.origins is None else {"files": faces.origins[:, 0]}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, keypoints=predicted, labels=faces.keypoints, **files)
    write_whole(path, buffer.getvalue())


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
