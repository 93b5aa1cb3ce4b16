"""Which faces show the same picture, byte for byte or nearly so, found once for each set of pictures."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.checks.hashes import equal_groups, flat, groups_alike
from kpbench.faces.library.cache import cached_numbers
from kpbench.faces.parts import Parts, Progress, silent
from kpbench.faces.split import linked

_VERSION = 1
"""Raised when the same pictures are grouped otherwise."""


def copies_in(parts: Parts, progress: Progress = silent) -> NDArray[np.intp]:
    """(N,): a number for each face of train, then val, then test, the same for those that show the same picture.

    Faces cut from one picture file show the same picture too. What the pixels tell is kept in the cache under the
    digest of the pictures.
    """
    images = np.concatenate([faces.images[:, 0] for _, faces in parts.items()])
    key = f"near copies {_VERSION} {hashlib.sha256(images.data).hexdigest()}"

    def find() -> NDArray[np.intp]:
        progress("looking for near-copies", 0.0)
        found = _copies(images)
        progress("looking for near-copies", 1.0)
        return found

    copies = cached_numbers(key, find)
    files = [faces.origins[:, 0] for _, faces in parts.items() if faces.origins is not None]
    if len(files) < len(parts.items()):
        return copies
    return linked(copies, np.unique(np.concatenate(files), return_inverse=True)[1])


def _copies(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """(N,): of each picture (N, H, W) the first that shows the same; pictures of one grey are not like each other."""
    same = equal_groups(image.tobytes() for image in images)
    first = np.array([group[0] for group in same])
    lively = first[~flat(images[first])]
    found = np.arange(len(images))
    found[lively] = lively[groups_alike(images[lively])]
    for group in same:
        found[group] = found[group[0]]
    return found
