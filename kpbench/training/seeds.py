"""Seeds derived by hashing, never from a global state."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(seed: int, *roles: str | int) -> int:
    """A 63-bit seed for one role (`derive(3, "shuffle", epoch)`), independent of every other role's."""
    text = ":".join(str(part) for part in (seed, *roles))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


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
