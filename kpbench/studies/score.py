"""`kpbench score`: the official score of a model file on val or on the sealed test."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from kpbench.cell import Scalar
from kpbench.engine.evaluate import Labelled
from kpbench.errors import UsageError, lookup
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, Splits
from kpbench.networks.families import PREFIX, check_output, count_parameters, family_defaults
from kpbench.networks.own import WRITTEN, OwnFile, admit
from kpbench.space.space import complete
from kpbench.statistics.conditions import error_by_condition
from kpbench.store.files import MODELS, PLAN
from kpbench.store.study import Study
from kpbench.studies.measures import squared_errors
from kpbench.studies.preflight import Say
from kpbench.studies.spaces import open_space
from kpbench.task.benchmark import Benchmark, Coordinates, SplitShares, read_benchmark
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import official_mse
from kpbench.training.model_files import ModelCard, load_model, with_weights


def score_model(
    model: Path,
    data: str,
    split: str,
    *,
    command: str,
    say: Say,
    by_condition: bool = False,
    trust_code: bool = False,
) -> dict[str, Any]:
    """The official score of a model file, as `kpbench score --json` prints it.

    The code of a network that is a person's own lies beside the model and may be anybody's: it runs with `trust_code`
    alone, and only if it is, byte for byte, the file that the model was trained with.

    With `by_condition` also the error by what is known of each face (`statistics.conditions`).

    Where the model lies in a study and the split is the sealed test, the reading is written down there first.

    Raises:
        UsageError: an unknown split, a model or data that cannot be read.
    """
    _check_split(split)
    if trust_code:
        admit(OwnFile(file.name, file.read_bytes().decode(errors="replace")) for file in model.parent.glob("*.py"))
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
    scored = _scored(network, str(model), model.with_suffix(".safetensors"), faces, benchmark, by_condition)
    return {**scored, "data": splits.name, "data_digest": splits.digest(), "split": split, "notes": notes}


def score_own(
    word: str, weights: Path | None, words: Sequence[str], data: str, split: str, *, say: Say, by_condition: bool
) -> dict[str, Any]:
    """The official score of `FILE.py:NAME` with weights from a file, as `score_model` gives it.

    Args:
        word: a path in it is relative to the working directory.
        weights: a state dict, written by torch.save or as safetensors.
        words: `name=value` for each parameter that is not at its default.

    Raises:
        UsageError: code, weights or data that cannot be used, or an unknown parameter or split.
    """
    _check_split(split)
    if weights is None:
        raise UsageError(f"{word} has no weights to score; give --weights")
    if not WRITTEN.fullmatch(word):
        raise UsageError(f"--weights and --param are for a network of your own, FILE.py:NAME, not for '{word}'")
    opened = open_space(word)
    (cell,) = opened.space.cells()
    params = complete({**cell, **_chosen(words, family_defaults(str(cell["family"])))}, opened.defaults)
    check_output(params)
    network = with_weights(params, weights)
    benchmark = read_benchmark()
    splits = load(data, **benchmark.splits.model_dump(), labels="complete", progress=say)
    notes = ["what these weights were trained on is not known"]
    if split == "test":
        notes.append("the model lies in no study, so this reading of the sealed test is written down nowhere")
    faces = splits.val if split == "val" else splits.test.open(lambda: None)
    scored = _scored(network, word, weights, faces, benchmark, by_condition)
    return {**scored, "data": splits.name, "data_digest": splits.digest(), "split": split, "notes": notes}


def _check_split(split: str) -> None:
    if split not in ("val", "test"):
        raise UsageError(f"unknown split '{split}'. Known: val, test")


def _chosen(words: Sequence[str], defaults: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """`width=32` by dotted name, in the type of the parameter's default."""
    chosen: dict[str, Scalar] = {}
    for word in words:
        name, _, value = word.partition("=")
        default = lookup(defaults, PREFIX + name, "parameter")
        try:
            chosen[PREFIX + name] = (
                {"true": True, "false": False}[value] if default is True or default is False else (type(default)(value))
            )
        except (ValueError, KeyError):
            raise UsageError(f"--param {name} must be of the kind of its default, {default!r}, got '{value}'") from None
    return chosen


def _scored(
    network: nn.Module, name: str, file: Path, faces: Faces, benchmark: Benchmark, by_condition: bool
) -> dict[str, Any]:
    mse = official_mse(network, Labelled(faces, benchmark.coordinates))
    parameters = count_parameters(network)
    megabytes = file.stat().st_size / 1e6
    rules = benchmark.rules
    score = score_from_mse(mse)
    if not math.isfinite(score):
        raise UsageError(f"{name} has no finite score on these faces: {score}")
    return {
        "model": name,
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
