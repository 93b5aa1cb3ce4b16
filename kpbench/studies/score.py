"""`kpbench score`: the official score of a model file on val or on the sealed test."""

import math
from pathlib import Path
from typing import Any

from torch import nn

from kpbench.engine.evaluate import Labelled
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, Splits
from kpbench.networks.families import count_parameters
from kpbench.statistics.conditions import error_by_condition
from kpbench.store.files import MODELS, PLAN
from kpbench.store.study import Study
from kpbench.studies.measures import squared_errors
from kpbench.studies.preflight import Say
from kpbench.task.benchmark import Coordinates, SplitShares, read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import official_mse
from kpbench.training.model_files import ModelCard, load_model


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
    benchmark = read_benchmark()
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
    record = Study(folder).test_reading(command, f"{MODELS}/{model.stem}.safetensors") if known else lambda: None
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
        return load(data, **shares.model_dump(), labels=labels, progress=say)

    complete = read("complete")
    if complete.digest() == card.data:
        return complete
    try:
        partial = read("partial")
    except UsageError:  # there are no partial labels
        return complete
    return partial if partial.digest() == card.data else complete
