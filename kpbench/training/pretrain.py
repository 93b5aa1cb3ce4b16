"""Pretraining on faces that need no label by hand: what `training.pretrain` names."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from kpbench.cell import EpochRecord
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces
from kpbench.faces.library.cache import cache_folder
from kpbench.networks.blocks import Backbone
from kpbench.seeds import derive
from kpbench.whole_file import write_whole

SOURCES = ("none", "synthetic")
"""`synthetic`: the drawn faces."""

EPOCHS = 20
VAL_SHARE = 0.05

RECIPE: Mapping[str, Any] = {
    "optimizer": "muon",
    "schedule": "flat_cosine",
    "loss": "smooth_l1",
    "spare_norms": True,
    "shift": 8.0,
    "rotate": 20.0,
    "scale": 0.2,
    "blur": 0.5,
    "cutout": 0.3,
}
"""Of all pretrainings: what a run's own recipe is does not change where it starts."""

VERSION = 1
"""Changes whenever the weights of a pretraining do."""

Train = Callable[[nn.Module, Faces, Faces, int, int, Mapping[str, Any]], Iterator[EpochRecord]]
"""(network, train, val, epochs, seed, recipe) -> `fit` on these faces."""


def pretrain(source: str, network: nn.Module, seed: int, where: str, train: Train) -> None:
    """Trains a network's feature maps on other faces, in place; its head keeps the weights that it has.

    What is trained depends on the network, its initial weights and the seed alone, and is kept in the cache folder by
    these, so that every run of the cell with this seed, under whatever recipe, starts from it and pays once.

    Args:
        source: of `SOURCES`.
        where: device, precision and torch's version: what else the weights depend on.
    """
    if source == "none":
        return
    splits = load(source, val_share=VAL_SHARE, test_share=VAL_SHARE, seed=0)
    initial = {name: value.detach().clone() for name, value in network.state_dict().items()}
    file = (
        cache_folder().parent / "pretrained" / f"{_digest(network, initial, splits.digest(), seed, where)}.safetensors"
    )
    found: dict[str, Tensor] | None = None
    with suppress(Exception):  # whatever ails a cache file, the faces are still there
        found = load_file(file)
    if found is None:
        for _ in train(network, splits.train, splits.val, EPOCHS, derive(seed, "pretrain"), RECIPE):
            pass
        found = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
        with suppress(OSError):  # where nothing can be written, the next run trains it again
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, save(found))
    head = _head(network)
    network.load_state_dict({name: initial[name] if name in head else value for name, value in found.items()})


def _digest(network: nn.Module, initial: Mapping[str, Tensor], faces: str, seed: int, where: str) -> str:
    text = f"{VERSION} {EPOCHS} {sorted(RECIPE.items())} {faces} {seed} {where} {network}"
    weights = hashlib.sha256(text.encode())
    for name, value in initial.items():
        weights.update(name.encode() + value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return weights.hexdigest()[:32]


def _head(network: nn.Module) -> set[str]:
    """The names of a head's weights: what lies outside a `Backbone`, elsewhere the last module that has weights."""
    bodies = [name for name, module in network.named_modules() if isinstance(module, Backbone)]
    names = set(network.state_dict())
    if bodies:
        return {name for name in names if not any(name.startswith(f"{body}.") for body in bodies)}
    leaves = [name for name, module in network.named_modules() if module._parameters]
    return {name for name in names if name.rpartition(".")[0] == leaves[-1]}
