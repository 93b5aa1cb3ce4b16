"""AdamW on a CUDA card in one pass over a parameter, in Triton.

Torch's own gives 65,536 numbers to each processor of the card, so that most of them stand still where a network is
small, and takes the CPU longer than all else of a step that is recorded.
"""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 1024


class CardAdamW(torch.optim.AdamW):
    """Torch's AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), without its options; its state is the same."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves each parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state, (first, second) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.tensor(0.0)  # on the CPU
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        taken, lr = state["step"].item(), group["lr"]
        rates = 1 - lr * group["weight_decay"], lr / (1 - first**taken), (1 - second**taken) ** -0.5
        held = parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"]
        n = parameter.numel()
        move[(triton.cdiv(n, BLOCK),)](*held, n, first, second, *rates, group["eps"], block=BLOCK)


@triton.jit
def move(values, gradient, mean, square, n, first, second, keep, rate, root, eps, block: tl.constexpr):
    """A step; `keep` is 1 less the decay, `rate` and `root` hold the corrections of the averages' beginnings."""
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    known = at < n
    own = tl.load(gradient + at, mask=known, other=0.0)
    average = tl.load(mean + at, mask=known, other=0.0)
    average += (1 - first) * (own - average)
    squared = tl.load(square + at, mask=known, other=0.0)
    squared = second * squared + (1 - second) * own * own
    value = tl.load(values + at, mask=known, other=0.0)
    tl.store(values + at, value * keep - rate * average / (tl.sqrt(squared) * root + eps), mask=known)
    tl.store(mean + at, average, mask=known)
    tl.store(square + at, squared, mask=known)
