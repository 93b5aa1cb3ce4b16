"""Splitting: people and equal pictures stay together, shares are met, the order of rows does not matter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, Faces, Splits
from kpbench.faces.parts import Parts
from kpbench.faces.split import linked, split


def numbered(numbers: list[int], subjects: list[int] | None = None) -> Faces:
    """Faces whose picture and first keypoint tell their number; equal numbers are equal pictures."""
    n = len(numbers)
    images = np.zeros((n, 1, 96, 96), np.uint8)
    images[:, 0, 0, 0] = np.array(numbers) % 256
    images[:, 0, 0, 1] = np.array(numbers) // 256
    keypoints = np.zeros((n, len(KEYPOINTS), 2), np.float32)
    keypoints[:, 0, 0] = numbers
    return Faces(images, keypoints, None if subjects is None else np.array(subjects, dtype=np.int64))


def made(
    parts: Parts,
    *,
    val_share: float = 0.15,
    test_share: float = 0.15,
    seed: int = 20,
    copies: NDArray[np.intp] | None = None,
) -> Splits:
    return split("faces", parts, val_share=val_share, test_share=test_share, seed=seed, copies=copies)


def opened(splits: Splits) -> dict[str, Faces]:
    return {"train": splits.train, "val": splits.val, "test": splits.test.open(lambda: None)}


def numbers(faces: Faces) -> list[int]:
    return faces.keypoints[:, 0, 0].astype(int).tolist()


def test_three_given_parts_stay_as_they_are() -> None:
    parts = Parts(numbered([1, 2]), numbered([3]), numbered([4, 5]), notes=("read",))
    splits = made(parts)
    assert (splits.train, splits.val, len(splits.test)) == (parts.train, parts.val, 2)
    assert splits.name == "faces"
    assert splits.notes == ("read",)


def test_a_missing_test_comes_from_train_alone_and_is_said() -> None:
    splits = made(Parts(numbered(list(range(100))), val=numbered([500, 501])))
    assert numbers(splits.val) == [500, 501]
    assert (len(splits.train), len(splits.test)) == (85, 15)
    assert splits.notes == (
        "no test split in the data: 15 of 100 training faces split off by hash of the image (subjects unknown)",
    )


def test_a_missing_val_and_test_by_subject_are_said() -> None:
    splits = made(Parts(numbered(list(range(40)), [i // 4 for i in range(40)])), val_share=0.3, test_share=0.2)
    assert splits.notes == (
        "no test split in the data: 8 of 40 training faces split off by subject (2 people)",
        "no val split in the data: 12 of 40 training faces split off by subject (3 people)",
    )


people = st.lists(st.integers(0, 11), min_size=3, max_size=60).filter(lambda ids: len(set(ids)) >= 3)


@settings(max_examples=80, deadline=None)
@given(subjects=people, seed=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_people_never_straddle_and_the_order_of_rows_does_not_matter(subjects: list[int], seed: int, order) -> None:
    n = len(subjects)
    rows = list(range(n))
    splits = opened(made(Parts(numbered(rows, subjects)), seed=seed))
    assert sorted(number for faces in splits.values() for number in numbers(faces)) == rows
    seen = [set(faces.subjects.tolist()) for faces in splits.values() if faces.subjects is not None]
    assert len(seen) == 3
    assert all(seen)
    assert sum(map(len, seen)) == len(set(subjects))

    order.shuffle(rows)
    again = opened(made(Parts(numbered(rows, [subjects[row] for row in rows])), seed=seed))
    for part, faces in splits.items():
        assert sorted(numbers(again[part])) == numbers(faces)
        assert numbers(again[part]) == [row for row in rows if row in numbers(faces)], "rows keep their order"


@settings(max_examples=80, deadline=None)
@given(
    pictures=st.lists(st.integers(0, 400), min_size=3, max_size=60).filter(lambda found: len(set(found)) >= 3),
    seed=st.integers(-5, 10**6),
    order=st.randoms(use_true_random=False),
)
def test_equal_pictures_stay_together_and_the_order_of_rows_does_not_matter(
    pictures: list[int], seed: int, order
) -> None:
    splits = opened(made(Parts(numbered(pictures)), seed=seed))
    seen = [set(numbers(faces)) for faces in splits.values()]
    assert all(seen)
    assert sum(map(len, seen)) == len(set(pictures))
    order.shuffle(pictures)
    again = opened(made(Parts(numbered(pictures)), seed=seed))
    assert [set(numbers(faces)) for faces in again.values()] == seen


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(20, 300),
    each=st.integers(1, 4),
    shares=st.tuples(st.floats(0.1, 0.4), st.floats(0.1, 0.4)),
    seed=st.integers(0, 999),
)
def test_shares_are_met_within_half_a_person(n: int, each: int, shares: tuple[float, float], seed: int) -> None:
    splits = made(
        Parts(numbered(list(range(n)), [i // each for i in range(n)])),
        val_share=shares[0],
        test_share=shares[1],
        seed=seed,
    )
    assert abs(len(splits.val) - shares[0] * n) <= max(each / 2, 1)
    assert abs(len(splits.test) - shares[1] * n) <= max(each / 2, 1)


def test_the_seed_decides_which_and_nothing_else() -> None:
    for subjects in (None, [i // 2 for i in range(80)]):
        parts = Parts(numbered(list(range(80)), subjects))
        assert made(parts, seed=1).digest() == made(parts, seed=1).digest()
        assert len({made(parts, seed=seed).digest() for seed in range(5)}) == 5


def test_a_person_with_most_faces_stays_in_train() -> None:
    splits = opened(made(Parts(numbered(list(range(12)), [0] * 10 + [1, 2]))))
    assert {part: len(faces) for part, faces in splits.items()} == {"train": 10, "val": 1, "test": 1}


def test_three_faces_are_enough_and_the_splits_are_read_only() -> None:
    splits = opened(made(Parts(numbered([1, 2, 3]))))
    assert [len(faces) for faces in splits.values()] == [1, 1, 1]
    for faces in splits.values():
        with pytest.raises(ValueError, match="read-only"):
            faces.images[0] = 0


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [
        (numbered([1, 2]), None, "2 training faces (2 pictures) are too few to split off test and val: at least 3 pic"),
        (numbered([7, 7, 7, 7]), None, "4 training faces (1 picture) are"),
        (
            numbered([1]),
            numbered([2]),
            "1 training face (1 picture) is too few to split off test: at least 2 pictures",
        ),
        (numbered([1, 2, 3, 4], [8, 8, 9, 9]), None, "4 training faces (2 people)"),
    ],
)
def test_too_few_faces_are_refused_with_how_many_are_needed(train: Faces, val: Faces | None, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(Parts(train, val))
    assert said in str(caught.value)


@pytest.mark.parametrize(("val", "test"), [(0.0, 0.1), (0.1, -0.1), (0.5, 0.5), (1.5, 0.1), (float("nan"), 0.1)])
def test_shares_out_of_range_are_refused(val: float, test: float) -> None:
    with pytest.raises(UsageError, match="above 0 and together below 1"):
        made(Parts(numbered([1, 2, 3])), val_share=val, test_share=test)


def test_near_copies_are_one_picture_where_the_hash_would_part_them() -> None:
    faces = numbered(list(range(100)))
    plain = made(Parts(faces))
    assert made(Parts(faces), copies=np.arange(100)).digest() == plain.digest(), "no near-copies: as ever"
    train, val, test = (numbers(part) for part in opened(plain).values())
    inside = np.arange(100)
    inside[train[:5]] = train[0]
    assert made(Parts(faces), copies=inside).digest() == plain.digest(), "none is parted: as ever"

    parted = np.arange(100)
    for group in (train[:3] + val[:2], test[:1] + train[3:5]):
        parted[group] = min(group)
    splits = made(Parts(faces), copies=parted)
    found = {name: set(numbers(part)) for name, part in opened(splits).items()}
    assert sorted(number for part in found.values() for number in part) == list(range(100))
    for group in (train[:3] + val[:2], test[:1] + train[3:5]):
        assert sum(not part.isdisjoint(group) for part in found.values()) == 1
    assert splits.notes[-1] == (
        "8 training faces show the picture of another, exactly or nearly; each of these 2 groups was kept in one split"
    )
    assert splits.leak == ""
    order = np.random.default_rng(0).permutation(100)
    mixed = made(Parts(numbered(order.tolist())), copies=parted[order])
    assert {name: set(numbers(part)) for name, part in opened(mixed).items()} == found, "whatever the order of rows"


def test_a_leak_of_given_splits_or_people_is_said_and_changes_nothing() -> None:
    parts = Parts(numbered([1, 2, 3]), numbered([4, 5]), numbered([6, 7]))
    splits = made(parts, copies=np.array([0, 1, 2, 2, 4, 5, 4]))
    assert splits.digest() == made(parts).digest()
    assert splits.leak == (
        "2 of 2 val faces and 1 of 2 test faces repeat a picture of another split, exactly or nearly: "
        "scores on them flatter; `kpbench data check` names them"
    )
    people = Parts(numbered([1, 2, 3], [1, 2, 3]), numbered([4], [3]), numbered([5], [4]))
    assert made(people, copies=np.arange(5)).leak.startswith("1 of 1 val faces repeat a picture or a person of another")


def test_all_near_copies_are_split_as_ever_and_told_as_a_leak() -> None:
    splits = made(Parts(numbered(list(range(20)))), copies=np.zeros(20, dtype=np.intp))
    assert splits.digest() == made(Parts(numbered(list(range(20))))).digest()
    assert splits.leak.startswith("3 of 3 val faces and 3 of 3 test faces")


def test_near_copies_and_people_are_linked_over_each_other_where_a_split_would_part_them() -> None:
    """Person 0 has a near-copy of person 1's face, and that one of person 2's: all three stay together."""
    subjects = [i // 4 for i in range(80)]
    faces = numbered(list(range(80)), subjects)
    plain = opened(made(Parts(faces)))
    of = [next(name for name, part in plain.items() if i in numbers(part)) for i in range(80)]
    other = next(i for i in range(80) if of[i] != of[0])
    third = next(i for i in range(80) if of[i] not in (of[0], of[other]))
    copies = np.arange(80)
    copies[other] = copies[0]
    copies[third] = copies[other + 1 if subjects[other + 1] == subjects[other] else other - 1]
    splits = made(Parts(faces), copies=copies)
    places = {i: name for name, part in opened(splits).items() for i in numbers(part)}
    together = [i for i in range(80) if subjects[i] in (subjects[0], subjects[other], subjects[third])]
    assert len({places[i] for i in together}) == 1
    assert splits.leak == ""
    assert splits.notes[-1].startswith("4 training faces show the picture of another")
    assert made(Parts(faces), copies=np.arange(80)).digest() == made(Parts(faces)).digest(), "none is parted: as ever"


def test_where_all_are_near_copies_at_least_the_faces_of_a_file_stay_together() -> None:
    faces = replace(
        numbered(list(range(40))), origins=np.array([(f"{i // 2}.png", "k.csv, line 2") for i in range(40)])
    )
    for copies in (np.zeros(40, dtype=np.intp), None):
        for part in opened(made(Parts(faces), copies=copies)).values():
            assert {name for name, _ in part.origins.tolist()} == {f"{i // 2}.png" for i in numbers(part)}
            assert len(part) == 2 * len({i // 2 for i in numbers(part)})


def test_linked_joins_chains_of_either_number() -> None:
    found = linked(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8]))
    assert found[0] == found[1] == found[2]
    assert len(set(found.tolist())) == 3
