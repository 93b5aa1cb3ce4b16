"""Which faces show the same picture: identical, nearly identical, over others between them; found once."""

import numpy as np
import pytest

from kpbench.faces.checks import near_copies
from kpbench.faces.checks.hashes import alike, groups_alike
from kpbench.faces.checks.near_copies import copies_in
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts
from tests.faces.checks.drawn import drawn_faces


def parts_of(images) -> Parts:
    return Parts(Faces(np.ascontiguousarray(images)[:, None], np.zeros((len(images), 15, 2), np.float32)))


def test_identical_near_and_mirrored_copies_share_a_number_and_grey_pictures_do_not():
    images = drawn_faces().images[::8, 0].copy()
    before = copies_in(parts_of(images))
    images[5] = np.clip(images[2][:, ::-1].astype(int) + 20, 0, 255)
    images[9] = images[2]
    images[11], images[12] = 70, 71
    found = copies_in(parts_of(images))
    assert found[[5, 9]].tolist() == [2, 2]
    assert found[[11, 12]].tolist() == [11, 12]
    others = np.delete(np.arange(len(images)), [5, 9, 11, 12])
    assert found[others].tolist() == before[others].tolist()


def test_groups_are_what_the_pairs_link():
    images = drawn_faces().images[:61, 0]
    groups = groups_alike(images)
    pairs, _ = alike(images)
    assert all(groups[pair.a] == groups[pair.b] for pair in pairs)
    linked = {at for pair in pairs for at in (pair.a, pair.b)}
    assert [at for at in range(len(images)) if groups[at] != at or (groups == at).sum() > 1] == sorted(linked)


def test_they_are_found_once(monkeypatch: pytest.MonkeyPatch):
    images = drawn_faces().images[:20, 0]
    first = copies_in(parts_of(images))

    def refuse(*_: object) -> None:
        raise AssertionError("looked for again")

    monkeypatch.setattr(near_copies, "groups_alike", refuse)
    assert copies_in(parts_of(images)).tolist() == first.tolist()
