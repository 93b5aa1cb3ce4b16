"""A trained model as a file: export it, load it again."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from kpbench.cell import Params, Scalar, Value
from kpbench.errors import UsageError
from kpbench.networks.checks import first_line
from kpbench.networks.families import build, is_foreign
from kpbench.networks.own import is_own, resolve
from kpbench.task.benchmark import first_problem
from kpbench.training.seeds import global_seed
from kpbench.whole_file import write_whole

LONGEST = 300
"""Characters of torch's own message; its first line says nothing."""

MARGIN = 1_000_000
"""Values that a network may register beyond twice those of its file: timm makes heads that are thrown away."""

OBJECT = 200
"""Values that a tensor counts for beside its own: a million small layers take memory too."""


class ModelCard(Value):
    """The JSON beside a model's weights: what is needed to build the network again and to trust its score.

    Attributes:
        split: seed by which train and val were drawn anew for it; None where they are those of the data.
    """

    benchmark: str
    params: dict[str, Scalar]
    seed: int
    epochs: int
    data: str
    device: str
    kpbench: str
    split: int | None = None


def save_model(network: nn.Module, card: ModelCard, stem: Path, *, about: Mapping[str, str] | None = None) -> Path:
    """Writes `<stem>.safetensors` and `<stem>.json`, each whole or not at all; returns the former's path.

    Args:
        about: entries of the weights' header.
    """
    # Cloned, for safetensors refuses weights that share memory.
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.with_name(stem.name + ".safetensors")
    write_whole(stem.with_name(stem.name + ".json"), (card.model_dump_json(indent=2) + "\n").encode())
    write_whole(path, save(weights, dict(about) if about else None))
    return path


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
    if "family" not in card.params:
        raise UsageError(f"{description}: describes no network: its parameters name no family")
    try:
        held = tensor_shapes(weights)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{weights}: torn, or not the weights of {description.name}: {first_line(error)}") from error
    for name in filter(is_own, card.params.values()):
        resolve(str(name))  # what is wrong with it is told before and without anything else
    try:
        _refuse_other_sizes(card.params, held, weights)
        with global_seed(card.seed, "weights"):
            network = build(card.params)
    except (RuntimeError, ValueError, TypeError, KeyError, OverflowError, UsageError) as error:
        raise UsageError(f"{description}: describes no network: {first_line(error)}") from error
    try:
        network.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        why = shorten(str(error), LONGEST, placeholder=" ...")
        raise UsageError(f"{weights}: torn, or not the weights of {description.name}: {why}") from error
    return network.eval(), card


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """The shapes of the tensors in a `.safetensors` file, from its header alone.

    Raises:
        SafetensorError, OSError: it cannot be read.
    """
    with safe_open(path, framework="pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118


def _refuse_other_sizes(params: Params, held: Mapping[str, list[int]], path: Path) -> None:
    """Refuses a card that names another network than its weights are of, before memory is taken for it.

    The network is built without memory, and no further than a file of this size can fill. A person's own code, which
    may not run so, is left alone.

    Raises:
        UsageError: a tensor is missing, or has another size; it is named.
        Exception: as `build`.
    """
    if is_foreign(params):
        return
    most = MARGIN + 2 * sum(math.prod(shape) for shape in held.values())
    with torch.device("meta"), _at_most(most, path):
        shapes = {name: list(tensor.shape) for name, tensor in build(params).state_dict().items()}
    for name in sorted({*shapes, *held}):
        if shapes.get(name) != held.get(name):
            raise UsageError(
                f"its '{name}' is {shapes.get(name, 'nothing')}, in {path.name} {held.get(name, 'nothing')}"
            )


@contextmanager
def _at_most(values: int, path: Path) -> Iterator[None]:
    """Ends the making of a network that registers more values, or more tensors, than this."""
    left = values

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 0 if parameter is None else OBJECT + parameter.numel()
        if left < 0:
            raise UsageError(f"a network far larger than the {path.stat().st_size / 1e6:.1f} MB of {path.name}")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
