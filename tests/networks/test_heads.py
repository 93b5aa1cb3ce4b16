"""Heads: each its formula by hand, and points that move with the maps."""

import math

import pytest
import torch

from kpbench.networks.heads import HEADS, POINTS, HeadOptions, cell_centres

SHAPES = [(8, 24, 24), (16, 12, 12)]
FROM_MAPS = ["softargmax", "simcc", "heatmap_offset"]


def options(**changed):
    given = {"width": 8, "map_size": 24, "temperature": "fixed", "bins": 48, "own_loss": 0.0, "sigma": 2.0}
    return HeadOptions(**{**given, "act": torch.nn.ReLU, **changed})


def head(name, **changed):
    torch.manual_seed(0)
    return HEADS[name](SHAPES, options(**changed)).eval()


def features(n=3):
    g = torch.Generator().manual_seed(1)
    return [torch.randn(n, *shape, generator=g) for shape in SHAPES]


def pixels(points):
    return points.view(-1, POINTS, 2) * 48 + 48


def peak(row, column, size=24, height=60.0):
    """Logits of all keypoints with all their weight in one cell."""
    logits = torch.zeros(1, POINTS, size, size)
    logits[:, :, row, column] = height
    return logits


@pytest.mark.parametrize("name", HEADS)
def test_a_head_gives_thirty_numbers_and_gradients_reach_what_it_reads(name):
    maps = [one.requires_grad_() for one in features()]
    out = head(name).train()(maps)
    assert out.shape == (3, 30)
    assert out.dtype == torch.float32
    out.square().sum().backward()
    assert maps[-1].grad.abs().sum() > 0
    assert (maps[0].grad is not None) == (name in FROM_MAPS)


def test_fc_is_a_linear_map_of_the_last_map():
    one, maps = head("fc", width=0), features()
    torch.testing.assert_close(one(maps), maps[-1].flatten(1) @ one[-1].weight.T + one[-1].bias)
    assert len(head("fc", width=5)) == 4


def test_global_pool_does_not_see_where():
    one, maps = head("global_pool"), features()
    rolled = [one.roll((3, 5), (2, 3)) for one in maps]
    torch.testing.assert_close(one(maps), one(rolled))


@pytest.mark.parametrize("size", [12, 24, 32])
def test_the_centres_of_cells_lie_where_their_pixels_do(size):
    cell = 96 // size
    by_hand = [sum(range(at * cell, (at + 1) * cell)) / cell for at in range(size)]  # the mean of a cell's pixels
    torch.testing.assert_close(cell_centres(size, torch.device("cpu")) * 48 + 48, torch.tensor(by_hand))


def test_softargmax_is_the_expectation_of_the_cell():
    one = head("softargmax")
    logits = torch.randn(2, POINTS, 24, 24, generator=torch.Generator().manual_seed(2))
    chance = logits.flatten(2).softmax(2).view_as(logits)
    at = torch.arange(24) * 4 + 1.5
    x, y = (chance * at).sum((2, 3)), (chance * at[:, None]).sum((2, 3))
    torch.testing.assert_close(pixels(one.points(logits)), torch.stack([x, y], 2))


def test_softargmax_reads_a_peak_and_moves_with_it():
    one = head("softargmax")
    here, there = (pixels(one.points(peak(*at))) for at in ((5, 7), (8, 11)))
    torch.testing.assert_close(here[0, 0], torch.tensor([7 * 4 + 1.5, 5 * 4 + 1.5]))
    torch.testing.assert_close(there - here, torch.tensor([16.0, 12.0]).expand(1, POINTS, 2))


def test_the_learnt_temperature_scales_each_map():
    one = head("softargmax", temperature="learnt")
    torch.testing.assert_close(one.points(peak(2, 3)), head("softargmax").points(peak(2, 3)))
    with torch.no_grad():
        one.log_scale.fill_(math.log(0.5))
    torch.testing.assert_close(one.points(peak(2, 3, height=8.0)), head("softargmax").points(peak(2, 3, height=4.0)))


def test_heatmap_offset_adds_what_cells_say():
    one = head("heatmap_offset")
    found = torch.zeros(1, 3 * POINTS, 24, 24)
    found[:, :POINTS] = peak(5, 7)
    found[:, POINTS : 2 * POINTS, 5, 7], found[:, 2 * POINTS :, 5, 7] = 0.25, -0.5
    torch.testing.assert_close(pixels(one.points(found))[0, 0], torch.tensor([7 * 4 + 1.5 + 1.0, 5 * 4 + 1.5 - 2.0]))


