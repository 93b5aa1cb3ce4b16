"""Make train, val and sealed test of the parts a source brings; what is missing is split off the train part."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import Faces, SealedFaces, Splits
from kpbench.faces.parts import Parts


def split(name: str, parts: Parts, *, val_share: float, test_share: float, seed: int) -> Splits:
    """The three splits called `name`; a missing val or test is taken from train, and a note says so.

    Whole people are taken where `train.subjects` are known, whole pictures otherwise: which ones depends on the
    seed and on the person's number or the picture's bytes, never on the order of the rows. Rows keep their order.

    Args:
        val_share: share of the train part that becomes val where there is none, above 0.
        test_share: the same for test; both together below 1.

    Raises:
        UsageError: a share is out of range, or there are too few people or pictures for the splits.
    """
    if not (0 < val_share < 1 and 0 < test_share < 1 and val_share + test_share < 1):
        raise UsageError(
            f"val_share {val_share:g} and test_share {test_share:g}: both must be above 0 and together below 1"
        )
    given = {"val": parts.val, "test": parts.test}
    missing = {part: share for part, share in (("test", test_share), ("val", val_share)) if given[part] is None}
    total, train = len(parts.train), parts.train
    groups = _groups(train, seed) if missing else []
    unit = "pictures" if train.subjects is None else "people"
    order = sorted(set(groups))
    if missing and len(order) < len(missing) + 1:
        raise UsageError(
            f"{name}: {total:,} training faces ({len(order)} {unit}) are too few to split off "
            f"{' and '.join(missing)}: at least {len(missing) + 1} {unit} are needed"
        )
    sizes = Counter(groups)
    notes = list(parts.notes)
    for left, (part, share) in zip(range(len(missing), 0, -1), missing.items(), strict=True):
        chosen = _choose(order, sizes, share * total, keep=left)
        order = [group for group in order if group not in chosen]
        given[part] = faces = _pick(train, groups, chosen)
        how = "hash of the image (subjects unknown)" if unit == "pictures" else f"subject ({len(chosen)} people)"
        notes.append(f"no {part} split in the data: {len(faces):,} of {total:,} training faces split off by {how}")
    if missing:
        train = _pick(train, groups, set(order))
    assert given["val"] is not None and given["test"] is not None
    return Splits(name, train, given["val"], SealedFaces(given["test"]), tuple(notes))


def resplit(splits: Splits, seed: int) -> Splits:
    """Train and val drawn anew from both together, by person; the sealed test stays as it is.

    Raises:
        UsageError: nobody knows who is on the faces.
    """
    pool = splits.train.joined(splits.val)
    if pool.subjects is None:
        raise UsageError(f"{splits.name}: --resplit needs to know who is on each face, and these data do not say")
    chosen = redrawn(pool.subjects, len(splits.val), seed)
    return replace(splits, train=pool.take(np.flatnonzero(~chosen)), val=pool.take(np.flatnonzero(chosen)))


def redrawn(people: NDArray[np.int64], val_faces: int, seed: int) -> NDArray[np.bool_]:
    """(N,): which faces become val, whole people at a time, as near `val_faces` as they allow; by hash of the seed."""
    groups = [hashlib.sha256(b"%d %d" % (seed, person)).hexdigest() for person in people]
    chosen = _choose(sorted(set(groups)), Counter(groups), val_faces, keep=1)
    return np.array([group in chosen for group in groups], dtype=np.bool_)


def _groups(faces: Faces, seed: int) -> list[str]:
    """For each face the seeded hash of its person, or of its picture: equal for faces that must stay together."""
    things = (
        (image.tobytes() for image in faces.images)
        if faces.subjects is None
        else (b"%d" % person for person in faces.subjects)
    )
    return [hashlib.sha256(b"%d " % seed + thing).hexdigest() for thing in things]


def _choose(order: Sequence[str], sizes: Mapping[str, int], target: float, *, keep: int) -> set[str]:
    """Groups, first come first taken, that bring their faces near `target`; at least one, and `keep` are left."""
    chosen: set[str] = set()
    count = 0
    for group in order:
        if len(order) - len(chosen) == keep:
            break
        if abs(count + sizes[group] - target) < abs(count - target):
            chosen.add(group)
            count += sizes[group]
    return chosen or {min(order, key=lambda group: sizes[group])}


def _pick(faces: Faces, groups: Sequence[str], chosen: set[str]) -> Faces:
    return faces.take(np.flatnonzero([group in chosen for group in groups]))
