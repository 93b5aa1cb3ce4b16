"""Faces with some keypoints missing, added to the training split alone: an opt-in for a masked loss."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.faces.parts import Parts

LABELS = ("complete", "partial")
"""`complete`: faces with all 15 keypoints; `partial`: for training also those with at least one."""


def with_partial_faces(splits: Splits, parts: Parts, *, copies: NDArray[np.intp] | None = None) -> Splits:
    """`splits` with the faces of the train part that lack keypoints added after the complete ones; a note counts them.

    Val and test stay as they are, complete, so that scores compare with those of complete labels. Left out are faces
    without any whole keypoint, and those that val or test would leak through: the same picture, or the same person.

    Args:
        splits: made of the complete faces of `parts`.
        parts: as the source brings them, missing labels as NaN.
        copies: (N,) over the faces of `parts` a number that near-copies share; then they are the same picture here.

    Raises:
        UsageError: there is no such face.
    """
    whole = np.asarray(np.isfinite(parts.train.keypoints).all(axis=2))  # half a keypoint is none
    some = whole.any(axis=1) & ~whole.all(axis=1)
    leaks = parts.train.also_in(splits.val) | splits.test.holds(parts.train)
    if copies is not None:
        own = copies[: len(parts.train)]
        leaks |= np.isin(own, [*own[leaks], *copies[len(parts.train) :]])
    index = np.flatnonzero(some & ~leaks)
    if not len(index):
        raise UsageError(f"{splits.name} has no face with missing labels to train on; leave --labels partial out")
    extra = parts.train.take(index)
    extra = replace(extra, keypoints=np.where(whole[index][:, :, None], extra.keypoints, np.float32(np.nan)))
    left_out = int((some & leaks).sum())
    because = f"; {left_out:,} more show a picture or a person of val or test" if left_out else ""
    note = f"{len(extra):,} faces with missing labels added to train for a masked loss{because}"
    notes = tuple(text for text in splits.notes if " train rows dropped: a keypoint is missing" not in text)
    return replace(splits, train=splits.train.joined(extra), notes=(*notes, note))
