"""What a notebook uses, under the names that `kpbench` itself offers: faces, spaces, networks, training, scores."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from kpbench.cell import EpochRecord, Params
from kpbench.engine.evaluate import device_faces
from kpbench.errors import UsageError, nearest
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces, SealedFaces, Splits
from kpbench.networks import families
from kpbench.space.space import SearchSpace
from kpbench.studies.spaces import open_space
from kpbench.task import scorer
from kpbench.task.benchmark import Benchmark, read_benchmark
from kpbench.training import fit as training
from kpbench.training.device import find_device
from kpbench.training.predict import Labelled
from kpbench.training.seeds import global_seed


@cache
def _benchmark() -> Benchmark:
    return read_benchmark()


def load_faces(source: str | Path = "synthetic", *, labels: str = "complete") -> Splits:
    """The three splits of a data set: `train` and `val` as `Faces`, `test` sealed.

    `Faces` holds `images`, uint8 (N, 1, 96, 96), and `keypoints`, float32 (N, 15, 2), x then y in pixels. The test
    split gives its faces out only through `splits.test.open(record)`, where `record` writes the reading down.

    Args:
        source: `synthetic`, the name of an added data set, or a path, as `kpbench search --data` takes it.
        labels: `complete`, or `partial` to train on faces that lack keypoints too.

    Raises:
        UsageError: an unknown name, or data that cannot be used; the message names thing and remedy.
    """
    return load(str(source), **_benchmark().splits.model_dump(), labels=labels)


def read_space(name: str | Path) -> SearchSpace:
    """A search space by name (`cnn_small`) or by its TOML file's path; `.cells()` yields the cells of a finite one.

    Raises:
        UsageError: no such space, or one with a misspelt key or value; file, key and nearest name are in the message.
    """
    return open_space(str(name)).space


def build(params: Params, *, seed: int | None = None) -> nn.Module:
    """The network of a cell, (N, 1, 96, 96) float32 in 0..1 -> (N, 30) in (k - 48) / 48 units.

    Args:
        params: by dotted name, `{"family": "cnn", "network.depth": 3}`; what is missing has its default, and
            parameters of training are passed over.
        seed: draws the initial weights as a study's run with that seed does; else from torch's global generator.

    Raises:
        UsageError: an unknown family, parameter or value.
    """
    family = params.get("family")
    if not isinstance(family, str):
        raise UsageError("a cell needs its family: {'family': 'cnn', ...}")
    known = {"family", *families.family_defaults(family), *training.training_defaults()}
    if unknown := [name for name in params if name not in known]:
        raise UsageError(f"family '{family}' has no parameter '{unknown[0]}'; {nearest(str(unknown[0]), known)}")
    if seed is None:
        return families.build(params)
    with global_seed(seed, "weights"):
        return families.build(params)


def fit(
    network: nn.Module,
    train: Faces,
    val: Faces,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str = "auto",
    **recipe: Any,
) -> Iterator[EpochRecord]:
    """Trains `network` in place and yields, after each epoch, its losses, validation score and seconds.

    With the seed, device and thread count of a study's run (one thread on a CPU: `torch.set_num_threads(1)`) the
    numbers are that run's.

    Args:
        network: moved to the device; left there, in train mode.
        epochs: the benchmark's own number where not given.
        device: `auto`, `cpu`, `cuda` or `mps`.
        recipe: training parameters by their last name, `lr=3e-3`; defaults as in `kpbench.training.fit.fit`.

    Raises:
        UsageError: a parameter that is unknown or out of range, or a device that is not there.
        DivergedError: the loss is not finite.
    """
    known = [name.removeprefix(training.PREFIX) for name in training.training_defaults()]
    if unknown := [name for name in recipe if name not in known]:
        raise UsageError(f"training has no parameter '{unknown[0]}'; {nearest(unknown[0], known)}")
    if epochs is not None and (not isinstance(epochs, int) or epochs < 1):
        raise UsageError(f"epochs must be a whole number of at least 1, got {epochs!r}")
    where, coordinates = find_device(device), _benchmark().coordinates
    setting = training.Setting(_benchmark().budget.epochs if epochs is None else epochs, seed, where)
    on_device = [device_faces(faces.images, faces.keypoints, coordinates, where) for faces in (train, val)]
    return training.fit(network.to(where.torch), on_device[0], on_device[1], setting, **recipe)


def evaluate_model(model: nn.Module, faces: Faces | Dataset[Any]) -> float:
    """The official score 1 / (2 * MSE) of `model`: the fixed scorer, one image at a time, in eval mode.

    Args:
        model: takes (1, 1, 96, 96) in 0..1 and returns 30 values, (k - 48) / 48.
        faces: `Faces`, or a data set of `{"image": (1, 96, 96), "keypoints": (15, 2)}` in these units.

    Raises:
        UsageError: the sealed test split, or all splits at once.
        ValueError: no faces, or a model that returns another number of values.
    """
    if isinstance(faces, SealedFaces):
        raise UsageError("the test split is sealed: open it with faces.open(record); record writes down who reads it")
    if isinstance(faces, Splits):
        raise UsageError("give one split, such as splits.val")
    if isinstance(faces, Faces):
        return scorer.evaluate_model(model, Labelled(faces, _benchmark().coordinates))
    return scorer.evaluate_model(model, faces)
