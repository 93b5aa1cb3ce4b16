"""The training loop: a generator that yields one record an epoch."""

import inspect
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kpbench.cell import EpochRecord, Params, Scalar, epochs_of
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.networks.own import knows_layout
from kpbench.task.score import score_from_mse
from kpbench.training.checkpoint import Checkpoint
from kpbench.training.device import Device
from kpbench.training.faces import DeviceFaces
from kpbench.training.limits import check_training
from kpbench.training.mean_start import start_at_mean
from kpbench.training.member import Member
from kpbench.training.pretrain import pretrain as pretrained
from kpbench.training.recipe import JOINED, SCHEDULES, Average, make_optimizer
from kpbench.training.recorded import Validation, step_of
from kpbench.training.seeds import global_seed
from kpbench.training.weights import Weights


class DivergedError(Exception):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Setting:
    """What is not a hyperparameter: how long, with which seed, where, and what tells the network from others.

    Attributes:
        checkpoint: file of a run that goes on where it was cut, if it is long; None begins again.
        record: replay recorded steps on a card; without, the same kernels are started one by one.
    """

    epochs: int
    seed: int
    device: Device
    network: str | None = None
    checkpoint: Path | None = None
    record: bool = True


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
    given = locals()
    recipe = {name: given[name] for name in training_of(training_defaults())}
    check_training(**recipe)  # before anything is asked of the faces
    for (found,) in fit_together([network], train, val, setting, (setting.seed,), **recipe):
        if isinstance(found, DivergedError):
            raise DivergedError(str(found))
        yield found


def fit_together(
    networks: Sequence[nn.Module],
    train: DeviceFaces,
    val: DeviceFaces,
    setting: Setting,
    seeds: Sequence[int],
    /,
    **recipe: Any,
) -> Iterator[tuple[EpochRecord | DivergedError, ...]]:
    """Trains networks of one cell, each by its own seed; yields a record of each an epoch, or why it has none.

    A seed cohort. Each member has the order of faces, moves, initial weights and dropout masks of its run alone, and
    the same kernels, so that it is that run. On a card the members' steps run beside each other. One that diverges
    stays so and harms no other; the cohort ends when its last member has.

    Args:
        networks: one for each seed, on the device.
        setting: its seed is not used.
        recipe: the keyword arguments of `fit`.

    Raises:
        UsageError: as `fit`.
        TypeError: a name that is none of `fit`'s.
    """
    known = training_of(training_defaults())
    if unknown := recipe.keys() - known.keys():
        raise TypeError(f"no training parameters: {', '.join(sorted(unknown))}")
    recipe = {**known, **recipe}
    check_training(**recipe)
    n, device = len(train.images), setting.device
    steps, epochs = steps_of(n, recipe["batch_size"]), epochs_of(setting.epochs, recipe["exposure"])
    begun = time.perf_counter()
    there = f"{device.kind} {device.precision} {torch.__version__} {RECIPE}"
    like = f"{torch.get_num_threads()} {train.image_divisor} {train.centre} {train.scale}"
    identity = setting.network and f"{setting.network} {there} {like}"
    for network, seed in zip(networks, seeds, strict=True):
        if knows_layout(network):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        pretrained(recipe["pretrain"], network, identity, seed, partial(_on_other_faces, train, device))
        if recipe["mean_start"]:
            start_at_mean(network, train.target(train.keypoints))
    spent = time.perf_counter() - begun if recipe["pretrain"] != "none" else 0.0
    weights = Weights(
        [one for network in networks for one in network.parameters() if one.requires_grad],
        weight_decay=recipe["weight_decay"],
        spare_norms=recipe["spare_norms"],
        # Code of a person's own may leave a layer out of a step, whose weights then have to stay as they are.
        joined=recipe["optimizer"] in JOINED.get(device.kind, ()) and all(map(knows_layout, networks)),
        cast=torch.bfloat16 if device.precision == "bf16" else None,
    )
    stepper = make_optimizer(recipe["optimizer"], weights.groups, lr=recipe["lr"])
    rate = SCHEDULES[recipe["schedule"]](stepper, recipe["lr"], epochs * steps)
    average = Average(networks, recipe["ema"]) if recipe["ema"] else None
    judged = networks if average is None else average.networks
    val_faces = val.pictures(slice(None)), val.target(val.keypoints)
    validate = Validation(judged, *val_faces, device, record=setting.record)
    parts: dict[str, Any] = {f"network {seed}": network for network, seed in zip(networks, seeds, strict=True)}
    parts |= {"optimizer": stepper, "schedule": rate} | ({} if average is None else {"average": average})
    checkpoint = Checkpoint(setting.checkpoint, f"{there} {seeds} {epochs}", parts)
    records = checkpoint.load()
    yield from ((one,) for one in records)

    members = [
        Member(network, seed, train, device, recipe, weights.working(network))
        for network, seed in zip(networks, seeds, strict=True)
    ]
    begin_steps = partial(step_of, members, weights, device, record=setting.record)
    step, weak_from = begin_steps(), math.floor(recipe["strong_until"] * epochs) + 1
    diverged: dict[int, DivergedError] = {}
    order = _begin(members, len(records) + 1, weak_from)
    for epoch in range(len(records) + 1, epochs + 1):
        start = time.perf_counter()
        if epoch == weak_from:
            step = begin_steps()  # another step, where looks end
        for member in members:
            member.total.zero_()
            member.network.train()
        with global_seed(seeds[0], "dropout", epoch):
            for batches in order.tensor_split(steps, dim=1):
                step(batches)
                stepper.step()
                rate.step()
                if average is not None:
                    average.update()
        if epoch < epochs:
            order = _begin(members, epoch + 1, weak_from)  # while a card still works
        if average is not None and epoch == epochs:
            for network, averaged in zip(networks, judged, strict=True):
                network.load_state_dict(averaged.state_dict())
        found: list[EpochRecord | DivergedError] = []
        judgements = validate()
        seconds = (time.perf_counter() - start) / len(members) + (spent if epoch == 1 else 0.0)
        for member, val_mse in zip(members, judgements, strict=True):
            if member.seed in diverged:
                found.append(diverged[member.seed])
                continue
            try:
                found.append(record(epoch, member.total.item() / n, val_mse, seconds))
            except DivergedError as failure:
                # Without its traceback, whose frames would hold the network and its memory.
                found.append(diverged.setdefault(member.seed, failure.with_traceback(None)))
        if len(members) == 1 and isinstance(found[0], EpochRecord):
            records.append(found[0])
            if epoch < epochs:
                checkpoint.after(records)
        yield tuple(found)
        if len(diverged) == len(members):
            return
    checkpoint.remove()


