"""The passes for a card compute what the layers compute one by one: on a card, elsewhere in Triton's interpreter."""

import copy

import pytest
import torch
from torch import nn

from kpbench.networks import fused
from kpbench.networks.layers import PerActivationBatchNorm
from kpbench.training.augment import draw_moves, move
from kpbench.training.faces import DeviceFaces

pytest.importorskip("triton", reason="Triton comes with torch for CUDA, and with the extra test")

CARD = torch.cuda.is_available()


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """The card's steps for every map; its kernels are interpreted where there is no card."""
    from kpbench.networks import card

    if not CARD:
        monkeypatch.setattr(card, "TILE", 256)  # several programs, small as these maps are
    monkeypatch.setattr(fused, "_steps", lambda kind: card.steps())
    return card


def made(norm, channels, size):
    if norm == "none":
        return nn.Identity()
    layer = nn.BatchNorm2d(channels) if norm == "spatial" else PerActivationBatchNorm((channels, *size))
    for parameter in layer.parameters():
        nn.init.normal_(parameter)  # gammas of both signs
    return layer


@pytest.mark.parametrize("slope", [0.0, 0.1])
@pytest.mark.parametrize(("channels", "size", "n"), [(5, (12, 8), 6), (16, (4, 4), 7), (24, (2, 6), 5)])
@pytest.mark.parametrize("norm", ["none", "spatial", "each"])
def test_forward_backward_and_statistics_are_those_of_the_layers(norm, channels, size, n, slope):
    torch.manual_seed(0)
    device = "cuda" if CARD else "cpu"
    mine = made(norm, channels, size)
    theirs = copy.deepcopy(mine).double()
    mine = mine.to(device)
    start = torch.randn(n, channels, *size)
    y = start.to(device, memory_format=torch.channels_last, copy=True).requires_grad_()
    wanted = start.double().requires_grad_()
    z = fused.norm_pool_act(y, mine, slope)
    act = nn.LeakyReLU(slope) if slope else nn.ReLU()
    expected = act(nn.MaxPool2d(2)(theirs(wanted)))
    gradient = torch.randn(z.shape)
    z.backward(gradient.to(device))
    expected.backward(gradient.double())
    pairs = [(z, expected), (y.grad, wanted.grad)]
    pairs += [(a.grad, b.grad) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True)]
    pairs += list(zip(mine.buffers(), theirs.buffers(), strict=True))
    for found, known in pairs:
        torch.testing.assert_close(found.detach().cpu().double(), known.detach().double(), rtol=1e-4, atol=1e-5)


def test_what_is_no_number_is_passed_on():
    y = torch.zeros(2, 4, 4, 4, device="cuda" if CARD else "cpu").contiguous(memory_format=torch.channels_last)
    y[0, 1, 1, 0] = torch.nan
    assert fused.norm_pool_act(y, nn.Identity(), 0.0).isnan().sum() == 1


@pytest.mark.parametrize(
    ("shape", "dtype", "each", "known"),
    [
        ((2, 4, 6, 6), torch.float32, True, True),
        ((2, 4, 6, 6), torch.bfloat16, False, True),
        ((2, 4, 5, 6), torch.float32, False, False),
        ((2, 4, 6, 6), torch.float64, False, False),
        ((200, 1, 2, 2), torch.float32, True, False),
        ((200, 1, 2, 2), torch.float32, False, True),
    ],
)
def test_other_maps_are_left_to_the_layers(card, shape, dtype, each, known):
    assert card.takes(torch.zeros(shape, dtype=dtype), each=each) is known


@pytest.mark.skipif(CARD, reason="there is a card")
def test_where_nothing_can_be_compiled_the_reason_is_one_line():
    fused.card_fault.cache_clear()
    why = fused.card_fault()
    fused.card_fault.cache_clear()
    assert why and "\n" not in why


@pytest.mark.parametrize(
    ("into", "channels", "side", "biased"), [(1, 5, 3, True), (1, 20, 5, False), (12, 18, 3, True)]
)
def test_a_convolution_of_few_channels_is_that_of_the_library(into, channels, side, biased, monkeypatch):
    from kpbench.networks import card_convolution

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(card_convolution, "PARTS", 3)  # each program has several tiles, the last one a part of one
    torch.manual_seed(0)
    device = torch.device("cuda" if CARD else "cpu")
    conv = nn.Conv2d(into, channels, side, padding=side // 2, bias=biased).to(device)
    double = copy.deepcopy(conv).double()
    x = torch.randn(3, into, 14, 14, device=device)
    wanted = x.double().requires_grad_(into > 1)
    x.requires_grad_(into > 1)
    if into > 1:  # which `convolve` takes in bfloat16 alone
        y = card_convolution._Convolution.apply(x, conv.weight, conv.bias, torch.float32)
    else:
        y = card_convolution.convolve(x, conv)
    assert type(y.grad_fn).__name__ == "_ConvolutionBackward"
    expected = double(wanted)
    gradient = torch.randn(y.shape, device=device)
    y.backward(gradient)
    expected.backward(gradient.double())
    pairs = [(y, expected), *((a.grad, b.grad) for a, b in zip(conv.parameters(), double.parameters(), strict=True))]
    pairs += [(x.grad, wanted.grad)] if into > 1 else []
    for found, known in pairs:
        torch.testing.assert_close(found.detach().double(), known.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"kernel_size": 3, "stride": 2}, {"kernel_size": 3}, {"kernel_size": 7, "padding": 3}]
)
def test_other_convolutions_are_left_to_the_library(options):
    from kpbench.networks import card_convolution

    device = torch.device("cuda" if CARD else "cpu")
    conv, x = nn.Conv2d(1, 4, **options).to(device), torch.randn(2, 1, 12, 12, device=device)
    assert torch.equal(card_convolution.convolve(x, conv), conv(x))


def test_moved_pictures_are_those_of_augmentation():
    from kpbench.training import card_moves

    device = torch.device("cuda" if CARD else "cpu")
    torch.manual_seed(0)
    images = torch.randint(0, 256, (7, 1, 96, 96), dtype=torch.uint8)
    faces = DeviceFaces(images.to(device), (torch.rand(7, 15, 2) * 96).to(device), 255.0, 48.0, 48.0)
    drawing = torch.Generator().manual_seed(1)
    strong = {"shift": 9.0, "rotate": 45.0, "scale": 0.3, "brightness": 0.2, "contrast": 0.3, "flip": 0.5}
    moves = draw_moves(faces.keypoints, drawing, **strong)
    index = torch.tensor([3, 0, 6, 2], device=device)
    torch.testing.assert_close(
        card_moves.moved(faces, moves, index), move(faces.pictures(index), moves, index), rtol=0, atol=2e-5
    )
