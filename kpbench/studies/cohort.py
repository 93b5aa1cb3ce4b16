"""`kpbench verify cohort`: do seeds trained together get the numbers of seeds trained alone?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kpbench.cell import EpochRecord
from kpbench.engine.evaluate import Staged, as_cohort, prepare, side_by_side
from kpbench.engine.jobs import Failure, Job
from kpbench.errors import UsageError
from kpbench.networks.families import describe, is_foreign
from kpbench.studies.preflight import Say, at_least, prepare_task
from kpbench.training.device import threads

Epoch = Sequence[EpochRecord | Failure]

TOLERANCE = 0.03
"""The greatest relative difference of an MSE that rounding may make after these few steps.

On a CPU there is none. On a card some of torch's kernels add in an order that is not fixed (bilinear interpolation
backward), so that one seed alone is not the same twice either, and AdamW's first steps have the size of the learning
rate however small a gradient is: rounding grows. Other seeds in one of the ways differ by more,
which a test shows.
"""

FACES = 256
"""Training faces that are enough to tell."""


@dataclass(frozen=True)
class Difference:
    """One cell: the greatest relative difference of its train and val MSE over epochs and seeds, and seconds of each.

    The seconds are those of the last epoch, of all seeds alone and of the cohort.
    """

    cell: str
    train: float
    val: float
    alone: float
    together: float

    @property
    def agrees(self) -> bool:
        """Whether both differences are within the tolerance; NaN is not."""
        return self.train <= TOLERANCE and self.val <= TOLERANCE


def cohort_differences(
    space: str, data: str, *, seeds: int, epochs: int, device: str, say: Say
) -> Iterator[Difference]:
    """Trains each cell of a finite space with the same seeds in both ways on at most 256 faces.

    Raises:
        UsageError: an unknown name, a number out of range, a space without an end or of networks of its own alone.
    """
    at_least({"--seeds": (seeds, 2), "--epochs": (epochs, 1)})
    task = prepare_task(space, device, epochs)
    if task.space.size is None:
        raise UsageError(f"space '{space}' has a continuous range; verify cohort wants one with cells to go through")
    cells = [task.complete(cell) for cell in task.space.cells()]
    cells = [cell for cell in cells if not is_foreign(cell)]
    if not cells:
        raise UsageError(f"space '{space}' has networks of its own alone; their seeds are trained one by one")
    staged = task.stage(task.read_faces(data, say))
    ready = prepare(_few(staged))
    for number, cell in enumerate(cells):
        job = Job(number=number, role="ablation", params=cell, seeds=tuple(range(seeds)), budget=epochs)
        with threads():
            alone, together = (
                [found for found, _ in zip(train(job, ready), range(epochs), strict=False)]
                for train in (side_by_side, as_cohort)
            )
        yield Difference(
            describe(cell),
            *(_greatest(alone, together, of) for of in ("train_mse", "val_mse")),
            *(sum(one.seconds for one in way[-1] if isinstance(one, EpochRecord)) for way in (alone, together)),
        )


def _few(staged: Staged) -> Staged:
    return replace(
        staged,
        train_images=staged.train_images[:FACES],
        train_keypoints=staged.train_keypoints[:FACES],
        val_images=staged.val_images[:FACES],
        val_keypoints=staged.val_keypoints[:FACES],
    )


def _greatest(alone: Sequence[Epoch], together: Sequence[Epoch], of: str) -> float:
    """The greatest relative difference over epochs and seeds; NaN where one way failed and the other did not."""
    a, b = (
        np.array([[getattr(one, of, np.nan) for one in epoch] for epoch in way], float) for way in (alone, together)
    )
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return float("nan")
    return float(np.nanmax(np.abs(b / a - 1), initial=0.0))
