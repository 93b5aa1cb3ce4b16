"""Looking alike: all near hashes are found, shifts are measured, mirrored copies too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpbench.faces.checks.hashes import LEAST_CORRELATION, REACH, alike, bands, hashes, match, near
from tests.faces.checks.drawn import drawn_faces

WORDS = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 3, 7, 2**63, 2**64 - 1]), min_size=1, max_size=20)


@given(WORDS, st.integers(0, 12))
def test_near_is_every_pair(words, bits):
    values = np.array(words, dtype=np.uint64)
    expected = {
        (a, b, (words[a] ^ words[b]).bit_count())
        for b in range(len(words))
        for a in range(b)
        if (words[a] ^ words[b]).bit_count() <= bits
    }
    got = [(a, b, distance) for distance, a, b in near(values, values, bits=bits).T.tolist()]
    assert len(got) == len(set(got))
    assert set(got) == expected


def test_near_across_blocks(monkeypatch):
    monkeypatch.setattr("kpbench.faces.checks.hashes._BLOCK", 3)
    values = np.array([5, 1, 2, 3, 9, 5, 8, 5], dtype=np.uint64)
    got = {(a, b) for _, a, b in near(values, values, bits=0).T.tolist()}
    assert got == {(0, 5), (0, 7), (5, 7)}


@pytest.mark.parametrize("x", range(-REACH, REACH + 1))
def test_match_finds_every_shift(x):
    """On every drawn face; the correlation is what `LEAST_CORRELATION` says of copies, and more."""
    for image in drawn_faces().images[:61, 0]:
        big, own = np.pad(image, 8, mode="edge"), bands(image[None], 1)[0]
        for y in range(-REACH, REACH + 1):
            correlation, shift = match(own, bands(big[None, 8 - y : 104 - y, 8 - x : 104 - x], 1)[0])
            assert shift == (x, y)
            assert correlation >= 0.95


def test_match_of_a_constant_picture_is_zero():
    blank, face = bands(np.stack([np.full((96, 96), 70, np.uint8), drawn_faces().images[0, 0]]), 1)
    assert match(blank, face)[0] < 0.2
    assert match(np.zeros((96, 96), np.float32), np.zeros((96, 96), np.float32))[0] == 0


def test_a_mirrored_copy_is_found_and_other_people_are_not():
    images = drawn_faces().images[::8, 0].copy()
    assert all(pair.correlation >= LEAST_CORRELATION for pair in alike(images)[0])
    before = {(pair.a, pair.b) for pair in alike(images)[0]}
    images[5] = images[2][:, ::-1]
    pairs = [pair for pair in alike(images)[0] if (pair.a, pair.b) not in before]
    assert [(pair.a, pair.b, pair.bits, pair.mirrored, pair.shift) for pair in pairs] == [(2, 5, 0, True, (0, 0))]


def test_too_many_candidates_are_counted_not_compared():
    rng = np.random.default_rng(0)
    one = drawn_faces().images[3, 0].astype(int)
    images = np.clip(one + rng.integers(-3, 4, (12, 96, 96)), 0, 255).astype(np.uint8)
    pairs, left = alike(images, most=10)
    assert len(pairs) == 10
    assert left == 12 * 11 // 2 - 10


def test_a_hash_forgets_light():
    image = drawn_faces().images[9:10, 0]
    paler = (image * 0.7 + 30).astype(np.uint8)
    assert int(hashes(image)[0] ^ hashes(paler)[0]).bit_count() <= 4
