"""Official scores: of a run's model file, and of the floor."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kpbench.cell import RunResult
from kpbench.engine.evaluate import Labelled, one_thread
from kpbench.engine.events import Notify, Stage
from kpbench.engine.jobs import model_name
from kpbench.faces.faces import Splits
from kpbench.store.files import FLOOR, MODELS, read_json
from kpbench.store.study import Study
from kpbench.studies.floor import floors
from kpbench.studies.measures import Measure, squared_errors
from kpbench.studies.preflight import Task
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import evaluate_model, official_mse
from kpbench.training.model_files import load_model


def score_row(
    study: Study, task: Task, splits: Splits, row: RunResult, command: str, *, measures: Sequence[Measure] = ()
) -> RunResult:
    """The row of a run whose model was kept, with its official scores on val and on the sealed test.

    Beside them stand the errors of single faces and keypoints, from one pass in batches, and what `measures` find.
    The reading of the test is written down before it happens. A run that did not complete has nothing to score.
    """
    if row.state != "complete":
        return row
    coordinates = task.benchmark.coordinates
    file = Path(MODELS) / f"{model_name(row.params, row.seed)}.safetensors"
    network, _ = load_model(study.folder / file)
    with one_thread():  # the other cores train meanwhile
        val_mse = official_mse(network, Labelled(splits.val, coordinates))
        test = splits.test.open(study.test_reading(command, file.as_posix()))
        test_mse = official_mse(network, Labelled(test, coordinates))
        squares = squared_errors(network, test, coordinates)
        extra = {name: mse for measure in measures for name, mse in measure(network, test).items()}
    return row.model_copy(
        update={
            "val_mse": val_mse,
            "val_score": score_from_mse(val_mse),
            "test_mse": test_mse,
            "test_score": score_from_mse(test_mse),
            "face_mse": [_short(value) for value in squares.mean(axis=(1, 2))],
            "keypoint_px": [_short(value) for value in np.sqrt(squares.mean(axis=(0, 2))) * coordinates.scale],
            "measures": {name: _short(mse) for name, mse in extra.items()} or None,
            "model": file.as_posix(),
        }
    )


def score_floor(
    study: Study, task: Task, splits: Splits, command: str, notify: Notify
) -> Mapping[str, Mapping[str, float]]:
    """The floor's official scores, name -> split -> score, computed once a study."""
    known = read_json(study.folder / FLOOR)
    if known is not None:
        return known
    notify(Stage("scoring the floor: mean face, ridge on pixels"))
    coordinates = task.benchmark.coordinates
    scores: dict[str, dict[str, float]] = {}
    for name, model in floors(splits.train, splits.val, coordinates):
        test = splits.test.open(study.test_reading(command, f"floor: {name}"))
        scores[name] = {
            "val": evaluate_model(model, Labelled(splits.val, coordinates)),
            "test": evaluate_model(model, Labelled(test, coordinates)),
        }
    study.write(FLOOR, json.dumps(scores, indent=2) + "\n")
    return scores


def _short(value: float) -> float:
    """Six significant digits: a row holds some hundred of these."""
    return float(f"{value:.6g}")
