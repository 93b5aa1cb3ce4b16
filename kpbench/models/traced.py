"""Networks traced for an export: the example they are traced with, and the check that the file still computes them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE
from kpbench.networks.checks import first_line

BATCHES = (2, 1, 5)
"""Faces of the batches that an export is checked on; the first is what it is traced with."""


def examples() -> list[Tensor]:
    """Batches of noise in 0..1, (N, 1, 96, 96), the same each time."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(n, 1, SIZE, SIZE, generator=generator) for n in BATCHES]


def check_same(network: nn.Module, loaded: nn.Module, what: str, *, tolerance: float = 0.0) -> None:
    """Compares a network with what was read back from its export.

    Args:
        tolerance: the largest difference of a value allowed, in (k - 48) / 48 units; 0 is bit for bit.

    Raises:
        UsageError: the outputs differ by more, or have another shape.
    """
    with torch.inference_mode():
        for faces in examples():
            wanted, found = network(faces), loaded(faces)
            if found.shape != wanted.shape or not (found - wanted).abs().max() <= tolerance:
                raise UsageError(f"this network cannot be exported as {what}: the file computes something else")


@contextmanager
def tracing(what: str) -> Iterator[None]:
    """Quiets torch's advice, and tells in one line what torch cannot trace.

    Raises:
        UsageError: instead of any other exception.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except (UsageError, OSError):
        raise
    except Exception as error:  # what torch's tracers raise
        raise UsageError(
            f"this network cannot be exported as {what}: {first_line(error)}; a frequent cause in a network of your "
            "own is x.view(len(x), -1): write x.flatten(1)"
        ) from error
