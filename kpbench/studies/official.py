"""Official scores: of a run's model file, of the floor, and `kpbench score`."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from kpbench.cell import RunResult
from kpbench.engine.evaluate import Labelled, one_thread
from kpbench.engine.events import Notify, Stage
from kpbench.engine.jobs import model_name
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, Splits
from kpbench.networks.families import count_parameters
from kpbench.space.catalog import find
from kpbench.statistics.conditions import error_by_condition
from kpbench.store.files import FLOOR, MODELS, PLAN, read_json
from kpbench.store.study import Study
from kpbench.studies.floor import floors
from kpbench.studies.measures import Measure, squared_errors
from kpbench.studies.preflight import Say, Task
from kpbench.task.benchmark import Coordinates, SplitShares, read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import evaluate_model, official_mse
from kpbench.training.model_files import ModelCard, load_model


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


def score_model(
    model: Path, data: str, split: str, *, command: str, say: Say, by_condition: bool = False
) -> dict[str, Any]:
    """The official score of a model file, as `kpbench score --json` prints it.

    With `by_condition` also the error by what is known of each face (`statistics.conditions`).

    Where the model lies in a study and the split is the sealed test, the reading is written down there first.

    Raises:
        UsageError: an unknown split, a model or data that cannot be read.
    """
    if split not in ("val", "test"):
        raise UsageError(f"unknown split '{split}'. Known: val, test")
    network, card = load_model(model)
    benchmark = read_benchmark(find("benchmarks", "facial_keypoints"))
    splits = _splits_of(card, data, benchmark.splits, say)
    notes = []
    if card.data != splits.digest():
        notes.append(f"the model was trained on other faces ({card.data}) than these ({splits.digest()})")
    if card.benchmark != benchmark.digest:
        notes.append(f"the model was trained for another version of the benchmark ({card.benchmark})")
    folder = model.absolute().parent.parent
    in_study = (folder / PLAN).is_file()
    known = in_study and card.data == splits.digest()
    if split == "test" and not known:
        where = "these are not its study's faces" if in_study else "the model lies in no study"
        notes.append(f"{where}, so this reading of the sealed test is written down nowhere")
    record = Study(folder).test_reading(command, f"{MODELS}/{model.stem}.safetensors") if known else _nothing
    faces = splits.val if split == "val" else splits.test.open(record)
    mse = official_mse(network, Labelled(faces, benchmark.coordinates))
    parameters = count_parameters(network)
    megabytes = model.with_suffix(".safetensors").stat().st_size / 1e6
    rules = benchmark.rules
    score = score_from_mse(mse)
    if not math.isfinite(score):
        raise UsageError(f"{model} has no finite score on these faces: {score}")
    return {
        "model": str(model),
        "data": splits.name,
        "data_digest": splits.digest(),
        "split": split,
        "faces": len(faces),
        "score": score,
        "mse": mse,
        "rmse_px": math.sqrt(mse) * benchmark.coordinates.scale,
        "parameters": parameters,
        "megabytes": megabytes,
        "pass_mark": benchmark.scorer.pass_mark,
        "pass": score >= benchmark.scorer.pass_mark
        and parameters <= rules.max_parameters
        and megabytes <= rules.max_model_megabytes,
        "notes": notes,
        **({"conditions": _by_condition(network, faces, benchmark.coordinates)} if by_condition else {}),
    }


def _by_condition(network: nn.Module, faces: Faces, coordinates: Coordinates) -> list[dict[str, Any]]:
    if not faces.conditions:
        raise UsageError("nothing is known of how these faces were taken; --by-condition needs the built-in ones")
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


def _splits_of(card: ModelCard, data: str, shares: SplitShares, say: Say) -> Splits:
    """The data as the model was trained on it, with complete or with partial labels; else with complete ones."""

    def read(labels: str) -> Splits:
        share, test = shares.val_share, shares.test_share
        return load(data, val_share=share, test_share=test, seed=shares.seed, labels=labels, progress=say)

    complete = read("complete")
    if complete.digest() == card.data:
        return complete
    try:
        partial = read("partial")
    except UsageError:  # there are no partial labels
        return complete
    return partial if partial.digest() == card.data else complete


def _short(value: float) -> float:
    """Six significant digits: a row holds some hundred of these."""
    return float(f"{value:.6g}")


def _nothing() -> None:
    """No study, no record; the result's notes say so."""
