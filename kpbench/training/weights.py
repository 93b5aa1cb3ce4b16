"""The weights of a training step, as its optimiser holds them."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

Groups = list[dict[str, object]]


class Weights:
    """What a step forgets before it begins, and what the optimiser moves after it, in groups of one weight decay.

    Args:
        weights: those that are trained, on one device.
        spare_norms: weight decay leaves out what has one dimension: biases, and gamma and beta of norms.
        joined: the weights of a group lie side by side in memory and are one parameter to the optimiser, so that a
            card moves hundreds in one pass; for rules that move each number by itself.

    Attributes:
        groups: for the optimiser.
        moved: all parameters in them.
    """

    def __init__(self, weights: Sequence[Tensor], *, weight_decay: float, spare_norms: bool, joined: bool) -> None:
        self._weights = list(weights)
        decayed = [one for one in weights if one.ndim > 1 or not spare_norms]
        spared = [one for one in weights if one.ndim <= 1 and spare_norms]
        lists = [(own, decay) for own, decay in ((decayed, weight_decay), (spared, 0.0)) if own]
        joined = joined and len({one.dtype for one in weights}) == 1
        self._joined = [_Joined(own) for own, _ in lists] if joined else []
        held: list[list[Tensor]] = [[one.values] for one in self._joined] or [own for own, _ in lists]
        self.groups: Groups = [
            {"params": own, "weight_decay": decay} for own, (_, decay) in zip(held, lists, strict=True)
        ]
        self.moved = [one for own in held for one in own]

    def forget(self) -> None:
        """Takes the gradients away, so that the step's own become the weights'."""
        for weight in self._weights:
            weight.grad = None

    def collect(self) -> None:
        """Gives the gradients that a step has left in the weights to what the optimiser moves."""
        for joined in self._joined:
            joined.collect()


ALIGNED = 64
"""Numbers to whose multiple each weight begins, as it would in memory of its own: kernels are chosen by that too."""


class _Joined:
    """Weights side by side in memory.

    Attributes:
        values: (total,), the parameter that they are parts of.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        starts = [0, *accumulate(-(-one.numel() // ALIGNED) * ALIGNED for one in weights)]
        self._weights = list(weights)
        self.values = nn.Parameter(weights[0].new_zeros(starts[-1]))
        self.values.grad = torch.zeros_like(self.values)
        with torch.no_grad():
            own, self._gradients = (
                [_part(one, memory, start) for one, start in zip(weights, starts, strict=False)]
                for memory in (self.values.detach(), self.values.grad)
            )
            for weight, part in zip(weights, own, strict=True):
                weight.data = part.copy_(weight)

    def collect(self) -> None:
        """Their gradients become that of `values`, which stays where it is."""
        pairs = zip(self._gradients, self._weights, strict=True)
        found = [(part, weight.grad) for part, weight in pairs if weight.grad is not None]
        torch._foreach_copy_([part for part, _ in found], [gradient for _, gradient in found])


def _part(weight: Tensor, memory: Tensor, start: int) -> Tensor:
    """A part of `memory` in the shape of a weight, and in its layout."""
    part = memory[start : start + weight.numel()]
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        n, c, h, w = weight.shape
        return part.view(n, h, w, c).permute(0, 3, 1, 2)
    return part.view(weight.shape)
