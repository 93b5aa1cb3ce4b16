"""Stems and blocks of `keypoint_net`: what turns a picture into feature maps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from kpbench.errors import lookup
from kpbench.networks.fused import Block
from kpbench.networks.layers import ACTIVATIONS, DROPOUTS, MONOTONE, NORMS, DropPath, Shape
from kpbench.networks.own import layer_of

REDUCTION = 4
"""A stem makes the picture this many times smaller."""

EXPANSION = 4
"""Channels of an inverted residual over those of its ends."""

ORDERS = ("norm_pool", "pool_norm")


@dataclass(frozen=True)
class Layers:
    """Which layers stems and blocks are made of: names of the tables of `layers`, and their numbers.

    Attributes:
        order: whether max pooling follows the norm or comes before it, where there is any.
        drop_path: probability with which a residual branch of an example is left out.
    """

    kernel: int
    norm: str
    dropout: str
    dropout_rate: float
    activation: str
    order: str
    drop_path: float

    def normed(self, shape: Shape) -> nn.Module:
        """The norm of a map."""
        return layer_of(NORMS, self.norm, "network.norm")(shape)

    def act(self) -> nn.Module:
        """The activation."""
        return layer_of(ACTIVATIONS, self.activation, "network.activation")()

    def dropped(self, shape: Shape) -> nn.Module:
        """The dropout of a map."""
        return layer_of(DROPOUTS, self.dropout, "network.dropout")(shape, self.dropout_rate)

    def conv(
        self, channels: int, shape: Shape, *, kernel: int | None = None, stride: int = 1, groups: int = 1
    ) -> nn.Sequential:
        """Convolution and norm, `channels` in, `shape` out; a norm has its own shift, so that it needs no bias."""
        side, bias = kernel or self.kernel, self.norm == "none"
        conv = nn.Conv2d(channels, shape[0], side, stride, side // 2, groups=groups, bias=bias)
        return nn.Sequential(conv, self.normed(shape))

    def unit(self, channels: int, shape: Shape, *, kernel: int | None = None, stride: int = 1) -> nn.Sequential:
        """Convolution, norm, activation."""
        return nn.Sequential(*self.conv(channels, shape, kernel=kernel, stride=stride), self.act())

    def pooled(self, channels: int, shape: Shape) -> nn.Sequential:
        """Convolution, norm, activation and 2x2 max pooling in the order asked for; `shape` is that after pooling."""
        before = (shape[0], 2 * shape[1], 2 * shape[2])
        conv = nn.Conv2d(channels, shape[0], self.kernel, padding=self.kernel // 2, bias=self.norm == "none")
        pool = nn.MaxPool2d(2)
        if self.order == "pool_norm":
            return nn.Sequential(conv, pool, self.normed(shape), self.act())
        ends = (pool, self.act()) if self.activation in MONOTONE else (self.act(), pool)
        return Block(conv, self.normed(before), *ends, nn.Identity())


def plain_stem(shape: Shape, layers: Layers) -> nn.Module:
    """Two convolutions, each followed by 2x2 max pooling, as the first two blocks of `cnn`."""
    half = (max(1, shape[0] // 2), 2 * shape[1], 2 * shape[2])
    return nn.Sequential(layers.pooled(1, half), layers.pooled(half[0], shape))


def stride_stem(shape: Shape, layers: Layers) -> nn.Module:
    """A 5x5 convolution of stride 2 and one of the network's kernel and stride 2."""
    half = (max(1, shape[0] // 2), 2 * shape[1], 2 * shape[2])
    return nn.Sequential(layers.unit(1, half, kernel=5, stride=2), layers.unit(half[0], shape, stride=2))


def space_to_depth_stem(shape: Shape, layers: Layers) -> nn.Module:
    """Each 4x4 square of pixels becomes 16 channels, then a convolution: nothing is lost, nothing runs at 96x96."""
    return nn.Sequential(nn.PixelUnshuffle(REDUCTION), layers.unit(REDUCTION**2, shape))


class Residual(nn.Module):
    """act(x + branch(x)) or, without `act`, x + branch(x); stochastic depth leaves branches out in training."""

    def __init__(self, branch: nn.Module, drop_path: float, act: nn.Module) -> None:
        super().__init__()
        self.branch, self.path, self.act = branch, DropPath(drop_path), act

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        out: Tensor = self.act(x + self.path(self.branch(x)))
        return out


def plain_block(shape: Shape, layers: Layers) -> nn.Module:
    """Convolution, norm, activation."""
    return layers.unit(shape[0], shape)


def residual_block(shape: Shape, layers: Layers) -> nn.Module:
    """Two convolutions and norms around an identity, the activation after the sum (He et al. 2015, 1512.03385)."""
    return Residual(
        nn.Sequential(layers.unit(shape[0], shape), layers.conv(shape[0], shape)), layers.drop_path, layers.act()
    )


def depthwise_block(shape: Shape, layers: Layers) -> nn.Module:
    """The inverted residual: 1x1 to four times the channels, a convolution of each, 1x1 back (1801.04381)."""
    wide = (EXPANSION * shape[0], *shape[1:])
    branch = nn.Sequential(
        layers.unit(shape[0], wide, kernel=1),
        layers.conv(wide[0], wide, groups=wide[0]),
        layers.act(),
        layers.conv(wide[0], shape, kernel=1),
    )
    return Residual(branch, layers.drop_path, nn.Identity())


STEMS: Mapping[str, Callable[[Shape, Layers], nn.Module]] = {
    "plain": plain_stem,
    "stride2": stride_stem,
    "space_to_depth": space_to_depth_stem,
}

BLOCKS: Mapping[str, Callable[[Shape, Layers], nn.Module]] = {
    "plain": plain_block,
    "residual": residual_block,
    "depthwise": depthwise_block,
}


class Backbone(nn.Module):
    """A stem and stages of blocks; gives the map of every stage, the largest first."""

    def __init__(self, shapes: list[Shape], stem: str, block: str, blocks: int, layers: Layers) -> None:
        super().__init__()
        self.stem = lookup(STEMS, stem, "network.stem")(shapes[0], layers)
        make = lookup(BLOCKS, block, "network.block")
        stages = []
        for at, shape in enumerate(shapes):
            own = [make(shape, layers) for _ in range(blocks)]
            if at > 0:
                before = shapes[at - 1][0]
                down = layers.pooled(before, shape) if block == "plain" else layers.unit(before, shape, stride=2)
                own = [down, *own]
            stages.append(nn.Sequential(*own, layers.dropped(shape)))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 1, 96, 96) -> one map (N, C, H, W) for each stage."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def shapes_of(depth: int, width: int, size: int) -> list[Shape]:
    """The map of each stage: `width` channels of the picture over `REDUCTION`, each next twice and half of it."""
    side = size // REDUCTION
    return [(width * 2**at, side // 2**at, side // 2**at) for at in range(depth)]


def deepest(size: int) -> int:
    """The most stages that halve evenly."""
    side, depth = size // REDUCTION, 1
    while side % 2 == 0 and side > 2:
        side, depth = side // 2, depth + 1
    return depth
