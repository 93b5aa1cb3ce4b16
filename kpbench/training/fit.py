"""The training loop: a generator that yields one record an epoch."""

import inspect
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kpbench.cell import EpochRecord, Params, Scalar
from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import batched_mse
from kpbench.training.augment import Moves, draw_moves, move
from kpbench.training.device import Device
from kpbench.training.seeds import generator, global_seed


class DivergedError(Exception):
    """The loss is no longer a finite number."""


@dataclass(frozen=True, eq=False)
class DeviceFaces:
    """A data set on the device as training uses it.

    Attributes:
        images: uint8 (N, 1, 96, 96).
        keypoints: float32 (N, 15, 2) in pixels; NaN, both coordinates, where a label is missing.
        image_divisor, centre, scale: the benchmark's coordinates.
    """

    images: Tensor
    keypoints: Tensor
    image_divisor: float
    centre: float
    scale: float

    def pictures(self, index: Tensor | slice) -> Tensor:
        """The pictures at `index` as float32 in 0..1, a copy."""
        return self.images[index].float().div_(self.image_divisor)

    def target(self, keypoints: Tensor) -> Tensor:
        """Pixels to what a network predicts, (k - centre) / scale."""
        return (keypoints - self.centre) / self.scale


@dataclass(frozen=True)
class Setting:
    """What is not a hyperparameter: how long, with which seed, where."""

    epochs: int
    seed: int
    device: Device


def fit(
    network: nn.Module,
    train: DeviceFaces,
    val: DeviceFaces,
    setting: Setting,
    /,
    *,
    lr: float = 3e-3,
    weight_decay: float = 1e-2,
    batch_size: int = 32,
    shift: float = 4.0,
    rotate: float = 8.0,
    scale: float = 0.08,
    brightness: float = 0.1,
    contrast: float = 0.2,
    flip: float = 0.0,
) -> Iterator[EpochRecord]:
    """Trains `network` in place with AdamW under a one-cycle schedule and yields a record after each epoch.

    The keyword arguments are the training parameters of a search space (`training.lr`). The loss is the MSE that the
    scorer uses, over the labels there are where some are missing (`masked_mse`). Data order, augmentation and dropout
    are derived from `setting.seed` and the epoch alone: with the same seed, device and thread count the numbers are
    the same on a CPU, whatever else the process does between two records.

    Args:
        network: on `setting.device`; left in train mode.
        lr: peak of the one-cycle schedule.
        shift, rotate, scale, brightness, contrast, flip: as in `draw_moves`.

    Raises:
        UsageError: a parameter out of range, or fewer than two training faces.
        DivergedError: the training or validation loss is not finite; the message names the epoch.
    """
    moves = {
        "shift": shift,
        "rotate": rotate,
        "scale": scale,
        "brightness": brightness,
        "contrast": contrast,
        "flip": flip,
    }
    check_training(lr=lr, weight_decay=weight_decay, batch_size=batch_size, **moves)
    n = len(train.images)
    steps = steps_of(n, batch_size)
    device = setting.device.torch
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, schedule = adamw_one_cycle(network.parameters(), lr, weight_decay, setting.epochs * steps)
    error = loss_for(train)
    val_pictures, val_target = val.pictures(slice(None)), val.target(val.keypoints)

    for epoch in range(1, setting.epochs + 1):
        start = time.perf_counter()
        network.train()
        total = torch.zeros((), device=device)
        order, drawn = epoch_of(train, setting.seed, epoch, moves)
        target = train.target(drawn.keypoints)
        with global_seed(setting.seed, "dropout", epoch):
            for index in order.tensor_split(steps):
                pictures, wanted = move(train.pictures(index), drawn, index), target[index]
                with torch.autocast(device.type, torch.bfloat16, enabled=setting.device.precision == "bf16"):
                    predicted = network(pictures)
                loss = error(predicted.float().reshape(wanted.shape), wanted)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.detach() * len(index)
        val_mse = batched_mse(network, val_pictures, val_target, batch_size=VAL_BATCH[device.type])
        yield record(epoch, total.item() / n, val_mse, time.perf_counter() - start)


