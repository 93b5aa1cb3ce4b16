"""The first block, whose map is never written, computes what its layers compute one by one."""

import copy

import pytest
import torch
from torch import nn

from kpbench.networks import fused, pictures
from kpbench.networks.cnn import _block
from kpbench.networks.fused import run_plain
from kpbench.training.seeds import global_seed

NORMS = ["none", "spatial_batch", "spatial_batch_fixed_scale"]


@pytest.fixture(autouse=True)
def compiled():
    if not fused.AVAILABLE["cpu"]:
        pytest.skip("numba is not installed: blocks run layer by layer")


def first_block(norm, activation="relu", channels=5):
    """The block, gammas of both signs, and one whose layers run one by one with the same weights in float64."""
    with global_seed(3, norm):
        one = _block(1, (channels, 96, 96), 3, norm, "none", 0.1, activation).train()
        for name, parameter in one.named_parameters():
            if name != "0.weight":
                nn.init.normal_(parameter)
    assert pictures.takes(faces(2), one[0], one[1])
    return one, run_plain(copy.deepcopy(one).double())


def faces(n, seed=0):
    return torch.rand(n, 1, 96, 96, generator=torch.Generator().manual_seed(seed))


def gradients(network, x, wanted):
    network.zero_grad()
    out = network(x)
    out.backward(wanted.to(out.dtype))
    return out.detach().double(), {name: p.grad.double() for name, p in network.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("channels", [1, 5, 16])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("norm", NORMS)
def test_outputs_gradients_and_statistics_are_those_of_the_layers(norm, activation, channels):
    one, plain = first_block(norm, activation, channels)
    for batch in range(3):
        x = faces(3, batch)
        wanted = torch.randn(3, channels, 48, 48, generator=torch.Generator().manual_seed(batch))
        (out, mine), (true, theirs) = gradients(one, x, wanted), gradients(plain, x.double(), wanted)
        torch.testing.assert_close(out, true, atol=2e-5, rtol=2e-5)
        assert out.is_contiguous(memory_format=torch.channels_last) and mine.keys() == theirs.keys()
        for name, gradient in theirs.items():
            scale = gradient.abs().max().clamp(min=1e-9)
            torch.testing.assert_close(mine[name] / scale, gradient / scale, atol=2e-5, rtol=0)
    for mine, theirs in zip(one.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine.double(), theirs.double(), atol=1e-6, rtol=1e-5)
    assert all(int(b) == 3 for name, b in one.named_buffers() if name.endswith("num_batches_tracked"))


@pytest.mark.parametrize("norm", ["none", "spatial_batch"])
def test_a_bias_before_a_norm_moves_its_mean_alone(norm):
    biased = nn.Conv2d(1, 4, 3, padding=1)
    nn.init.normal_(biased.bias)
    layers = biased, nn.BatchNorm2d(4) if norm == "spatial_batch" else nn.Identity(), nn.MaxPool2d(2), nn.ReLU()
    one = fused.Block(*layers, nn.Identity()).train()
    plain = run_plain(copy.deepcopy(one).double())
    x, wanted = faces(4), torch.ones(4, 4, 48, 48)
    (out, mine), (true, theirs) = gradients(one, x, wanted), gradients(plain, x.double(), wanted)
    torch.testing.assert_close(out, true, atol=2e-5, rtol=2e-5)
    largest = max(gradient.abs().max() for gradient in theirs.values())
    for name, gradient in theirs.items():
        torch.testing.assert_close(mine[name] / largest, gradient / largest, atol=2e-6, rtol=0)
    for mine, theirs in zip(one.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine.double(), theirs.double(), atol=1e-6, rtol=1e-5)


def test_where_nothing_varies_the_variance_is_zero_and_the_first_of_equals_is_taken():
    """A network whose filter sees no edge, or whose gamma is zero, is still a function with a gradient."""
    one, plain = first_block("spatial_batch", channels=2)
    for network in (one, plain):
        with torch.no_grad():
            network[0].weight[0] = 0.0
            network[1].weight[1] = 0.0
            network[1].bias.fill_(0.5)
    x, wanted = faces(3), torch.randn(3, 2, 48, 48, generator=torch.Generator().manual_seed(0))
    (out, mine), (true, theirs) = gradients(one, x, wanted), gradients(plain, x.double(), wanted)
    torch.testing.assert_close(out, true, atol=2e-5, rtol=2e-5)
    assert float(one[1].running_var[0]) == pytest.approx(0.9)
    # The gradient of weights without an effect on the output is that of a tie, which rounding breaks: not compared.
    torch.testing.assert_close(mine["1.bias"], theirs["1.bias"], atol=1e-3, rtol=1e-5)
    assert all(gradient.isfinite().all() for gradient in mine.values())


@pytest.mark.parametrize("norm", ["none", "spatial_batch"])
def test_in_bfloat16_it_is_nearer_to_the_truth_than_the_layers(norm):
    one, plain = first_block(norm, channels=16)
    layers = run_plain(copy.deepcopy(one))
    x, wanted = faces(8), torch.randn(8, 16, 48, 48, generator=torch.Generator().manual_seed(0))
    true, theirs = gradients(plain, x.double(), wanted)
    found = []
    for network in (one, layers):
        with torch.autocast("cpu", torch.bfloat16):
            assert network(x).dtype == torch.bfloat16
            out, mine = gradients(network, x, wanted)
        found.append([(out - true).norm(), *((mine[name] - theirs[name]).norm() for name in theirs)])
    assert all(near <= 1.05 * far for near, far in zip(*found, strict=True))


@pytest.mark.parametrize("norm", NORMS)
def test_a_value_that_is_no_number_comes_out_as_none(norm):
    one, _ = first_block(norm)
    x = faces(2)
    x[0, 0, 50, 51] = float("nan")
    out = one(x)
    assert out.isnan().any()
    out.sum().backward()
    assert one[0].weight.grad.isnan().any()


@pytest.mark.parametrize("norm", NORMS)
def test_a_gradient_that_is_no_number_comes_out_as_none(norm):
    one, _ = first_block(norm)
    out = one(faces(2))
    gradient = torch.ones_like(out)
    gradient[0, :, 3, 4] = float("nan")
    out.backward(gradient)
    assert one[0].weight.grad.isnan().any()


def test_twice_is_the_same_to_the_last_bit():
    one, _ = first_block("spatial_batch")
    x, wanted = faces(4), torch.randn(4, 5, 48, 48, generator=torch.Generator().manual_seed(0))
    first, second = gradients(one, x, wanted), gradients(one, x, wanted)
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(gradient, second[1][name]) for name, gradient in first[1].items())


def test_what_is_no_such_block_runs_as_before():
    conv, norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
    assert pictures.takes(faces(1), conv, norm)
    assert not pictures.takes(faces(1).requires_grad_(), conv, norm)
    assert not pictures.takes(faces(1)[..., :48], conv, norm)
    assert not pictures.takes(faces(0), conv, norm)
    assert not pictures.takes(faces(1), conv, nn.GroupNorm(1, 4))
    for other in (
        nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3, 2, padding=1),
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"), nn.Conv2d(1, 4, 3, padding="same"),
    ):  # fmt: skip
        assert not pictures.takes(faces(1), other, norm)
