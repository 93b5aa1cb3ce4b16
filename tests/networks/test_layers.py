"""Each norm and dropout is held to its formula."""

import pytest
import torch

from kpbench.errors import UsageError
from kpbench.networks.layers import ACTIVATIONS, DROPOUTS, MONOTONE, NORMS, DropPath, PerActivationBatchNorm
from kpbench.training.seeds import global_seed

SHAPE = (3, 4, 5)
EPS = 1e-5


def batch(n=16, seed=0, shape=SHAPE):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=g) * 3 + 2


def scrambled(norm):
    """Gammas and betas that are all different, so that a wrong order shows."""
    g = torch.Generator().manual_seed(9)
    for parameter in norm.parameters():
        parameter.data = torch.rand(parameter.shape, generator=g) + 0.5
    return norm


def channels_last(flat, shape=SHAPE):
    """(H*W*C,) as stored -> (C, H, W)."""
    c, h, w = shape
    return flat.view(h, w, c).permute(2, 0, 1)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_per_activation_batch_norm_is_the_fully_connected_formula_on_each_activation(memory):
    x = batch().to(memory_format=memory)
    norm = scrambled(PerActivationBatchNorm(SHAPE)).train()
    gamma, beta = channels_last(norm.norm.weight), channels_last(norm.norm.bias)
    mean, var = x.mean(0), x.var(0, unbiased=False)
    expected = gamma * (x - mean) / torch.sqrt(var + EPS) + beta
    out = norm(x)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last)
    # Running statistics: r <- 0.9 r + 0.1 b from mean 0 and variance 1.
    running = channels_last(norm.norm.running_mean), channels_last(norm.norm.running_var)
    torch.testing.assert_close(running[0], 0.1 * mean)
    torch.testing.assert_close(running[1], 0.9 + 0.1 * x.var(0, unbiased=True))
    norm.eval()
    y = batch(5, seed=1)
    expected = gamma * (y - running[0]) / torch.sqrt(running[1] + EPS) + beta
    torch.testing.assert_close(norm(y), expected, rtol=1e-5, atol=1e-5)


