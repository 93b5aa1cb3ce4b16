"""Augmentation of looks: what is asked for happens to the share asked for, and to nothing else."""

import pytest
import torch

from kpbench.training.looks import draw_looks, look
from kpbench.training.seeds import generator

CPU = torch.device("cpu")
OFF = {"blur": 0.0, "sharpen": 0.0, "gamma": 0.0, "cutout": 0.0}
N = 400


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(N, 1, 96, 96, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


def looked(pictures, seed=0, **asked):
    looks = draw_looks(len(pictures), generator(seed, "looks"), CPU, **{**OFF, **asked})
    return look(pictures, looks, torch.arange(len(pictures)))


def changed(pictures, seen):
    return (pictures != seen).flatten(1).any(1).float().mean().item()


def roughness(pictures):
    return pictures.diff(dim=-1).abs().mean((1, 2, 3))


def test_nothing_asked_is_nothing_done():
    assert draw_looks(5, generator(0, "looks"), CPU, **OFF) is None


@pytest.mark.parametrize("name", ["blur", "sharpen", "cutout"])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_probability_is_the_share_of_faces_changed(pictures, name, share):
    before = pictures.clone()
    seen = looked(pictures, **{name: share})
    assert changed(pictures, seen) == pytest.approx(share, abs=0.08)
    assert torch.equal(pictures, before)
    assert seen.shape == pictures.shape
    assert seen.min() >= 0
    assert seen.max() <= 1


def test_blur_smooths_and_sharpen_roughens(pictures):
    smooth, rough = looked(pictures, blur=1.0), looked(pictures, sharpen=1.0)
    assert (roughness(smooth) <= roughness(pictures)).all()
    assert roughness(rough).mean() > 1.1 * roughness(pictures).mean()
    flat = torch.full((N, 1, 96, 96), 0.4)
    torch.testing.assert_close(looked(flat, blur=1.0), flat)
    torch.testing.assert_close(looked(flat, sharpen=1.0), flat)


def test_gamma_bends_the_scale_both_ways_within_its_bounds(pictures):
    seen = looked(pictures, gamma=0.5)
    exponents = seen.log() / pictures.log()
    assert exponents.min() >= 1 / 1.5 - 1e-3
    assert exponents.max() <= 1.5 + 1e-3
    each = exponents.mean((1, 2, 3))
    assert (each < 0.9).any()
    assert (each > 1.1).any()


def test_a_cut_is_a_square_of_the_mean_of_8_to_32_pixels(pictures):
    seen = looked(pictures, cutout=1.0)
    for before, after in zip(pictures, seen, strict=True):
        gone = (before != after)[0]
        torch.testing.assert_close(after[0][gone], before.mean().expand(int(gone.sum())))
        rows, columns = gone.any(1).nonzero().flatten(), gone.any(0).nonzero().flatten()
        if len(rows) and len(columns):
            assert gone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert max(len(rows), len(columns)) <= 33


def test_looks_are_those_of_the_seed_and_of_each_face(pictures):
    asked = {"blur": 0.5, "gamma": 0.3, "cutout": 0.5}
    assert torch.equal(looked(pictures, 1, **asked), looked(pictures, 1, **asked))
    assert not torch.equal(looked(pictures, 1, **asked), looked(pictures, 2, **asked))
    looks = draw_looks(N, generator(1, "looks"), CPU, **{**OFF, **asked})
    some = torch.tensor([7, 3, 200])
    torch.testing.assert_close(look(pictures[some], looks, some), looked(pictures, 1, **asked)[some])
