"""Pretraining on faces that need no label by hand: what `training.pretrain` names."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from safetensors.torch import load_file, save
from torch import Tensor, nn

from kpbench.cell import EpochRecord, Params
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.faces.library.cache import cache_folder
from kpbench.networks.blocks import Backbone
from kpbench.networks.timm_features import TimmFeatures
from kpbench.seeds import derive
from kpbench.whole_file import write_whole

SOURCES = ("none", "synthetic")
"""`synthetic`: drawn faces of people who are in no data set: not those of `--data synthetic`, whose test is sealed.

They are of version `DRAWN_VERSION`, with exact labels, whatever `--data synthetic` is: the name is a part of the cells
of published studies, and keeps its meaning.
"""

FAMILIES = ("keypoint_net", "timm_features")
"""Those whose head is known, for it is made new."""

FACES, VAL, DRAWN_SEED, DRAWN_VERSION = 2000, 100, 1, 2
EPOCHS = 20

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


def check_pretrain(params: Params) -> None:
    """Refuses pretraining for a family whose head is not known.

    Raises:
        UsageError: naming those that can be pretrained.
    """
    if params.get("training.pretrain", "none") != "none" and params["family"] not in FAMILIES:
        raise UsageError(f"training.pretrain is for {' and '.join(FAMILIES)}, not for {params['family']}")


def pretrain(source: str, network: nn.Module, identity: str | None, seed: int, train: Train) -> None:
    """Trains a network's feature maps on other faces, in place; its head keeps the weights that it has.

    The weights follow from the network and the run's seed alone, not from its recipe, and are kept in the cache folder:
    each network and seed pays once, 38,000 images, whatever is varied beside them.

    Args:
        source: of `SOURCES`.
        identity: all that tells one network, device and version of the code from another; None: nothing is kept.
    """
    if source == "none":
        return
    from kpbench.faces.datasets import drawn  # noqa: PLC0415  # a second to import, of every worker's start

    faces = drawn(FACES, DRAWN_SEED, version=DRAWN_VERSION).train
    initial = {name: value.detach().clone() for name, value in network.state_dict().items()}
    text = f"{VERSION} {EPOCHS} {sorted(RECIPE.items())} {faces.digest()} {seed} {identity}"
    file = cache_folder().parent / "pretrained" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"
    found: dict[str, Tensor] | None = None
    if identity is not None:
        with suppress(Exception):  # whatever ails a cache file, the faces are still there
            found = load_file(file)
    if found is None:
        most, last = (faces.take(part) for part in np.split(np.arange(FACES), [FACES - VAL]))  # in the order of people
        for _ in train(network, most, last, EPOCHS, derive(seed, "pretrain"), RECIPE):
            pass
        found = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
        if identity is not None:
            with suppress(OSError):  # where nothing can be written, the next run trains it again
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, save(found))
    body = _body(network)
    network.load_state_dict({name: found[name] if name.startswith(body) else own for name, own in initial.items()})


def _body(network: nn.Module) -> tuple[str, ...]:
    """What the names of the weights of feature maps begin with."""
    named = [
        (name, "backbone." if isinstance(module, TimmFeatures) else "")
        for name, module in network.named_modules()
        if isinstance(module, Backbone | TimmFeatures)
    ]
    return tuple(f"{name}.{rest}" if name else rest for name, rest in named)
