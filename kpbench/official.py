"""`kpbench score`: the official score of a model file on a split, with the course's rules."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kpbench.benchmark import read_benchmark
from kpbench.catalog import find
from kpbench.errors import UsageError
from kpbench.evaluate import Labelled
from kpbench.faces.datasets import load
from kpbench.networks.families import count_parameters
from kpbench.score import score_from_mse
from kpbench.scoring import official_mse
from kpbench.study import PLAN, Study
from kpbench.submission import load_model


def score_model(
    model: Path, data: str, split: str, *, command: str, say: Callable[[str, float], None]
) -> dict[str, Any]:
    """The official score of a model file, as `kpbench score --json` prints it.

    Where the model lies in a study and the split is the sealed test, the reading is written down there first.

    Raises:
        UsageError: an unknown split, a model or data that cannot be read.
    """
    if split not in ("val", "test"):
        raise UsageError(f"unknown split '{split}'. Known: val, test")
    network, card = load_model(model)
    benchmark = read_benchmark(find("benchmarks", "facial_keypoints"))
    shares = benchmark.splits
    splits = load(data, val_share=shares.val_share, test_share=shares.test_share, seed=shares.seed, progress=say)
    notes = []
    if card.data != splits.digest():
        notes.append(f"the model was trained on other faces ({card.data}) than these ({splits.digest()})")
    if card.benchmark != benchmark.digest:
        notes.append(f"the model was trained for another version of the benchmark ({card.benchmark})")
    folder = model.absolute().parent.parent
    in_study = (folder / PLAN).is_file()
    if split == "test" and not in_study:
        notes.append("the model lies in no study, so this reading of the sealed test is written down nowhere")
    record = Study(folder).test_reading(command, f"models/{model.stem}.safetensors") if in_study else _nothing
    faces = splits.val if split == "val" else splits.test.open(record)
    mse = official_mse(network, Labelled(faces, benchmark.coordinates))
    parameters = count_parameters(network)
    megabytes = model.with_suffix(".safetensors").stat().st_size / 1e6
    rules = benchmark.rules
    score = score_from_mse(mse)
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
    }


def _nothing() -> None:
    """No study, no record; the result's notes say so."""
