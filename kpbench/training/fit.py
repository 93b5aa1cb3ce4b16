"""The training loop: a generator that yields one record an epoch."""

import inspect
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kpbench.cell import EpochRecord, Params, Scalar, epochs_of
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.networks.heads import HasOwnLoss
from kpbench.networks.own import knows_layout
from kpbench.task.score import score_from_mse
from kpbench.task.scorer import batched_mse
from kpbench.training.augment import Moves, draw_moves, move
from kpbench.training.checkpoint import Checkpoint
from kpbench.training.device import Device
from kpbench.training.limits import check_training
from kpbench.training.looks import draw_looks, look
from kpbench.training.mean_start import start_at_mean
from kpbench.training.pretrain import pretrain as pretrained
from kpbench.training.recipe import LOSSES, SCHEDULES, Average, make_optimizer, masked_mean
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
    """What is not a hyperparameter: how long, with which seed, where, and what tells the network from others.

    Attributes:
        checkpoint: file of a run that goes on where it was cut, if it is long; None begins again.
    """

    epochs: int
    seed: int
    device: Device
    network: str | None = None
    checkpoint: Path | None = None


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
    optimizer: str = "adamw",
    schedule: str = "one_cycle",
    loss: str = "mse",
    spare_norms: bool = False,
    ema: float = 0.0,
    blur: float = 0.0,
    sharpen: float = 0.0,
    gamma: float = 0.0,
    cutout: float = 0.0,
    strong_until: float = 1.0,
    pretrain: str = "none",
    mean_start: bool = False,
    exposure: float = 1.0,
) -> Iterator[EpochRecord]:
    """Trains `network` in place and yields a record after each epoch.

    The keyword arguments are the training parameters of a search space (`training.lr`). Data order, augmentation and
    dropout are derived from `setting.seed` and the epoch alone: with the same seed, device and thread count the numbers
    are the same on a CPU, whatever else the process does between two records, and whether the run was cut at a
    checkpoint or not. Of a run that was cut the records before come first, at once.

    Args:
        network: on `setting.device`; left in train mode.
        lr: peak of the schedule.
        shift, rotate, scale, brightness, contrast, flip: as in `draw_moves`.
        optimizer, schedule, loss: names of the tables in `recipe`. Where labels are missing, the loss is over those
            there are. A record's training error is the MSE whatever the loss.
        spare_norms: no weight decay on biases and norms.
        ema: decay of the moving average of the weights, 0 for none. The average is what is validated, and what the
            network holds after the last epoch.
        blur, sharpen, gamma, cutout: as in `draw_looks`.
        strong_until: share of the epochs after which shift, rotation and size are at most `WEAK`, and the picture's
            look is left as it is.
        pretrain: other faces on which the feature maps are trained first, of `pretrain.SOURCES`. The time is in the
            first record, the images are in none.
        exposure: share of the setting's epochs that are trained, with a whole schedule: a run of its own length, which
            a study can vary.
        mean_start: the network begins as the mean of the training faces (`start_at_mean`).

    Raises:
        UsageError: a parameter out of range, fewer than two training faces, or `mean_start` of a network without such
            a layer.
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
    looks = {"blur": blur, "sharpen": sharpen, "gamma": gamma, "cutout": cutout}
    named = {"optimizer": optimizer, "schedule": schedule, "loss": loss, "pretrain": pretrain}
    numbers = {"lr": lr, "weight_decay": weight_decay, "batch_size": batch_size, "ema": ema, "exposure": exposure}
    check_training(**numbers, **moves, **looks, **named, strong_until=strong_until, spare_norms=spare_norms)
    n = len(train.images)
    steps, epochs = steps_of(n, batch_size), epochs_of(setting.epochs, exposure)
    device = setting.device.torch
    if knows_layout(network):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    begun = time.perf_counter()
    there = f"{setting.device.kind} {setting.device.precision} {torch.__version__} {RECIPE}"
    like = f"{torch.get_num_threads()} {train.image_divisor} {train.centre} {train.scale}"
    identity = setting.network and f"{setting.network} {there} {like}"
    pretrained(pretrain, network, identity, setting.seed, partial(_on_other_faces, train, setting.device))
    if mean_start:
        start_at_mean(network, train.target(train.keypoints))
    spent = time.perf_counter() - begun if pretrain != "none" else 0.0
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    stepper = make_optimizer(optimizer, weights, lr=lr, weight_decay=weight_decay, spare_norms=spare_norms)
    rate = SCHEDULES[schedule](stepper, lr, epochs * steps)
    average = Average(network, ema) if ema else None
    judged = network if average is None else average.network
    error, squared = loss_for(train, loss), loss_for(train)
    terms = [module for module in network.modules() if isinstance(module, HasOwnLoss)]
    alone = loss == "mse" and not terms
    val_pictures, val_target = val.pictures(slice(None)), val.target(val.keypoints)
    parts = {"network": network, "optimizer": stepper, "schedule": rate}
    parts |= {} if average is None else {"average": average}
    checkpoint = Checkpoint(setting.checkpoint, f"{there} {setting.seed} {epochs}", parts)
    records = checkpoint.load()
    yield from records

    for epoch in range(len(records) + 1, epochs + 1):
        start = time.perf_counter()
        network.train()
        total = torch.zeros((), device=device)
        weak = epoch > strong_until * epochs
        order, drawn = epoch_of(train, setting.seed, epoch, weakened(moves) if weak else moves)
        seen = None if weak else draw_looks(n, generator(setting.seed, "looks", epoch), device, **looks)
        target = train.target(drawn.keypoints)
        with global_seed(setting.seed, "dropout", epoch):
            for index in order.tensor_split(steps):
                pictures, wanted = move(train.pictures(index), drawn, index), target[index]
                pictures = pictures if seen is None else look(pictures, seen, index)
                with torch.autocast(device.type, torch.bfloat16, enabled=setting.device.precision == "bf16"):
                    predicted = network(pictures)
                points = predicted.float().reshape(-1, *wanted.shape)  # of each member, where a network has several
                asked = wanted.expand_as(points)
                wrong = error(points, asked)
                for term in terms:
                    wrong = wrong + term.own_loss(wanted) / len(points)  # the mean over members, as that of the points
                stepper.zero_grad(set_to_none=True)
                wrong.backward()
                stepper.step()
                rate.step()
                if average is not None:
                    average.update(network)
                total += (wrong if alone else squared(points, asked)).detach() * len(index)
        val_mse = batched_mse(judged, val_pictures, val_target, batch_size=VAL_BATCH[device.type])
        if average is not None and epoch == epochs:
            network.load_state_dict(judged.state_dict())
        seconds = time.perf_counter() - start + (spent if epoch == 1 else 0.0)
        records.append(record(epoch, total.item() / n, val_mse, seconds))
        if epoch < epochs:
            checkpoint.after(records)
        yield records[-1]
    checkpoint.remove()


def _on_other_faces(
    like: DeviceFaces, device: Device, network: nn.Module, train: Faces, val: Faces, epochs: int, seed: int, recipe: Any
) -> Iterator[EpochRecord]:
    """`fit` on other faces in the same coordinates."""

    def there(faces: Faces) -> DeviceFaces:
        place = like.images.device
        images, keypoints = torch.tensor(faces.images, device=place), torch.tensor(faces.keypoints, device=place)
        return replace(like, images=images, keypoints=keypoints)

    return fit(network, there(train), there(val), Setting(epochs, seed, device), **recipe)


WEAK = {"shift": 4.0, "rotate": 8.0, "scale": 0.08}
"""Greatest moves after `strong_until`."""


def weakened(moves: Mapping[str, float]) -> dict[str, float]:
    """Moves no greater than `WEAK`."""
    return {name: min(value, WEAK.get(name, value)) for name, value in moves.items()}


def steps_of(n: int, batch_size: int) -> int:
    """Steps of an epoch over n faces: even batches, none of one face, for a batch norm needs two.

    Raises:
        UsageError: fewer than two faces.
    """
    if n < 2:
        raise UsageError("training needs at least two faces")
    return min(math.ceil(n / batch_size), n // 2)


def loss_for(train: DeviceFaces, name: str = "mse") -> Callable[[Tensor, Tensor], Tensor]:
    """The mean of a loss over the coordinates, or over those that are labelled where some are not."""
    each = LOSSES[name]
    if not bool(torch.isfinite(train.keypoints).all()):
        return partial(masked_mean, each)
    if name == "mse":
        return F.mse_loss  # what the scorer computes, and one pass
    return lambda predicted, target: each(predicted, target).mean()


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


def training_of(params: Params) -> dict[str, Any]:
    """The keyword arguments of `fit` in a complete cell."""
    return {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}
