"""The parts of a recipe that have names: optimisers, schedules, losses; and the moving average of weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from kpbench.errors import lookup
from kpbench.faces.faces import SIZE
from kpbench.networks.fused import AVAILABLE, card_fault
from kpbench.networks.torchvision_ops import declare_missing_operators
from kpbench.training.weights import Groups

PIXEL = 2 / SIZE
"""A pixel in the coordinates of the task."""

WARM_UP = 0.05
"""Share of the steps in which `flat_cosine` and `constant` come up to their rate."""

FLAT = 0.5
"""Share of the steps after which `flat_cosine` begins to come down."""


def _adamw(groups: Groups, lr: float, fused: bool) -> torch.optim.Optimizer:
    held = [cast(list[Tensor], group["params"]) for group in groups]
    on_a_card = all(len(own) == 1 and own[0].device.type == "cuda" for own in held)  # where all weights are one
    if on_a_card and AVAILABLE["cuda"] and not card_fault():
        from kpbench.training.card_adamw import CardAdamW  # noqa: PLC0415  # Triton is there where torch is for a card

        return CardAdamW(groups, lr=lr)
    return torch.optim.AdamW(groups, lr=lr, fused=fused)


def _sgd(groups: Groups, lr: float, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True, fused=fused)


def _muon(groups: Groups, lr: float, fused: bool) -> torch.optim.Optimizer:
    # timm's takes convolutions too, and AdamW for what is no matrix; torch's own takes matrices alone.
    declare_missing_operators()
    from timm.optim import Muon  # noqa: PLC0415  # seconds to import

    made: torch.optim.Optimizer = Muon(groups, lr=lr, nesterov=True)
    return made


OPTIMIZERS: Mapping[str, Callable[[Groups, float, bool], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "sgd": _sgd,
    "muon": _muon,
}


JOINED = {"cuda": ("adamw", "sgd")}
"""Optimisers that are given all weights as one, by kind of device: where each kernel started counts."""


def make_optimizer(name: str, groups: Groups, *, lr: float) -> torch.optim.Optimizer:
    """An optimiser of the table `OPTIMIZERS` over groups of parameters with their weight decay."""
    fused = all(one.device.type != "mps" for group in groups for one in cast(list[Tensor], group["params"]))
    return lookup(OPTIMIZERS, name, "training.optimizer")(groups, lr, fused)


def flat_cosine(share: float) -> float:
    """The rate over its peak after a share of the steps: up, flat, and down to 0 along half a cosine."""
    down = 0.5 * (1 + math.cos(math.pi * max(0.0, share - FLAT) / (1 - FLAT)))
    return min(1.0, share / WARM_UP) * down


def constant(share: float) -> float:
    """The rate over its peak after a share of the steps: up, then flat."""
    return min(1.0, share / WARM_UP)


def _by(factor: Callable[[float], float]) -> Callable[[torch.optim.Optimizer, float, int], LRScheduler]:
    return lambda optimizer, lr, steps: LambdaLR(optimizer, lambda step: factor((step + 1) / steps))


SCHEDULES: Mapping[str, Callable[[torch.optim.Optimizer, float, int], LRScheduler]] = {
    "one_cycle": lambda optimizer, lr, steps: OneCycleLR(
        optimizer, max_lr=lr, total_steps=steps, cycle_momentum=not {"momentum", "betas"} <= set(optimizer.defaults)
    ),
    "flat_cosine": _by(flat_cosine),
    "constant": _by(constant),
}
"""Schedule -> (optimiser, peak rate, steps of the run) to torch's schedule, which is stepped after each step."""


def wing(predicted: Tensor, target: Tensor) -> Tensor:
    """The wing loss of each coordinate, w = 10 and epsilon = 2 pixels (Feng et al. 2018, 1711.06753, equation 5)."""
    width, curve = 10 * PIXEL, 2 * PIXEL
    away = (predicted - target).abs()
    jump = width - width * math.log(1 + width / curve)
    return torch.where(away < width, width * torch.log(1 + away / curve), away - jump)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda predicted, target: (predicted - target).square(),
    "l1": lambda predicted, target: (predicted - target).abs(),
    "smooth_l1": lambda predicted, target: F.smooth_l1_loss(predicted, target, reduction="none", beta=PIXEL),
    "wing": wing,
}
"""Loss -> that of each coordinate, both in the coordinates of the task; `smooth_l1` turns linear at one pixel."""


def masked_mean(each: Callable[[Tensor, Tensor], Tensor], predicted: Tensor, target: Tensor) -> Tensor:
    """The mean of a loss over the coordinates that are labelled; NaN in `target` marks one that is not.

    Args:
        predicted, target: (N, 15, 2); at least one value of `target` is a number.
    """
    labelled = torch.isfinite(target)
    # The missing are taken out before the loss: NaN times zero would be NaN in the gradient too.
    known = torch.where(labelled, target, predicted.detach())
    return torch.where(labelled, each(predicted, known), 0.0).sum() / labelled.sum()


class Average:
    """The exponential moving average of networks' weights and statistics, which is judged in their place.

    In step t the decay is min(decay, (1 + t) / (10 + t)), so that the first steps do not linger.
    """

    def __init__(self, networks: Sequence[nn.Module], decay: float) -> None:
        self.networks = deepcopy(list(networks))
        self._decay, self._taken = decay, 0
        pairs = list(zip(_state(self.networks), _state(networks), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Takes the networks' weights in after a step; the first step's as they are."""
        keep = min(self._decay, (1 + self._taken) / (10 + self._taken)) if self._taken else 0.0
        mine, theirs = map(list, zip(*self._averaged, strict=True))
        torch._foreach_lerp_(mine, theirs, 1 - keep)
        for count, other in self._copied:
            count.copy_(other)
        self._taken += 1

    def state_dict(self) -> dict[str, Any]:
        """The average and how many steps are in it."""
        return {"taken": self._taken, "networks": [network.state_dict() for network in self.networks]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up an average where it was."""
        self._taken = state["taken"]
        for network, own in zip(self.networks, state["networks"], strict=True):
            network.load_state_dict(own)


def _state(networks: Sequence[nn.Module]) -> list[Tensor]:
    """All parameters and buffers, in their order."""
    return [value for network in networks for value in (*network.parameters(), *network.buffers())]