def _begin(members: Sequence[Member], epoch: int, weak_from: int) -> torch.Tensor:
    """Draws an epoch of each member; the orders of their faces, (K, N)."""
    return torch.stack([member.begin(epoch, weak=epoch >= weak_from) for member in members])


def _on_other_faces(
    like: DeviceFaces, device: Device, network: nn.Module, train: Faces, val: Faces, epochs: int, seed: int, recipe: Any
) -> Iterator[EpochRecord]:
    """`fit` on other faces in the same coordinates."""

    def there(faces: Faces) -> DeviceFaces:
        place = like.images.device
        images, keypoints = torch.tensor(faces.images, device=place), torch.tensor(faces.keypoints, device=place)
        return replace(like, images=images, keypoints=keypoints)

    return fit(network, there(train), there(val), Setting(epochs, seed, device), **recipe)


def steps_of(n: int, batch_size: int) -> int:
    """Steps of an epoch over n faces: even batches, none of one face, for a batch norm needs two.

    Raises:
        UsageError: fewer than two faces.
    """
    if n < 2:
        raise UsageError("training needs at least two faces")
    return min(math.ceil(n / batch_size), n // 2)


def record(epoch: int, train_mse: float, val_mse: float, seconds: float) -> EpochRecord:
    """What an epoch left.

    Raises:
        DivergedError: a loss is not finite.
    """
    if not (math.isfinite(train_mse) and math.isfinite(val_mse)):
        raise DivergedError(f"the loss is not finite in epoch {epoch}")
    score = score_from_mse(val_mse)
    return EpochRecord(epoch=epoch, train_mse=train_mse, val_mse=val_mse, val_score=score, seconds=seconds)


RECIPE = 3
"""Changes whenever the numbers of a run with the same parameters, seed and device do; runs are reused within one."""

PREFIX = "training."


def training_defaults() -> dict[str, Scalar]:
    """The training parameters by dotted name with their defaults: the keyword-only part of `fit`."""
    parameters = inspect.signature(fit).parameters.values()
    return {PREFIX + p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def training_of(params: Params) -> dict[str, Any]:
    """The keyword arguments of `fit` in a complete cell."""
    return {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}
