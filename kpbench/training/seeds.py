"""Torch's random states, each derived for one role."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kpbench.seeds import derive


def generator(seed: int, *roles: str | int) -> torch.Generator:
    """A CPU generator for one role."""
    return torch.Generator().manual_seed(derive(seed, *roles))


@contextmanager
def global_seed(seed: int, *roles: str | int) -> Iterator[None]:
    """Torch's global random state for one role while the block runs; the caller's state is put back.

    Initial weights and dropout draw from the global state; inside this block what else runs in the process
    neither disturbs them nor is disturbed.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(derive(seed, *roles))
        yield