def steps_of(n: int, batch_size: int) -> int:
    """Steps of an epoch over n faces: even batches, none of one face, for a batch norm needs two.

    Raises:
        UsageError: fewer than two faces.
    """
    if n < 2:
        raise UsageError("training needs at least two faces")
    return min(math.ceil(n / batch_size), n // 2)


def adamw_one_cycle(
    parameters: Iterable[Tensor], lr: float, weight_decay: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW and its schedule over all steps of a run."""
    mine = list(parameters)
    optimizer = torch.optim.AdamW(mine, lr=lr, weight_decay=weight_decay, fused=mine[0].device.type != "mps")
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps)


def loss_for(train: DeviceFaces) -> Callable[[Tensor, Tensor], Tensor]:
    """The MSE, or that over the labels there are where some are missing."""
    return F.mse_loss if bool(torch.isfinite(train.keypoints).all()) else masked_mse


def epoch_of(train: DeviceFaces, seed: int, epoch: int, moves: Mapping[str, float]) -> tuple[Tensor, Moves]:
    """The order of the faces in an epoch, (N,), and how each is moved, derived from seed and epoch alone."""
    order = torch.randperm(len(train.images), generator=generator(seed, "order", epoch)).to(train.images.device)
    return order, draw_moves(train.keypoints, generator(seed, "augment", epoch), **moves)


def record(epoch: int, train_mse: float, val_mse: float, seconds: float) -> EpochRecord:
    """What an epoch left.

    Raises:
        DivergedError: a loss is not finite.
    """
    if not (math.isfinite(train_mse) and math.isfinite(val_mse)):
        raise DivergedError(f"the loss is not finite in epoch {epoch}")
    score = score_from_mse(val_mse)
    return EpochRecord(epoch=epoch, train_mse=train_mse, val_mse=val_mse, val_score=score, seconds=seconds)


def masked_mse(predicted: Tensor, target: Tensor) -> Tensor:
    """The mean squared error over the coordinates that are labelled; NaN in `target` marks one that is not.

    Every labelled coordinate of a batch counts alike. Where all are labelled it is the MSE of the scorer.

    Args:
        predicted, target: (N, 15, 2); at least one value of `target` is a number.
    """
    labelled = torch.isfinite(target)
    # The missing are taken out before squaring: NaN times zero would be NaN in the gradient too.
    difference = torch.where(labelled, predicted - torch.nan_to_num(target), 0.0)
    return difference.square().sum() / labelled.sum()


MOVES = ("shift", "rotate", "scale", "brightness", "contrast", "flip")
"""The training parameters that are `draw_moves`'."""

VAL_BATCH = {"cpu": 32, "cuda": 256, "mps": 256}
"""Faces of a validation batch: on a CPU so few that their activation maps stay in cache."""

RECIPE = 2
"""Changes whenever the numbers of a run with the same parameters, seed and device do; runs are reused within one."""

PREFIX = "training."


def training_defaults() -> dict[str, Scalar]:
    """The training parameters by dotted name with their defaults: the keyword-only part of `fit`."""
    parameters = inspect.signature(fit).parameters.values()
    return {PREFIX + p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


LIMITS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "lr": (lambda value: value > 0, "above 0"),
    "weight_decay": (lambda value: value >= 0, "0 or more"),
    "batch_size": (lambda value: value >= 2, "at least 2"),
    "shift": (lambda value: 0 <= value <= SIZE, f"between 0 and {SIZE} pixels"),
    "rotate": (lambda value: 0 <= value <= 180, "between 0 and 180 degrees"),
    "scale": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "brightness": (lambda value: 0 <= value <= 1, "between 0 and 1"),
    "contrast": (lambda value: 0 <= value <= 1, "between 0 and 1"),
    "flip": (lambda value: 0 <= value <= 1, "between 0 and 1"),
}
"""Training parameter -> whether a value is allowed, and what is, in words."""


def check_training(**values: float) -> None:
    """Refuses training parameters out of range, by name.

    Raises:
        UsageError: the parameter, what it may be, and what it is.
    """
    for name, value in values.items():
        allowed, wanted = LIMITS[name]
        if not allowed(value):
            raise UsageError(f"training.{name} must be {wanted}, got {value}")


def training_of(params: Params) -> dict[str, Any]:
    """The keyword arguments of `fit` in a complete cell."""
    return {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}
