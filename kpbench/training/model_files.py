"""A trained model as a file: export it, load it again."""

import json
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from kpbench.cell import Params, Scalar, Value
from kpbench.errors import UsageError, nearest
from kpbench.networks.checks import first_line
from kpbench.networks.families import FAMILIES, PREFIX, build, family_defaults
from kpbench.task.benchmark import first_problem
from kpbench.training.seeds import global_seed
from kpbench.whole_file import write_whole

LONGEST = 300
"""Characters of torch's own message; its first line says nothing."""


class ModelCard(Value):
    """The JSON beside a model's weights: what is needed to build the network again and to trust its score."""

    benchmark: str
    params: dict[str, Scalar]
    seed: int
    epochs: int
    data: str
    device: str
    kpbench: str


def save_model(network: nn.Module, card: ModelCard, stem: Path) -> Path:
    """Writes `<stem>.safetensors` and `<stem>.json`, each whole or not at all; returns the former's path."""
    # Cloned, for safetensors refuses weights that share memory.
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.with_name(stem.name + ".safetensors")
    write_whole(stem.with_name(stem.name + ".json"), (card.model_dump_json(indent=2) + "\n").encode())
    write_whole(path, save(weights))
    return path


def with_weights(params: Params, path: Path) -> nn.Module:
    """The network of a cell with the state dict in `path`, on the CPU in eval mode; no code in the file is run.

    Args:
        path: `.safetensors`, or what torch.save wrote.

    Raises:
        UsageError: the file cannot be read, or does not hold this network's weights.
    """
    network = build(params)
    try:
        safe = path.suffix == ".safetensors"
        weights = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or first_line(error)}") from error
    except Exception as error:  # what pickle, zip files and torch's own reader raise
        raise UsageError(f"{path}: holds no weights alone; write it by torch.save(model.state_dict(), ...)") from error
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())[:LONGEST]
        raise UsageError(f"{path}: not a state dict of {params['family']}: {why}") from error
    return network.eval()


def load_model(path: Path) -> tuple[nn.Module, ModelCard]:
    """The network in `path` (its `.safetensors` or the `.json` beside it), on the CPU in eval mode.

    Raises:
        UsageError: a file is missing, torn, or does not fit the network that the JSON describes.
    """
    if path.suffix not in (".safetensors", ".json"):
        raise UsageError(f"{path} is no model; a model is a .safetensors file with a .json beside it")
    weights, description = path.with_suffix(".safetensors"), path.with_suffix(".json")
    for file in (weights, description):
        if not file.is_file():
            raise UsageError(f"no model file {file}; a model is a .safetensors file with a .json beside it")
    try:
        card = ModelCard.model_validate(json.loads(description.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError(f"{description}: not a model description: {first_problem(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{description}: not JSON: {error}") from error
    try:
        with global_seed(card.seed, "weights"):
            network = build(card.params)
    except (RuntimeError, ValueError, TypeError, KeyError, OverflowError, UsageError) as error:
        raise UsageError(f"{description}: describes no network: {_misfit(card.params, error)}") from error
    try:
        network.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise UsageError(f"{weights}: torn, or not the weights of {description.name}: {first_line(error)}") from error
    return network.eval(), card


def _misfit(params: Params, error: Exception) -> str:
    """The parameter that its family does not take, in words of the family's signature; else the error's own."""
    if "family" not in params:
        return "its parameters name no family"
    family = str(params["family"])
    if isinstance(error, UsageError) or family not in FAMILIES:
        return first_line(error)
    known = family_defaults(family)
    for name, value in params.items():
        if name.startswith(PREFIX) and name not in known:
            return f"{family} has no parameter '{name}'; {nearest(name, known)}"
        if name in known and not isinstance(value, (int, float) if type(known[name]) is float else type(known[name])):
            return f"{name} must be of the kind of its default, {known[name]!r}, got {value!r}"
    return first_line(error)
