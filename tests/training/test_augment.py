"""Augmentation moves pictures and their keypoints together."""

import pytest
import torch

from kpbench.faces.faces import KEYPOINTS, mirrored_order
from kpbench.training.augment import _grid, draw_moves, move

STILL = {"shift": 0.0, "rotate": 0.0, "scale": 0.0, "brightness": 0.0, "contrast": 0.0, "flip": 0.0}


def dots(n=4, seed=0):
    """Pictures with one bright blob on keypoint 0, and the keypoints."""
    g = torch.Generator().manual_seed(seed)
    keypoints = torch.rand(n, 15, 2, generator=g) * 40 + 28
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    d = (x - keypoints[:, 0, 0].view(-1, 1, 1)) ** 2 + (y - keypoints[:, 0, 1].view(-1, 1, 1)) ** 2
    return torch.exp(-d / 8)[:, None], keypoints


def centre_of_mass(images):
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    weight = images[:, 0] / images[:, 0].sum((1, 2), keepdim=True)
    return torch.stack([(weight * x).sum((1, 2)), (weight * y).sum((1, 2))], 1)


def moved(images, keypoints, **moves):
    drawn = draw_moves(keypoints, torch.Generator().manual_seed(1), **{**STILL, **moves})
    return move(images, drawn, torch.arange(len(images))), drawn.keypoints


def test_nothing_asked_nothing_moved():
    images, keypoints = dots()
    pictures, points = moved(images, keypoints)
    torch.testing.assert_close(pictures, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(points, keypoints, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "moves", [{"shift": 6.0}, {"rotate": 20.0}, {"scale": 0.2}, {"shift": 4.0, "rotate": 9.0, "scale": 0.1}]
)
def test_the_blob_stays_under_its_keypoint(moves):
    images, keypoints = dots(16)
    pictures, points = moved(images, keypoints, **moves)
    assert (points - keypoints).abs().max() > 1
    torch.testing.assert_close(centre_of_mass(pictures), points[:, 0], atol=0.15, rtol=0)


def test_a_mirrored_face_has_its_left_and_right_keypoints_swapped():
    images, keypoints = dots(3)
    pictures, points = moved(images, keypoints, flip=1.0)
    torch.testing.assert_close(pictures, images.flip(3), atol=1e-4, rtol=0)
    left, right = KEYPOINTS.index("left_eye_center"), KEYPOINTS.index("right_eye_center")
    torch.testing.assert_close(points[:, right, 0], 95 - keypoints[:, left, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(points[:, right, 1], keypoints[:, left, 1], atol=1e-4, rtol=0)
    twice = moved(pictures, points, flip=1.0)
    torch.testing.assert_close(twice[1], keypoints, atol=1e-3, rtol=0)


def test_every_left_has_its_right_and_the_middle_stays():
    order = mirrored_order()
    assert [order[i] for i in order] == list(range(15))
    assert [KEYPOINTS[i] for i in range(15) if order[i] == i] == [
        "nose_tip", "mouth_center_top_lip", "mouth_center_bottom_lip",
    ]  # fmt: skip


def test_light_changes_the_picture_within_bounds_and_not_the_keypoints():
    images, keypoints = dots()
    pictures, points = moved(images, keypoints, brightness=0.5, contrast=0.5)
    assert torch.equal(points, moved(images, keypoints)[1])
    assert (pictures - images).abs().max() > 0.1
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_moves_stay_within_their_limits_and_differ_between_faces():
    images, keypoints = dots(200)
    _, points = moved(images, keypoints, shift=3.0)
    step = points - keypoints
    assert step.abs().max() <= 3.0001
    assert step.abs().max() > 2.5
    assert step[:, 0].std(0).min() > 1
    torch.testing.assert_close(step[:, 0], step[:, 7], atol=1e-3, rtol=0)
    _, points = moved(images, keypoints, flip=0.3)
    mirrored = ((points - keypoints).abs().amax((1, 2)) > 1e-3).float().mean().item()
    assert 0.2 < mirrored < 0.4


def test_the_inputs_are_left_alone_and_a_seed_means_the_same_moves():
    images, keypoints = dots()
    before = images.clone(), keypoints.clone()
    one = moved(images, keypoints, shift=5.0, rotate=5.0, brightness=0.2, flip=0.5)
    two = moved(images, keypoints, shift=5.0, rotate=5.0, brightness=0.2, flip=0.5)
    assert torch.equal(images, before[0])
    assert torch.equal(keypoints, before[1])
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_the_grid_is_torchs_own():
    backward = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.functional.affine_grid(backward, [5, 1, 96, 96], align_corners=False)
    torch.testing.assert_close(_grid(backward), theirs, atol=1e-5, rtol=1e-5)


def test_a_batch_of_some_faces_moves_as_in_the_whole():
    images, keypoints = dots(6)
    drawn = draw_moves(keypoints, torch.Generator().manual_seed(2), **{**STILL, "shift": 5.0, "brightness": 0.1})
    some = torch.tensor([4, 1])
    torch.testing.assert_close(move(images[some], drawn, some), move(images, drawn, torch.arange(6))[some])
