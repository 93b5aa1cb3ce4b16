"""A small clean data set of built-in faces, drawn once for every test that wants it."""

from functools import cache
from itertools import pairwise

import numpy as np

from kpbench.faces.checks.pool import Pool, pool_of
from kpbench.faces.drawn import synthetic
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts

SHARES = {"val_share": 0.15, "test_share": 0.15, "seed": 20}


@cache
def drawn_faces() -> Faces:
    """340 built-in faces whose keypoints all lie in the picture."""
    faces = synthetic.generate(350, seed=11)
    inside = (np.abs(faces.keypoints - 47.5) <= 47.5).all(axis=(1, 2))
    return faces.take(np.flatnonzero(inside)[:340])


def given_parts(*, train: int = 220, val: int = 60, test: int = 60) -> Parts:
    """Faces as three parts with writeable copies of images and labels, people apart."""
    faces = drawn_faces()
    cuts = np.cumsum([0, train, val, test])
    parts = []
    for number, (low, high) in enumerate(pairwise(cuts)):
        part = faces.take(np.arange(low, high))
        # A person at a cut is in two parts: the later pictures are called another person's.
        parts.append(Faces(part.images, part.keypoints, part.subjects + 1000 * number, part.conditions))
    return Parts(*parts)


def pool(parts: Parts) -> Pool:
    return pool_of("drawn", parts, **SHARES)


def changed(faces: Faces, change) -> Faces:
    """Faces after `change(images, keypoints)` has written into copies."""
    images, keypoints = faces.images[:, 0].copy(), faces.keypoints.copy()
    change(images, keypoints)
    return Faces(images[:, None], keypoints, faces.subjects, faces.conditions)
