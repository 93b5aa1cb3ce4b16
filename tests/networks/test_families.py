"""Families: what they build, what they refuse, and weight sharing."""

import numpy as np
import pytest
import torch

from kpbench.errors import UsageError
from kpbench.networks.families import FAMILIES, build, check_rules, family_defaults, size_of
from kpbench.task.benchmark import read_benchmark
from kpbench.training.seeds import global_seed

RULES = read_benchmark().rules


def made(**params):
    with global_seed(0, "weights"):
        return build(params)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_takes_a_face_and_trains_under_the_rules(family):
    model = made(family=family)
    x = torch.rand(2, 1, 96, 96)
    out = model(x)
    assert out.shape == (2, 30)
    out.square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())
    check_rules({"family": family}, RULES)
    assert all(name.startswith("network.") for name in family_defaults(family))


def test_size_is_that_of_the_built_network():
    params = {"family": "cnn", "network.depth": 2, "network.norm": "batch"}
    parameters, megabytes = size_of(params)
    model = build(params)
    assert parameters == sum(p.numel() for p in model.parameters())
    # By hand: conv 16*9 + norm 2*16*96^2, conv 32*16*9 + norm 2*32*48^2, head 18432*128+128, 128*30+30.
    by_hand = 16 * 9 + 2 * 16 * 96**2 + 32 * 16 * 9 + 2 * 32 * 48**2 + 32 * 24**2 * 128 + 128 + 128 * 30 + 30
    assert parameters == by_hand
    assert megabytes == pytest.approx(sum(t.numel() * t.element_size() for t in model.state_dict().values()) / 1e6)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"family": "cnn", "network.depth": 7}, "depth 7 .* block 7 .* greatest depth is 6"),
        ({"family": "cnn", "network.depth": 0}, "network.depth must be at least 1"),
        ({"family": "cnn", "network.kernel": 4}, "odd"),
        ({"family": "cnn", "network.dropout_rate": 1.0}, "dropout_rate"),
        ({"family": "cnn", "network.norm": "spatial_bach"}, "did you mean 'spatial_batch'"),
        ({"family": "cnn", "network.dropout": "spacial"}, "did you mean 'spatial'"),
        ({"family": "cnn", "network.activation": "rely"}, "did you mean 'relu'"),
        ({"family": "mlp", "network.dropout": "spatial"}, "feature maps"),
        ({"family": "mlp", "network.norm": "spatial_batch"}, "feature maps"),
        ({"family": "cn"}, "did you mean 'cnn'"),
        ({"family": "timm_backbone", "network.model": "resnett18"}, "did you mean 'resnet18'"),
        ({"family": "cnn", "network.depth": 2, "network.head_width": 512}, r"9,\d{3},\d{3} parameters"),
        ({"family": "timm_backbone", "network.model": "resnet18"}, "11,185,630 parameters"),
        ({"family": "timm_features", "network.model": "resnett18"}, "did you mean 'resnet18'"),
        ({"family": "timm_features", "network.model": "vit_tiny_patch16_224"}, "gives no feature maps"),
        ({"family": "timm_features", "network.head": "softmax"}, "did you mean 'softargmax'"),
        ({"family": "timm_features", "network.head_width": 0}, "network.head_width must be at least 1"),
        ({"family": "keypoint_net", "network.width": 96}, r"\d,\d{3},\d{3} parameters"),
    ],
)
def test_what_cannot_be_is_refused_by_name(params, says):
    with pytest.raises(UsageError, match=says):
        check_rules(params, RULES)


def test_the_rule_is_fewer_than_five_million():
    assert RULES.max_parameters == 4_999_999


def moved(model, shift):
    """Mean absolute difference between moving the picture and moving the features, over the inner part."""
    g = torch.Generator().manual_seed(0)
    x = torch.zeros(1, 1, 96, 96)
    x[:, :, 32:64, 32:64] = torch.rand(1, 1, 32, 32, generator=g)
    before, after = model(x), model(torch.roll(x, shift, dims=3))
    return before, after


def test_a_conv_stack_moves_with_the_picture():
    stack = made(**{"family": "cnn", "network.depth": 3, "network.norm": "spatial_batch"})[:3].eval()
    before, after = moved(stack, 8)  # three poolings: 8 pixels are one step of the features
    torch.testing.assert_close(torch.roll(before, 1, dims=3)[..., 3:10, 3:10], after[..., 3:10, 3:10])
    assert (before - after).abs().max() > 1e-3  # it did move


def test_an_mlp_shares_nothing_between_places():
    layer = made(family="mlp", **{"network.width": 144, "network.norm": "none"})[:2].eval()
    before, after = moved(layer, 8)
    before, after = (v.view(1, 1, 12, 12) for v in (before, after))
    assert (torch.roll(before, 1, dims=3) - after).abs().mean() > 0.05


def test_per_activation_norm_ends_weight_sharing_once_places_have_their_own_scale():
    stack = made(**{"family": "cnn", "network.depth": 1, "network.norm": "batch"})[:1]
    for parameter in stack[0][1].parameters():
        parameter.data.uniform_(0.5, 2.0)
    before, after = moved(stack.eval(), 2)
    assert (torch.roll(before, 1, dims=3) - after)[..., 4:40, 4:40].abs().max() > 1e-2


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"network.depth": "a"}, "network.depth must be a whole number such as 4, got 'a'"),
        ({"network.depth": 2.5}, "network.depth must be a whole number"),
        ({"network.depth": True}, "network.depth must be a whole number"),
        ({"network.norm": ["none"]}, r"network.norm must be text such as 'spatial_batch', got \['none'\]"),
        ({"network.dropout_rate": "x"}, "network.dropout_rate must be a number such as 0.1, got 'x'"),
        ({"network.dept": 3}, "cnn has no parameter 'network.dept'; did you mean 'network.depth'"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_words(params, says):
    with pytest.raises(UsageError, match=says):
        build({"family": "cnn", **params})
    assert build({"family": "cnn", "network.depth": np.int64(2), "network.dropout_rate": 0}) is not None