def test_spatial_batch_norm_shares_statistics_over_a_map():
    x = batch()
    norm = scrambled(NORMS["spatial_batch"](SHAPE)).train()
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    expected = (
        norm.weight.view(1, 3, 1, 1) * (x - mean.view(1, 3, 1, 1)) / torch.sqrt(var.view(1, 3, 1, 1) + EPS)
    ) + norm.bias.view(1, 3, 1, 1)
    torch.testing.assert_close(norm(x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.var((0, 2, 3), unbiased=True))


def test_the_norms_have_the_parameters_of_their_formulas():
    count = {name: sum(p.numel() for p in NORMS[name]((32, 96, 96)).parameters() if p.requires_grad) for name in NORMS}
    shared = dict.fromkeys(("spatial_batch", "group", "layer", "instance"), 64)
    assert count == {"none": 0, "batch": 2 * 32 * 96 * 96, "spatial_batch_fixed_scale": 32, **shared}


@pytest.mark.parametrize(("name", "over"), [("group", (2, 3, 4)), ("layer", (1, 2, 3, 4)), ("instance", (3, 4))])
def test_norms_of_one_example_have_its_own_statistics_alone(name, over):
    """By hand, over groups of channels: (N, 8 groups, 2 channels, H, W)."""
    x = batch(shape=(16, 4, 6)) * 3 + 1
    grouped = x.view(len(x), 8, 2, 4, 6)
    mean, var = grouped.mean(over, keepdim=True), grouped.var(over, unbiased=False, keepdim=True)
    wanted = ((grouped - mean) / (var + 1e-5).sqrt()).view(x.shape)
    norm = NORMS[name]((16, 4, 6)).train()
    torch.testing.assert_close(norm(x), wanted)
    torch.testing.assert_close(norm.eval()(x[:1]), wanted[:1])  # nothing is kept from a batch


def test_groups_divide_the_channels_and_hold_two_values_each():
    groups = {shape: NORMS["group"](shape).num_groups for shape in [(12, 4, 4), (5, 4, 4), (7,), (8,), (6,), (1, 3, 3)]}
    assert groups == {(12, 4, 4): 6, (5, 4, 4): 5, (7,): 1, (8,): 4, (6,): 3, (1, 3, 3): 1}


def test_instance_norm_needs_a_map():
    with pytest.raises(UsageError, match="'instance' needs feature maps"):
        NORMS["instance"]((7,))


def test_the_fixed_scale_is_not_trained():
    norm = NORMS["spatial_batch_fixed_scale"](SHAPE)
    assert [name for name, p in norm.named_parameters() if p.requires_grad] == ["bias"]
    assert torch.equal(norm.weight, torch.ones_like(norm.weight))


def test_dropblock_zeroes_whole_squares_and_about_its_share():
    with global_seed(0):
        out = DROPOUTS["block"]((3, 24, 24), 0.2).train()(torch.ones(400, 3, 24, 24))
    gone = out == 0
    assert gone.float().mean() == pytest.approx(0.18, abs=0.02)  # squares overlap
    # Whatever is gone is gone with a square of 5x5: opening by that square changes nothing.
    eroded = 1 - torch.nn.functional.max_pool2d(1 - gone.float(), 5, stride=1)
    opened = torch.nn.functional.max_pool2d(torch.nn.functional.pad(eroded, [4] * 4), 5, stride=1)
    assert torch.equal(opened, gone.float())
    assert not torch.equal(gone[:, 0], gone[:, 1])  # maps have squares of their own


def test_stochastic_depth_takes_whole_examples_and_keeps_the_expectation():
    x = torch.rand(4000, 2, 3, 3) + 0.1
    with global_seed(0):
        out = DropPath(0.3).train()(x)
    whole = (out == 0).flatten(1).all(1)
    assert whole.float().mean() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(out[~whole], x[~whole] / 0.7)
    assert torch.equal(DropPath(0.3).eval()(x), x)


def test_the_norms_differ_where_places_differ_and_agree_on_a_1x1_picture():
    x = batch()
    x[:, :, 0, 0] += 100  # one place far from the others
    per_place = NORMS["batch"](SHAPE).train()(x)
    shared = NORMS["spatial_batch"](SHAPE).train()(x)
    assert per_place[:, :, 0, 0].mean().abs() < 1e-4
    assert shared[:, :, 0, 0].mean() > 2
    one = batch(shape=(6, 1, 1))
    torch.testing.assert_close(NORMS["batch"]((6, 1, 1)).train()(one), NORMS["spatial_batch"]((6, 1, 1)).train()(one))


def test_per_activation_batch_norm_takes_a_fully_connected_layer():
    x = batch(shape=(7,))
    torch.testing.assert_close(NORMS["batch"]((7,)).train()(x), torch.nn.BatchNorm1d(7).train()(x))


RATE = 0.3


def dropped(name, x):
    torch.manual_seed(0)
    return DROPOUTS[name](x.shape[1:], RATE).train()(x)


def test_standard_dropout_zeroes_single_units():
    out = dropped("standard", torch.ones(64, 8, 10, 10))
    zero = out == 0
    assert zero.float().mean().item() == pytest.approx(RATE, abs=0.01)
    whole = zero.flatten(2).all(2) | (~zero).flatten(2).all(2)
    assert not whole.any()  # with 100 units a map is never all of one kind
    torch.testing.assert_close(out[~zero], torch.full_like(out[~zero], 1 / (1 - RATE)))


def test_spatial_dropout_zeroes_whole_maps():
    out = dropped("spatial", torch.ones(256, 32, 4, 4))
    zero = out == 0
    assert torch.equal(zero.flatten(2).all(2), zero.flatten(2).any(2))
    assert zero[:, :, 0, 0].float().mean().item() == pytest.approx(RATE, abs=0.02)
    torch.testing.assert_close(out[~zero], torch.full_like(out[~zero], 1 / (1 - RATE)))


@pytest.mark.parametrize("name", ["standard", "spatial"])
def test_dropout_keeps_the_expectation_and_rests_in_eval(name):
    x = torch.rand(512, 16, 4, 4)
    assert dropped(name, x).mean().item() == pytest.approx(x.mean().item(), rel=0.03)
    torch.testing.assert_close(DROPOUTS[name](SHAPE, RATE).eval()(x), x)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_monotone_activations_and_only_they_commute_with_max_pooling(name):
    x, act = batch(4, shape=(2, 8, 8)) - 2, ACTIVATIONS[name]()
    pool = torch.nn.MaxPool2d(2)
    assert torch.equal(act(pool(x)), pool(act(x))) == (name in MONOTONE)