def test_simcc_is_the_expectation_over_bins():
    one, maps = head("simcc"), features()
    flat = one.maps(maps).flatten(2)
    at = torch.arange(48) * 2 + 0.5  # 48 bins of two pixels
    x, y = ((axis(flat).softmax(2) * at).sum(2) for axis in one.axes)
    torch.testing.assert_close(pixels(one(maps)), torch.stack([x, y], 2), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("name", ["softargmax", "heatmap_offset"])
def test_points_move_with_the_maps_where_nothing_is_near_the_edge(name):
    """Four cells of the larger map are two of the smaller: away from the edges everything between is a convolution."""
    one = head(name)
    with torch.no_grad():
        for parameter in one.maps.parameters():
            parameter.abs_()  # so that the empty background, 0, is the least of a map
        one.maps.out.weight[:POINTS].mul_(100)  # sharp maps: the background weighs nothing
        one.maps.out.weight[POINTS:].mul_(0.01)  # offsets within a cell or so
    maps = [torch.zeros(2, *shape) for shape in SHAPES]
    g = torch.Generator().manual_seed(3)
    maps[0][:, :, 8:14, 8:14] = torch.rand(2, 8, 6, 6, generator=g) * 4
    maps[1][:, :, 4:7, 4:7] = torch.rand(2, 16, 3, 3, generator=g) * 4
    moved = [one.roll((steps, -steps), (2, 3)) for one, steps in zip(maps, (4, 2), strict=True)]
    here, there = (pixels(one(each)) for each in (maps, moved))
    assert ((here - 48).abs() < 24).all()
    torch.testing.assert_close(there - here, torch.tensor([-16.0, 16.0]).expand_as(here), atol=0.1, rtol=0)


def gaussian(target, sigma, size=24):
    at = (torch.arange(size) * (96 / size) + 96 / size / 2 - 0.5 - 48) / 48
    away = (at - target[0]).square()[None, :] + (at - target[1]).square()[:, None]
    weights = (-away / (2 * (sigma / 48) ** 2)).exp()
    return weights / weights.sum()


def test_the_regulariser_of_softargmax_is_jensen_shannon():
    one = head("softargmax", own_loss=0.5, sigma=6.0).train()
    logits = torch.randn(1, POINTS, 24, 24, generator=torch.Generator().manual_seed(2))
    target = torch.rand(1, POINTS, 2, generator=torch.Generator().manual_seed(3)) - 0.5
    one.points(logits)
    total = 0.0
    for k in range(POINTS):
        p, q = logits[0, k].flatten().softmax(0), gaussian(target[0, k], 6.0).flatten() + 1e-30
        m = (p + q) / 2
        total += 0.5 * float((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / POINTS
    assert one.own_loss(target).item() == pytest.approx(0.5 * total, rel=1e-4)
    assert one.own_loss(target).item() == 0.0  # of one step: it is gone once asked for


@pytest.mark.parametrize("name", FROM_MAPS)
def test_the_own_loss_is_least_where_the_distribution_is_the_labels(name):
    one = head(name, own_loss=1.0, sigma=4.0).train()
    target = torch.zeros(1, POINTS, 2)
    size = 48 if name == "simcc" else 24
    wanted = gaussian(target[0, 0], 4.0, size)
    if name == "simcc":
        logs = [wanted.sum(0).log().expand(1, POINTS, -1)] * 2
        places = cell_centres(size, target.device)[:, None]
        kept = [(log, places, slice(axis, axis + 1)) for axis, log in enumerate(logs)]
    else:
        one(features(1))
        kept = [(wanted.clamp(min=1e-30).flatten().log().expand(1, POINTS, -1), *one.kept[0][1:])]
    one.kept = kept
    assert one.own_loss(target).item() == pytest.approx(0.0, abs=1e-5)
    one.kept = kept
    assert one.own_loss(target + 0.2).item() > 0.1


@pytest.mark.parametrize("name", FROM_MAPS)
def test_missing_labels_have_no_part_in_the_own_loss(name):
    one = head(name, own_loss=1.0).train()
    target = torch.zeros(3, POINTS, 2)
    one(features())
    whole = one.own_loss(target)
    one(features())
    target[1:] = torch.nan
    first = one.own_loss(target)
    one([each[:1] for each in features()])
    assert torch.isfinite(first)
    assert not torch.equal(whole, first)
    one.eval()
    one(features())
    assert one.own_loss(target).item() == 0.0  # nothing was kept outside training
