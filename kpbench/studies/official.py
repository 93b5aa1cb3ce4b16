"""Official scores: of a run's model file, and of the floor."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import Params, RunResult
from kpbench.engine.events import Notify, Stage
from kpbench.engine.jobs import model_name
from kpbench.engine.planned import unscored
from kpbench.faces.faces import Faces, Splits
from kpbench.space.design import Split
from kpbench.statistics.keypoint_errors import keypoint_metrics
from kpbench.store.files import FLOOR, MODELS, read_json
from kpbench.store.study import Study
from kpbench.studies.floor import floors
from kpbench.studies.measures import Measure
from kpbench.studies.preflight import Task
from kpbench.task.benchmark import Coordinates
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import evaluate_model, official_mse
from kpbench.training.device import threads
from kpbench.training.model_files import load_model
from kpbench.training.predict import Labelled, predict


def score_row(
    pool: Executor,
    study: Study,
    task: Task,
    splits: Splits,
    row: RunResult,
    command: str,
    *,
    judged: Split = "test",
    measures: Sequence[Measure] = (),
) -> Future[RunResult]:
    """The row of a run whose model was kept, with its official score on val and, where it is judged there, on the test.

    Beside them stand the errors of single faces and keypoints of the split it is judged on and their metrics, from one
    pass in batches, and what `measures` find. The reading of the test is written down before it happens. A run that did
    not complete has nothing to score.
    """
    if row.state != "complete":
        return unscored(row)
    file = model_file(row)
    test = splits.test.open(study.test_reading(command, file.as_posix())) if judged == "test" else None
    coordinates, tries = task.benchmark.coordinates, tuple(measures)
    return pool.submit(_scored, replace(row, model=file.as_posix()), study.folder, splits.val, test, coordinates, tries)


def _scored(
    row: RunResult, folder: Path, val: Faces, test: Faces | None, coordinates: Coordinates, measures: Sequence[Measure]
) -> RunResult:
    network, _ = load_model(folder / str(row.model))
    faces = val if test is None else test
    with threads():  # the other cores train meanwhile
        found: dict[str, Any] = {"val_mse": official_mse(network, Labelled(val, coordinates))}
        if test is not None:
            found["test_mse"] = official_mse(network, Labelled(test, coordinates))
        predicted = predict(network, faces, coordinates).astype(np.float64)
        extra = {name: mse for measure in measures for name, mse in measure(network, faces).items()}
    squares = np.square((predicted - faces.keypoints) / coordinates.scale)
    scores: dict[str, Any] = {name.replace("mse", "score"): score_from_mse(mse) for name, mse in found.items()}
    return replace(
        row,
        **found,
        **scores,
        face_mse=[_short(value) for value in squares.mean(axis=(1, 2))],
        keypoint_px=[_short(value) for value in np.sqrt(squares.mean(axis=(0, 2))) * coordinates.scale],
        metrics=_metrics(predicted, faces),
        measures={name: _short(mse) for name, mse in extra.items()} or None,
    )


def confirm_row(
    pool: Executor, study: Study, task: Task, splits: Splits, row: RunResult, command: str
) -> Future[RunResult]:
    """The row of a run judged on val with its model's official score on the sealed test, which is opened for it."""
    file = model_file(row)
    test = splits.test.open(study.test_reading(command, file.as_posix()))
    return pool.submit(_confirmed, row, study.folder / file, test, task.benchmark.coordinates)


def _confirmed(row: RunResult, file: Path, test: Faces, coordinates: Coordinates) -> RunResult:
    network, _ = load_model(file)
    with threads():
        mse = official_mse(network, Labelled(test, coordinates))
    return replace(row, test_mse=mse, test_score=score_from_mse(mse))


def model_file(row: RunResult) -> Path:
    """Where a run's model is kept, within the study."""
    return Path(MODELS) / f"{model_name(row.params, row.seed)}.safetensors"


def remove_model(study: Study, params: Params, seed: int) -> None:
    """Removes the kept model of a run, if there is one."""
    file = study.folder / MODELS / model_name(params, seed)
    for suffix in (".safetensors", ".json"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def score_floor(
    study: Study, task: Task, splits: Splits, command: str, notify: Notify, *, test: bool = True
) -> Mapping[str, Mapping[str, float]]:
    """The floor's official scores, name -> split -> score, computed once a study; on the test where it is asked."""
    known = read_json(study.folder / FLOOR)
    if known is not None and (not test or all("test" in scores for scores in known.values())):
        return known
    notify(Stage("scoring the floor: mean face, ridge on pixels"))
    coordinates = task.benchmark.coordinates
    scores: dict[str, dict[str, float]] = {}
    for name, model in floors(splits.train, splits.val, coordinates):
        scores[name] = {"val": evaluate_model(model, Labelled(splits.val, coordinates))}
        if test:
            faces = splits.test.open(study.test_reading(command, f"floor: {name}"))
            scores[name]["test"] = evaluate_model(model, Labelled(faces, coordinates))
    study.write(FLOOR, json.dumps(scores, indent=2) + "\n")
    return scores


def _metrics(predicted: NDArray[np.float64], faces: Faces) -> dict[str, float] | None:
    """What a row keeps of the errors; None where a prediction is not finite."""
    if not np.isfinite(predicted).all():
        return None
    return {name: _short(value) for name, value in keypoint_metrics(predicted, faces.keypoints).scalars().items()}


def _short(value: float) -> float:
    """Six significant digits: a row holds some hundred of these."""
    return float(f"{value:.6g}")
