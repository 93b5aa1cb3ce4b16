"""Make train, val and sealed test of the parts a source brings; what is missing is split off the train part."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError, plural
from kpbench.faces.faces import Faces, SealedFaces, Splits
from kpbench.faces.parts import PARTS, Parts


def split(
    name: str,
    parts: Parts,
    *,
    val_share: float,
    test_share: float,
    seed: int,
    copies: NDArray[np.intp] | None = None,
) -> Splits:
    """The three splits called `name`; a missing val or test is taken from train, and a note says so.

    Whole people are taken where `train.subjects` are known, whole pictures otherwise: which ones depends on the
    seed and on the person's number or the picture's bytes, never on the order of the rows. Rows keep their order.
    Where that would put faces of one picture, or near-copies of it, into two splits, all that are linked by a picture
    or a person stay together.

    Args:
        val_share: share of the train part that becomes val where there is none, above 0.
        test_share: the same for test; both together below 1.
        copies: (N,) over train, val, test a number that near-copies share (`near_copies.copies_in`); None for none.

    Raises:
        UsageError: a share is out of range, or there are too few people or pictures for the splits.
    """
    if not (0 < val_share < 1 and 0 < test_share < 1 and val_share + test_share < 1):
        raise UsageError(
            f"val_share {val_share:g} and test_share {test_share:g}: both must be above 0 and together below 1"
        )
    missing = {
        part: share for part, share in (("test", test_share), ("val", val_share)) if getattr(parts, part) is None
    }
    total, train = len(parts.train), parts.train
    unit = ("picture", "pictures") if train.subjects is None else ("person", "people")
    groups = _groups(train, seed) if missing else []
    if missing and len(set(groups)) < len(missing) + 1:
        few = f"{plural(total, 'training face')} ({plural(len(set(groups)), *unit)})"
        raise UsageError(
            f"{name}: {few} {'is' if total == 1 else 'are'} too few to split off {' and '.join(missing)}: at least "
            f"{len(missing) + 1} {unit[1]} are needed"
        )
    place, grouped = _places(groups, missing, total), ""
    for tied in _tied(train, copies) if missing else []:
        merged = _merged(groups, tied)
        if _several(tied, place).any() and len(set(merged)) > len(missing):
            place = _places(merged, missing, total)
            repeated = tied[np.bincount(tied)[tied] > 1]
            grouped = (
                f"{plural(len(repeated), 'training face')} show the picture of another, exactly or nearly; each of "
                f"these {plural(len(np.unique(repeated)), 'group')} was kept in one split"
            )
            break
    given, notes = {"val": parts.val, "test": parts.test}, list(parts.notes)
    for part in missing:
        given[part] = faces = train.take(np.flatnonzero(place == part))
        how = "hash of the image (subjects unknown)"
        if faces.subjects is not None:
            how = f"subject ({plural(len(np.unique(faces.subjects)), 'person', many='people')})"
        notes.append(f"no {part} split in the data: {len(faces):,} of {total:,} training faces split off by {how}")
    notes += [grouped] if grouped else []
    if missing:
        train = train.take(np.flatnonzero(place == "train"))
    assert given["val"] is not None and given["test"] is not None
    rest = [np.full(len(faces), part) for part, faces in parts.items()[1:]]
    leak = "" if copies is None else _leak(parts, copies, np.concatenate([place, *rest]))
    return Splits(name, train, given["val"], SealedFaces(given["test"]), tuple(notes), leak)


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


def _tied(train: Faces, copies: NDArray[np.intp] | None) -> list[NDArray[np.intp]]:
    """Numbers (N,) that faces share which should stay together: near-copies; where that asks too much, one file."""
    found = [] if copies is None else [copies[: len(train)]]
    if train.origins is not None:
        found.append(np.unique(train.origins[:, 0], return_inverse=True)[1])
    return found


def _merged(groups: Sequence[str], copies: NDArray[np.intp]) -> list[str]:
    """For each face the least hash of those that it is linked to by a group or a copy."""
    least: dict[int, str] = {}
    numbers = linked(np.unique(groups, return_inverse=True)[1], copies).tolist()
    for number, group in zip(numbers, groups, strict=True):
        least[number] = min(group, least.get(number, group))
    return [least[number] for number in numbers]


def linked(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.intp]:
    """(N,): a number that faces share where a chain of equal numbers, in either array (N,), leads to each other."""
    n, ends = int(one.max(initial=-1)) + 1, int(other.max(initial=-1)) + 1
    # Every worker imports this module and groups nothing: a fifth of a second of its start.
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    links = coo_array((np.ones(len(one)), (one, other + n)), shape=(n + ends, n + ends))
    return np.asarray(connected_components(links, directed=False)[1][one], dtype=np.intp)


def _places(groups: Sequence[str], missing: Mapping[str, float], total: int) -> NDArray[np.str_]:
    """(total,): the split of each face, by whole groups in the order of their hashes; test before val."""
    place = np.full(total, "train", dtype="<U5")
    order, sizes = sorted(set(groups)), Counter(groups)
    for left, (part, share) in zip(range(len(missing), 0, -1), missing.items(), strict=True):
        chosen = _choose(order, sizes, share * total, keep=left)
        order = [group for group in order if group not in chosen]
        place[[group in chosen for group in groups]] = part
    return place


def _several(copies: NDArray[np.intp], place: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(N,): which faces have copies in more than one split."""
    found: dict[int, set[str]] = defaultdict(set)
    for number, where in zip(copies.tolist(), place.tolist(), strict=True):
        found[number].add(where)
    return np.array([len(found[number]) > 1 for number in copies.tolist()], dtype=np.bool_)


def _leak(parts: Parts, copies: NDArray[np.intp], place: NDArray[np.str_]) -> str:
    """How many faces of val and test show a picture, or a person, of another split; empty for none."""
    leaked = _several(copies, place)
    subjects = [faces.subjects for _, faces in parts.items() if faces.subjects is not None]
    if len(subjects) == len(parts.items()):
        leaked |= _several(np.concatenate(subjects), place)
    counts = {part: int((leaked & (place == part)).sum()) for part in PARTS[1:]}
    words = [f"{count:,} of {(place == part).sum():,} {part} faces" for part, count in counts.items() if count]
    if not words:
        return ""
    what = "a picture or a person" if len(subjects) == len(parts.items()) else "a picture"
    return (
        f"{' and '.join(words)} repeat {what} of another split, exactly or nearly: scores on them flatter; "
        "`kpbench data check` names them"
    )


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
