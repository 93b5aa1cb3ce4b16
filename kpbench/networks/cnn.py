"""Family `cnn`: a stack of conv - norm - activation - pool - dropout blocks and a small head."""

from torch import nn

from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE
from kpbench.networks.checks import check_counts, check_rate
from kpbench.networks.fused import Block
from kpbench.networks.heads import OUTPUTS
from kpbench.networks.layers import ACTIVATIONS, DROPOUTS, MONOTONE, NORMS, Shape
from kpbench.networks.own import layer_of


def cnn(
    *,
    depth: int = 4,
    width: int = 16,
    kernel: int = 3,
    norm: str = "spatial_batch",
    dropout: str = "none",
    dropout_rate: float = 0.1,
    activation: str = "relu",
    head_width: int = 128,
) -> nn.Module:
    """A convolutional network (N, 1, 96, 96) -> (N, 30).

    Block i of `depth` has width * 2^i channels and halves the picture. The head is one hidden layer of `head_width`
    units, or none where `head_width` is 0; it carries neither norm nor dropout, so that these two factors are those
    of the convolutional blocks alone.

    Raises:
        UsageError: an unknown norm, dropout or activation, a value out of range, or a depth too great for 96 pixels.
    """
    check_counts(depth=depth, width=width, kernel=kernel)
    check_rate(dropout_rate)
    if kernel % 2 == 0:
        raise UsageError(f"network.kernel must be odd so that a block keeps the picture's size, got {kernel}")
    if head_width < 0:
        raise UsageError(f"network.head_width must be 0 (no hidden layer) or more, got {head_width}")
    blocks: list[nn.Module] = []
    channels, size = 1, SIZE
    for layer in range(depth):
        if size < 2:
            raise UsageError(
                f"network.depth {depth} is too great for {SIZE} pixels: block {layer + 1} would pool a picture of "
                f"{size}x{size}; the greatest depth is {layer}"
            )
        shape = (width * 2**layer, size, size)
        blocks.append(_block(channels, shape, kernel, norm, dropout, dropout_rate, activation))
        channels, size = shape[0], size // 2
    return nn.Sequential(*blocks, nn.Flatten(), *_head(channels * size * size, head_width, activation))


def _block(
    channels: int, shape: Shape, kernel: int, norm: str, dropout: str, rate: float, activation: str
) -> nn.Sequential:
    # A norm has its own shift, which makes the convolution's bias redundant.
    conv = nn.Conv2d(channels, shape[0], kernel, padding=kernel // 2, bias=norm == "none")
    act, pool = layer_of(ACTIVATIONS, activation, "network.activation")(), nn.MaxPool2d(2)
    pooled = (shape[0], shape[1] // 2, shape[2] // 2)
    return Block(
        conv,
        layer_of(NORMS, norm, "network.norm")(shape),
        *((pool, act) if activation in MONOTONE else (act, pool)),
        layer_of(DROPOUTS, dropout, "network.dropout")(pooled, rate),
    )


def _head(features: int, hidden: int, activation: str) -> list[nn.Module]:
    if hidden == 0:
        return [nn.Linear(features, OUTPUTS)]
    return [
        nn.Linear(features, hidden),
        layer_of(ACTIVATIONS, activation, "network.activation")(),
        nn.Linear(hidden, OUTPUTS),
    ]
