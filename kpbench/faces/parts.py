"""The parts a data source holds as it brings them: train, perhaps val, perhaps test, before anything is split off."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, Faces

PARTS = ("train", "val", "test")

FEWER = (
    f"kpbench scores all {len(KEYPOINTS)} keypoints, so val and test need faces that have them all; data with fewer "
    "points are not supported: label the others, by hand or with a 68-point landmark tool (a CSV of columns 0 to 135)"
)
"""What a person is told whose faces have too few points."""

Progress = Callable[[str, float], None]
"""Called with what is being done ("reading training.csv") and the share that is done, 0 to 1."""


def silent(what: str, share: float) -> None:
    """The progress of someone who does not watch."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What a source holds; None where it brings no such part.

    Attributes:
        notes: one sentence for each thing a person should know of how the source was read.
    """

    train: Faces
    val: Faces | None = None
    test: Faces | None = None
    notes: tuple[str, ...] = ()

    def items(self) -> list[tuple[str, Faces]]:
        """Name and faces of each part there is, train first."""
        named = (("train", self.train), ("val", self.val), ("test", self.test))
        return [(name, faces) for name, faces in named if faces is not None]


def complete_only(where: str, parts: Parts) -> Parts:
    """`parts` without the faces that lack a keypoint; a note counts those dropped.

    Raises:
        UsageError: a part has no complete face; `where` is named in the message.
    """
    kept: dict[str, Faces] = {}
    notes = list(parts.notes)
    for name, faces in parts.items():
        complete = faces.complete()
        dropped = len(faces) - int(complete.sum())
        if dropped == len(faces):
            raise UsageError(
                f"{where}: no complete row in the {name} part: each of its {len(faces):,} faces lacks a keypoint; "
                f"{FEWER}; --labels partial adds incomplete faces to train alone"
            )
        if dropped:
            notes.append(f"{dropped:,} of {len(faces):,} {name} rows dropped: a keypoint is missing")
        kept[name] = faces.take(np.flatnonzero(complete)) if dropped else faces
    return replace(parts, **kept, notes=tuple(notes))
