"""One run among those that are trained together: what it draws in an epoch, and its step forward and back."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from kpbench.networks.heads import HasOwnLoss
from kpbench.seeds import derive
from kpbench.training.augment import Moves, draw_moves, moved
from kpbench.training.device import Device, put
from kpbench.training.faces import DeviceFaces
from kpbench.training.looks import Looks, draw_looks, look
from kpbench.training.recipe import LOSSES, masked_mean
from kpbench.training.seeds import generator

MOVES = ("shift", "rotate", "scale", "brightness", "contrast", "flip")
"""The training parameters that are `draw_moves`'."""

LOOKS = ("blur", "sharpen", "gamma", "cutout")
"""The training parameters that are `draw_looks`'."""

WEAK = {"shift": 4.0, "rotate": 8.0, "scale": 0.08}
"""Greatest moves after `strong_until`."""


class Member:
    """A network and a seed. Order, moves, looks and dropout follow from the seed and the epoch alone.

    What an epoch draws stays in the same memory from epoch to epoch, for a recorded step reads it there.

    Args:
        recipe: the keyword arguments of `fit`, complete.
        working: what stands in for weights of the network in a step, by name.

    Attributes:
        dropout: this member's own state of the device's random numbers.
        total: the sum of its squared errors since it was last set to zero.
    """

    def __init__(
        self,
        network: nn.Module,
        seed: int,
        train: DeviceFaces,
        device: Device,
        recipe: Mapping[str, Any],
        working: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self.network, self.seed, self._working = network, seed, dict(working)
        self.dropout = torch.Generator(device.torch)
        self.total = torch.zeros((), device=device.torch)
        self._train, self._device = train, device
        self._moves = {name: recipe[name] for name in MOVES}
        self._looks = {name: recipe[name] for name in LOOKS}
        self._loss, self._squared = loss_for(train, recipe["loss"]), loss_for(train)
        self._terms = [module for module in network.modules() if isinstance(module, HasOwnLoss)]
        self._alone = recipe["loss"] == "mse" and not self._terms
        self._drawn: Moves | None = None
        self._target: Tensor | None = None
        self._seen: Looks | None = None

    def begin(self, epoch: int, *, weak: bool) -> Tensor:
        """Draws an epoch; the order of its faces, (N,)."""
        train, n = self._train, len(self._train.images)
        self.dropout.manual_seed(derive(self.seed, "dropout", epoch))
        moves = {name: min(value, WEAK.get(name, value)) if weak else value for name, value in self._moves.items()}
        order = put(torch.randperm(n, generator=generator(self.seed, "order", epoch)), train.images.device)
        drawn = draw_moves(train.keypoints, generator(self.seed, "augment", epoch), **moves)
        self._drawn = _renewed(self._drawn, drawn)
        target = train.target(drawn.keypoints)
        self._target = target if self._target is None else self._target.copy_(target)
        looks = generator(self.seed, "looks", epoch)
        seen = None if weak else draw_looks(n, looks, self._device.torch, **self._looks)
        self._seen = _renewed(self._seen, seen)
        return order

    def step(self, index: Tensor) -> None:
        """Forward and back over the faces at `index`, (n,): adds to the weights' gradients and to `total`."""
        assert self._drawn is not None and self._target is not None
        pictures, wanted = moved(self._train, self._drawn, index), self._target[index]
        pictures = pictures if self._seen is None else look(pictures, self._seen, index)
        device = self._device
        with torch.autocast(device.kind, torch.bfloat16, enabled=device.precision == "bf16"):
            given = (pictures,)
            predicted = functional_call(self.network, self._working, given) if self._working else self.network(*given)
        points = predicted.float().reshape(-1, *wanted.shape)  # of each member, where a network has several
        asked = wanted.expand_as(points)
        wrong = self._loss(points, asked)
        for term in self._terms:
            wrong = wrong + term.own_loss(wanted) / len(points)  # the mean over members, as that of the points
        wrong.backward()
        self.total += (wrong if self._alone else self._squared(points, asked)).detach() * len(index)


T = TypeVar("T", Moves, Looks)


def _renewed(held: T | None, new: T | None) -> T | None:
    """`new`, in the memory of `held` where there is one."""
    if held is None or new is None:
        return new
    for field in fields(held):
        getattr(held, field.name).copy_(getattr(new, field.name))
    return held


def loss_for(train: DeviceFaces, name: str = "mse") -> Callable[[Tensor, Tensor], Tensor]:
    """The mean of a loss over the coordinates, or over those that are labelled where some are not."""
    each = LOSSES[name]
    if not bool(torch.isfinite(train.keypoints).all()):
        return partial(masked_mean, each)
    if name == "mse":
        return F.mse_loss  # what the scorer computes, and one pass
    return lambda predicted, target: each(predicted, target).mean()
