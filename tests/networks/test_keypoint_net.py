"""The family `keypoint_net`: every part with every other, members, the mirror, and what it refuses."""

import itertools

import pytest
import torch

from kpbench.errors import UsageError
from kpbench.faces.faces import mirrored_order
from kpbench.networks.blocks import BLOCKS, ORDERS, STEMS
from kpbench.networks.families import build, check_rules, flops
from kpbench.networks.heads import HEADS, POINTS
from kpbench.networks.keypoint_net import keypoint_net
from kpbench.networks.layers import DROPOUTS, NORMS
from kpbench.task.benchmark import read_benchmark
from kpbench.training.seeds import global_seed

RULES = read_benchmark().rules
SMALL = {"width": 8, "blocks": 1, "head_width": 8}


def made(seed=0, **params):
    head = params.get("head", "softargmax")
    small = {} if head in ("fc", "global_pool") else {"map_size": 12} | ({"bins": 24} if head == "simcc" else {})
    with global_seed(seed, "weights"):
        return keypoint_net(**{**SMALL, **small, **params})


def faces(n=4):
    return torch.rand(n, 1, 96, 96, generator=torch.Generator().manual_seed(0))


PARTS = [
    *({"stem": stem, "block": block} for stem, block in itertools.product(STEMS, BLOCKS)),
    *({"head": head, "stem": "plain", "order": order} for head, order in itertools.product(HEADS, ORDERS)),
]


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: "-".join(parts.values()))
def test_every_part_goes_with_every_other(parts):
    model = made(**parts)
    out = model(faces())
    assert out.shape == (4, 30)
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    torch.testing.assert_close(model.eval()(faces())[:1], model(faces()[:1]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dropout", sorted(DROPOUTS))
@pytest.mark.parametrize("norm", sorted(NORMS))
def test_every_norm_and_dropout_goes_in(norm, dropout):
    model = made(norm=norm, dropout=dropout, drop_path=0.2)
    model(faces()).sum().backward()
    assert torch.isfinite(model.eval()(faces())).all()


@pytest.mark.parametrize("head", ["softargmax", "heatmap_offset", "simcc"])
@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("block", BLOCKS)
def test_points_move_with_the_picture(block, stem, head):
    """A light patch on black, moved by whole cells of the map, away from the edges."""
    model = made(stem=stem, block=block, head=head, depth=1, map_size=24, **({"bins": 24} if head == "simcc" else {}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()  # so that the black background, 0 from stem to head, is the least of a map
        model[-1].log_scale.fill_(6.0)  # sharp maps: the background weighs nothing
        if head == "heatmap_offset":
            model[-1].maps.out.weight[POINTS:].mul_(0.01)  # offsets within a cell or so
        if head == "simcc":  # bins that are the rows and columns of the map, for what their weights learn is a place
            for layer, axis in zip(model[-1].axes, (0, 1), strict=True):
                layer.weight.copy_(torch.eye(24).repeat(1, 24) if axis == 0 else torch.eye(24).repeat_interleave(24, 1))
                layer.bias.zero_()
    picture = torch.zeros(1, 1, 96, 96)
    picture[..., 44:56, 40:52] = torch.rand(12, 12, generator=torch.Generator().manual_seed(4))
    here, there = (model.eval()(one).view(POINTS, 2) * 48 for one in (picture, picture.roll((-8, 12), (2, 3))))
    assert (here.abs() < 24).all()
    torch.testing.assert_close(there - here, torch.tensor([12.0, -8.0]).expand_as(here), atol=0.1, rtol=0)


@pytest.mark.parametrize("stem", STEMS)
def test_a_stage_is_half_of_the_one_before_with_twice_its_channels(stem):
    maps = made(stem=stem, depth=4)[0](faces(1))
    assert [tuple(one.shape[1:]) for one in maps] == [(8, 24, 24), (16, 12, 12), (32, 6, 6), (64, 3, 3)]


def test_pooling_comes_before_or_after_the_norm():
    per_activation = {order: made(stem="plain", order=order, norm="batch") for order in ORDERS}
    first = {order: model[0].stem[0] for order, model in per_activation.items()}
    sizes = {
        order: sum(p.numel() for m in block if hasattr(m, "norm") for p in m.parameters())
        for order, block in first.items()
    }
    assert sizes == {"norm_pool": 2 * 4 * 96 * 96, "pool_norm": 2 * 4 * 48 * 48}


def test_the_defaults_keep_the_rules_and_depthwise_is_the_lightest():
    params = {"family": "keypoint_net"}
    parameters, _ = check_rules(params, RULES)
    assert parameters == sum(p.numel() for p in build(params).parameters())
    each = {block: check_rules({**params, "network.block": block}, RULES)[0] for block in BLOCKS}
    assert min(each, key=each.get) == "depthwise"
    assert flops({**params, "network.stem": "space_to_depth"}) < flops({**params, "network.stem": "plain"})


def test_members_are_averaged_and_each_learns_its_own():
    model = made(members=3)
    out = model.eval()(faces())
    torch.testing.assert_close(out, torch.stack([one(faces()) for one in model.members]).mean(0))
    assert not torch.equal(model.members[0](faces()), model.members[1](faces()))
    each = model.train()(faces())
    assert each.shape == (3, 4, 30)
    torch.testing.assert_close(each, torch.stack([one(faces()) for one in model.members]))


def test_the_mirror_average_of_a_mirrored_face_is_the_mirror_of_the_average():
    model = made(mirror_average=True).eval()
    out, mirrored = (model(x).view(-1, POINTS, 2) for x in (faces(), faces().flip(-1)))
    pixels = mirrored[:, list(mirrored_order())] * 48 + 48
    pixels[..., 0] = 95 - pixels[..., 0]
    torch.testing.assert_close(out * 48 + 48, pixels, atol=1e-3, rtol=1e-5)
    plain = made().eval()
    assert not torch.allclose(out.flatten(1), plain(faces()))
    torch.testing.assert_close(model.train().network.eval()(faces()), plain(faces()))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"stem": "stride"}, "unknown network.stem 'stride'.*did you mean 'stride2'"),
        ({"block": "residul"}, "did you mean 'residual'"),
        ({"head": "softmax"}, "did you mean 'softargmax'"),
        ({"order": "pool"}, "network.order"),
        ({"temperature": "learned"}, "did you mean 'learnt'"),
        ({"norm": "batc"}, "did you mean 'batch'"),
        ({"depth": 5}, "greatest depth is 4"),
        ({"depth": 0}, "network.depth must be at least 1"),
        ({"kernel": 2}, "odd"),
        ({"members": 9}, "at most 8"),
        ({"members": 0}, "at least 1"),
        ({"head_width": 0}, "head_width must be at least 1"),
        ({"map_size": 97}, "between 2 and 96"),
        ({"own_loss": -1.0}, "own_loss"),
        ({"bins": 24}, "network.bins = 24 has no part here, it is for the head simcc"),
        ({"head": "fc", "own_loss": 0.1}, "own_loss = 0.1 has no part here, it is for heads that read points off maps"),
        ({"head": "global_pool", "map_size": 12}, "network.map_size"),
        ({"head": "fc", "temperature": "fixed"}, "network.temperature"),
        ({"sigma": 3.0}, "network.sigma = 3.0 has no part here, it is for own_loss above 0"),
        ({"order": "pool_norm"}, "network.order"),
        ({"block": "plain", "drop_path": 0.1}, "network.drop_path"),
        ({"drop_path": 1.0}, "network.drop_path must be at least 0 and below 1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(params, says):
    with pytest.raises(UsageError, match=says):
        keypoint_net(**params)


def test_instance_norm_needs_two_pixels_and_finds_them_at_every_depth():
    made(norm="instance", depth=4)(faces())
