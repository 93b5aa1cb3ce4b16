"""The first block on a card computes what its layers compute: on a card, elsewhere in Triton's interpreter."""

import copy

import pytest
import torch
from torch import nn

from kpbench.networks import fused

pytest.importorskip("triton", reason="Triton comes with torch for CUDA, and with the extra test")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


NEW_EMPTY = torch.Tensor.new_empty


def unwritten(self, *shape, **options):
    """Memory of which NumPy warns once it is read: signalling NaNs."""
    found = NEW_EMPTY(self, *shape, **options)
    if found.dtype == torch.float32:
        found.view(torch.int32).fill_(0x7FA00000)
    return found


@pytest.mark.parametrize(
    ("channels", "slope", "normed", "biased"), [(18, 0.1, True, False), (5, 0.0, True, True), (5, 0.0, False, True)]
)
def test_outputs_gradients_and_statistics_are_those_of_the_layers(channels, slope, normed, biased, monkeypatch):
    from kpbench.networks import card_pictures

    monkeypatch.setattr(torch.Tensor, "new_empty", unwritten)
    monkeypatch.setattr(card_pictures, "PARTS", 30)  # each program has several tiles, the last one a part of one
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(1)  # with no two equal values in a window, of which float32 and float64 may take different ones
    conv = nn.Conv2d(1, channels, 3, padding=1, bias=biased)
    norm = nn.BatchNorm2d(channels) if normed else nn.Identity()
    for parameter in (*conv.parameters(), *norm.parameters()):
        nn.init.normal_(parameter)  # gammas of both signs
    mine = nn.ModuleList([conv, norm]).to(DEVICE)
    theirs = copy.deepcopy(mine).double()
    x = torch.rand(2, 1, 96, 96, device=DEVICE)
    z = card_pictures.conv_norm_pool_act(x, *mine, slope)
    expected = nn.LeakyReLU(slope)(nn.MaxPool2d(2)(theirs[1](theirs[0](x.double()))))
    gradient = torch.randn(z.shape, device=DEVICE)
    z.backward(gradient)
    expected.backward(gradient.double())
    assert z.is_contiguous(memory_format=torch.channels_last)
    largest = max(parameter.grad.abs().max() for parameter in theirs.parameters())
    pairs = [(z, expected), *zip(mine.buffers(), theirs.buffers(), strict=True)]
    pairs += [(a.grad / largest, b.grad / largest) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True)]
    for found, known in pairs:
        torch.testing.assert_close(found.detach().double(), known.detach().double(), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA card on this machine")
def test_a_block_on_a_card_takes_these_passes_and_agrees_with_its_layers_in_bf16():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.ReLU(), nn.Identity()
    block = fused.Block(*layers).train().to(DEVICE)
    exact = fused.run_plain(copy.deepcopy(block)).double()
    x = torch.rand(32, 1, 96, 96, device=DEVICE)
    with torch.autocast("cuda", torch.bfloat16):
        z = block(x)
    assert type(z.grad_fn).__name__ == "_PicturesBackward" and z.dtype == torch.bfloat16
    known = exact(x.double())
    assert (z.double() - known).norm() < 4e-3 * known.norm()
