"""The weights of a training step, as its optimiser holds them."""

from collections.abc import Mapping, Sequence
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
        cast: the type in which convolutions and products of joined weights are taken, if it is not theirs. All are
            cast in one pass.

    Attributes:
        groups: for the optimiser.
        moved: all parameters in them.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        *,
        weight_decay: float,
        spare_norms: bool,
        joined: bool,
        cast: torch.dtype | None = None,
    ) -> None:
        self._weights = list(weights)
        decayed = [one for one in weights if one.ndim > 1 or not spare_norms]
        spared = [one for one in weights if one.ndim <= 1 and spare_norms]
        lists = [(own, decay) for own, decay in ((decayed, weight_decay), (spared, 0.0)) if own]
        joined = joined and len({one.dtype for one in weights}) == 1
        self._joined = [_Joined(own, cast) for own, _ in lists] if joined else []
        held: list[list[Tensor]] = [[one.values] for one in self._joined] or [own for own, _ in lists]
        self.groups: Groups = [
            {"params": own, "weight_decay": decay} for own, (_, decay) in zip(held, lists, strict=True)
        ]
        self.moved = [one for own in held for one in own]

    def forget(self) -> None:
        """Takes the gradients away, so that the step's own become the weights', and casts the weights anew."""
        for weight in self._weights:
            weight.grad = None
        for joined in self._joined:
            joined.cast()

    def working(self, network: nn.Module) -> Mapping[str, Tensor]:
        """What stands in for weights of a network in a step under autocast, by name: copies that need no cast.

        Those of convolutions and products, which autocast would cast to the same numbers, each by itself.
        """
        layers = [(name, layer) for name, layer in network.named_modules() if type(layer) in (nn.Conv2d, nn.Linear)]
        named = [
            (f"{name}.{own}", weight) for name, layer in layers for own, weight in layer.named_parameters(recurse=False)
        ]
        copies = {id(weight): copy for joined in self._joined for weight, copy in joined.copies}
        return {name: copies[id(weight)] for name, weight in named if id(weight) in copies}

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
        copies: each weight with its copy in another type, if there is one.
    """

    def __init__(self, weights: Sequence[Tensor], cast: torch.dtype | None) -> None:
        starts = [0, *accumulate(-(-one.numel() // ALIGNED) * ALIGNED for one in weights)]
        self._weights = list(weights)
        self.values = nn.Parameter(weights[0].new_zeros(starts[-1]))
        self.values.grad = torch.zeros_like(self.values)
        self._cast = None if cast is None else torch.zeros_like(self.values, dtype=cast, requires_grad=False)
        memories = self.values.detach(), self.values.grad, self._cast
        with torch.no_grad():
            own, self._gradients, copies = (
                []
                if memory is None
                else [_part(one, memory, start) for one, start in zip(weights, starts, strict=False)]
                for memory in memories
            )
            for weight, part in zip(weights, own, strict=True):
                weight.data = part.copy_(weight)
        self.copies = [(weight, copy.requires_grad_()) for weight, copy in zip(weights, copies, strict=bool(copies))]

    def cast(self) -> None:
        """The copies become what the weights are, without a gradient."""
        for _, copy in self.copies:
            copy.grad = None
        if self._cast is not None:
            self._cast.copy_(self.values.detach())

    def collect(self) -> None:
        """Their gradients become that of `values`, which stays where it is."""
        copies = [copy for _, copy in self.copies]
        for held in (self._weights, copies):
            pairs = zip(self._gradients, held, strict=False)
            found = [(part, weight.grad) for part, weight in pairs if weight.grad is not None]
            if found:
                torch._foreach_copy_([part for part, _ in found], [gradient for _, gradient in found])


def _part(weight: Tensor, memory: Tensor, start: int) -> Tensor:
    """A part of `memory` in the shape of a weight, and in its layout."""
    part = memory[start : start + weight.numel()]
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        n, c, h, w = weight.shape
        return part.view(n, h, w, c).permute(0, 3, 1, 2)
    return part.view(weight.shape)
