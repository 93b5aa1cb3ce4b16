"""Faces with some keypoints missing, added to the training split alone: an opt-in for a masked loss."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import Faces, Splits
from kpbench.faces.parts import Parts

LABELS = ("complete", "partial")
"""`complete`: faces with all 15 keypoints; `partial`: for training also those with at least one."""


def with_partial_faces(splits: Splits, parts: Parts) -> Splits:
    """`splits` with the faces of the train part that lack keypoints added after the complete ones; a note counts them.

    Val and test stay as they are, complete, so that scores compare with those of complete labels. Left out are faces
    without any whole keypoint, and those that val or test would leak through: the same picture, or the same person.

    Args:
        splits: made of the complete faces of `parts`.
        parts: as the source brings them, missing labels as NaN.

    Raises:
        UsageError: there is no such face.
    """
    whole = _whole_keypoints(parts.train)
    some = whole.any(axis=1) & ~whole.all(axis=1)
    leaks = parts.train.also_in(splits.val) | splits.test.holds(parts.train)
    index = np.flatnonzero(some & ~leaks)
    if not len(index):
        raise UsageError(f"{splits.name} has no face with missing labels to train on; leave --labels partial out")
    extra = parts.train.take(index)
    points = np.where(_whole_keypoints(extra)[:, :, None], extra.keypoints, np.float32(np.nan))
    extra = Faces(extra.images, points.astype(np.float32), extra.subjects, extra.conditions)
    left_out = int((some & leaks).sum())
    because = f"; {left_out:,} more show a picture or a person of val or test" if left_out else ""
    note = f"{len(extra):,} faces with missing labels added to train for a masked loss{because}"
    notes = tuple(text for text in splits.notes if not _speaks_of_dropped_train_rows(text))
    return replace(splits, train=_joined(splits.train, extra), notes=(*notes, note))


def _whole_keypoints(faces: Faces) -> NDArray[np.bool_]:
    """(N, 15): whether both coordinates of a keypoint are there; half a keypoint is none."""
    return np.asarray(np.isfinite(faces.keypoints).all(axis=2))


def _joined(first: Faces, second: Faces) -> Faces:
    subjects = None
    if first.subjects is not None and second.subjects is not None:
        subjects = np.concatenate([first.subjects, second.subjects])
    shared = [name for name in first.conditions if name in second.conditions]
    return Faces(
        np.concatenate([first.images, second.images]),
        np.concatenate([first.keypoints, second.keypoints]),
        subjects,
        {name: np.concatenate([first.conditions[name], second.conditions[name]]) for name in shared},
    )


def _speaks_of_dropped_train_rows(note: str) -> bool:
    return " train rows dropped: a keypoint is missing" in note
