"""The fused block computes what its layers compute one by one."""

import copy

import pytest
import torch
from torch import nn

from kpbench.errors import lookup
from kpbench.networks import fused
from kpbench.networks.cnn import _block
from kpbench.networks.families import build
from kpbench.networks.fused import Block, run_plain
from kpbench.networks.layers import ACTIVATIONS, DROPOUTS
from kpbench.training.seeds import global_seed

FUSED = ["none", "batch", "spatial_batch", "spatial_batch_fixed_scale"]
"""Norms that the block fuses."""

SIZES = [(12, 12), (7, 5), (3, 8), (2, 2)]
"""Heights and widths of a map, odd ones among them: their last row or column is in no window."""


def block(norm, dropout="none", activation="relu", size=(12, 12), channels=5):
    """A block whose gammas have both signs, and one whose layers run one by one with the same weights in float64."""
    with global_seed(3, norm, size[0]):
        one = _block(3, (channels, *size), 3, norm, dropout, 0.3, activation).train()
        for name, parameter in one.named_parameters():
            if name != "0.weight":
                nn.init.normal_(parameter)
    return one, run_plain(copy.deepcopy(one).double())


def trained(network):
    return [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]


def both(one, plain, size, n=6, seed=0):
    """Outputs and input gradients of the two for one batch and one random gradient; parameters get theirs."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, *size, generator=g)
    results = []
    for network, dtype in ((one, torch.float32), (plain, torch.float64)):
        given = x.to(dtype, memory_format=torch.channels_last, copy=True).requires_grad_()
        with global_seed(seed, "dropout"):
            out = network(given)
        wanted = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed + 1))
        network.zero_grad()
        out.backward(wanted.to(dtype))
        results.append((out.detach().double(), given.grad.double()))
    return results


@pytest.fixture(autouse=True)
def compiled():
    if not fused.AVAILABLE["cpu"]:
        pytest.skip("numba is not installed: blocks run layer by layer")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("norm", FUSED)
def test_forward_backward_and_statistics_are_those_of_the_layers(norm, activation, size):
    one, plain = block(norm, activation=activation, size=size)
    for batch in range(3):
        (out, into), (true_out, true_into) = both(one, plain, size, seed=batch)
        torch.testing.assert_close(out, true_out, atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(into, true_into, atol=5e-5, rtol=5e-5)
        for (name, mine), (_, theirs) in zip(*map(trained, (one, plain)), strict=True):
            scale = theirs.grad.abs().max()
            torch.testing.assert_close(
                mine.grad.double() / scale, theirs.grad / scale, atol=2e-5, rtol=0, msg=lambda m, name=name: name + m
            )
    for mine, theirs in zip(one.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine.double(), theirs.double(), atol=1e-5, rtol=1e-5)
    assert all(int(b) == 3 for name, b in one.named_buffers() if name.endswith("num_batches_tracked"))


@pytest.mark.parametrize("dropout", DROPOUTS)
@pytest.mark.parametrize("norm", FUSED)
def test_dropout_behind_it_draws_the_same_masks(norm, dropout):
    one, _ = block(norm, dropout)
    plain = run_plain(copy.deepcopy(one))
    x = torch.randn(8, 3, 12, 12, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    outputs = []
    for network in (one, plain):
        with global_seed(1, "dropout"):
            outputs.append(network(x))
    assert torch.equal(outputs[0] == 0, outputs[1] == 0)
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)


def test_without_a_norm_it_is_the_layers_to_the_last_bit():
    one, _ = block("none")
    plain = run_plain(copy.deepcopy(one))
    for autocast in (False, True):
        x = torch.randn(4, 3, 13, 12)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = [network(x) for network in (one, plain)]
        assert torch.equal(*outputs)
        for network, out in zip((one, plain), outputs, strict=True):
            network.zero_grad()
            out.sum().backward()
        assert all(torch.equal(a.grad, b.grad) for a, b in zip(one.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("norm", FUSED)
def test_in_bfloat16_it_is_as_near_to_the_truth_as_the_layers(norm):
    """A whole network under autocast; the truth is the same network in float64."""
    params = {"family": "cnn", "network.norm": norm, "network.width": 8, "network.head_width": 16}
    x = torch.rand(16, 1, 96, 96, generator=torch.Generator().manual_seed(0))

    def gradients(fast, dtype, autocast):
        with global_seed(0, "weights"):
            network = build(params).to(memory_format=torch.channels_last)
        network = (network if fast else run_plain(network)).to(dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = network(x.to(dtype))
        out.double().square().mean().backward()
        return torch.cat([p.grad.double().flatten() for _, p in trained(network)])

    truth = gradients(False, torch.float64, False)
    fast, layers = ((gradients(fast, torch.float32, True) - truth).norm() for fast in (True, False))
    assert fast <= 1.25 * layers
    assert (gradients(True, torch.float32, False) - truth).norm() <= 1e-3 * truth.norm()


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("norm", FUSED)
def test_a_value_that_is_no_number_comes_out_as_none(norm, autocast):
    one, _ = block(norm)
    x = torch.randn(4, 3, 12, 12)
    x[0, 0, 5, 5] = float("nan")
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert one(x).isnan().any()


def test_large_offsets_do_not_eat_the_variance():
    """The sum of squares is taken around a pixel of the map: a mean of 1,000 deviations costs no digits."""
    norm = nn.BatchNorm2d(4)
    y = torch.randn(8, 4, 10, 10, generator=torch.Generator().manual_seed(0)) + 1000
    fused.norm_pool_act(y, norm, 0.0)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * y.double().var((0, 2, 3)).float(), atol=1e-5, rtol=1e-5)


def test_where_no_folder_can_be_written_it_compiles_all_the_same(monkeypatch):
    from numba.core import caching

    from kpbench.networks import kernels

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert kernels.compiled(lambda x: x + 1)(1) == 2


def test_one_value_has_no_statistics():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        block("batch")[0](torch.randn(1, 3, 12, 12))


def test_what_it_cannot_do_runs_layer_by_layer(monkeypatch):
    calls = []
    monkeypatch.setattr(fused, "norm_pool_act", lambda y, norm, slope: calls.append(slope) or y[..., ::2, ::2])
    x = torch.randn(2, 3, 12, 12)
    one, plain = block("spatial_batch")
    one(x)
    assert calls == [0.0]
    one.eval()(x)
    plain.train()(x.double())
    block("none", activation="gelu")[0](x)
    monkeypatch.setattr(fused, "LONGEST", 5 * 6 - 1)
    one.train()(x)  # a row of six windows of five channels
    assert calls == [0.0]
    monkeypatch.setattr(fused, "LONGEST", 5 * 6)
    one(x)
    assert calls == [0.0, 0.0]
    assert isinstance(one, Block)
    assert lookup(ACTIVATIONS, "gelu", "activation") is nn.GELU
