"""Family `keypoint_net`: a stem, stages of blocks and a head, once or as several members whose outputs are averaged."""

import inspect
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kpbench.errors import UsageError, lookup
from kpbench.faces.faces import SIZE, mirrored_order
from kpbench.networks.blocks import BLOCKS, ORDERS, STEMS, Backbone, Layers, deepest, shapes_of
from kpbench.networks.checks import check_counts, check_rate
from kpbench.networks.heads import HEADS, POINTS, HeadOptions, HeatmapOffset, SimCC, SoftArgmax
from kpbench.networks.layers import ACTIVATIONS
from kpbench.networks.own import layer_of

TEMPERATURES = ("learnt", "fixed")
MOST_MEMBERS = 8
FROM_MAPS = (SoftArgmax, SimCC, HeatmapOffset)
MAPS = "heads that read points off maps"


def keypoint_net(
    *,
    stem: str = "stride2",
    block: str = "residual",
    blocks: int = 2,
    depth: int = 3,
    width: int = 32,
    kernel: int = 3,
    norm: str = "spatial_batch",
    dropout: str = "none",
    dropout_rate: float = 0.1,
    drop_path: float = 0.0,
    activation: str = "relu",
    order: str = "norm_pool",
    head: str = "softargmax",
    head_width: int = 48,
    map_size: int = 24,
    temperature: str = "learnt",
    bins: int = 192,
    own_loss: float = 0.0,
    sigma: float = 2.0,
    members: int = 1,
    mirror_average: bool = False,
) -> nn.Module:
    """A convolutional network (N, 1, 96, 96) -> (N, 30) with the head of one's choice.

    The stem makes maps of 24x24 with `width` channels. Each of `depth` stages has `blocks` blocks and ends in the
    dropout; each but the first begins by halving the map and doubling the channels. The head sees the last map (`fc`,
    `global_pool`) or all of them (`softargmax`, `simcc`, `heatmap_offset`). Norm, dropout and activation are those of
    stem and stages; the join of maps before a head has spatial batch norm always.

    Args:
        kernel: of the convolutions of stem and blocks; the first of the stem `stride2` is 5x5.
        order: of norm and max pooling, where there is pooling: the stem `plain`, the block `plain`.
        drop_path: greatest probability with which a residual branch is left out; none for the block `plain`.
        head_width, map_size, temperature, bins, own_loss, sigma: as in `HeadOptions`, each for the heads that have it.
        members: networks of this kind inside one model, each with weights of its own.
        mirror_average: in eval mode, the mean with what it says of the mirrored picture; train with `training.flip`.

    Raises:
        UsageError: an unknown name, a value out of range, or one that has no part in this network.
    """
    check_counts(blocks=blocks, depth=depth, width=width, kernel=kernel, map_size=map_size, bins=bins, members=members)
    check_rate(dropout_rate)
    check_rate(drop_path, "drop_path")
    if kernel % 2 == 0:
        raise UsageError(f"network.kernel must be odd so that a block keeps the map's size, got {kernel}")
    if depth > deepest(SIZE):
        raise UsageError(f"network.depth {depth} is too great for {SIZE} pixels: the greatest depth is {deepest(SIZE)}")
    if members > MOST_MEMBERS:
        raise UsageError(f"network.members must be at most {MOST_MEMBERS}, got {members}")
    if head_width < (0 if head == "fc" else 1):
        raise UsageError(f"network.head_width must be at least {0 if head == 'fc' else 1}, got {head_width}")
    if map_size < 2 or map_size > SIZE:
        raise UsageError(f"network.map_size must be between 2 and {SIZE}, got {map_size}")
    if own_loss < 0 or sigma <= 0:
        raise UsageError(f"network.own_loss must be 0 or more and sigma above 0, got {own_loss} and {sigma}")
    for name, value, known in (("order", order, ORDERS), ("temperature", temperature, TEMPERATURES)):
        lookup(dict.fromkeys(known, ()), value, f"network.{name}")
    lookup(STEMS, stem, "network.stem")
    lookup(BLOCKS, block, "network.block")
    act = layer_of(ACTIVATIONS, activation, "network.activation")
    make_head = lookup(HEADS, head, "network.head")
    reads_maps, pools = make_head in FROM_MAPS, "plain" in (stem, block)
    _refuse_idle(
        {
            "bins": (bins, make_head is SimCC, "the head simcc"),
            "map_size": (map_size, reads_maps, MAPS),
            "temperature": (temperature, reads_maps, MAPS),
            "own_loss": (own_loss, reads_maps, MAPS),
            "sigma": (sigma, own_loss > 0, "own_loss above 0"),
            "order": (order, pools, "the stem or the block plain, which pool"),
            "drop_path": (drop_path, block != "plain", "blocks with a residual branch"),
        }
    )
    layers = Layers(kernel, norm, dropout, dropout_rate, activation, order, drop_path)
    options = HeadOptions(head_width, map_size, temperature, bins, own_loss, sigma, act)
    shapes = shapes_of(depth, width, SIZE)
    made: list[nn.Module] = [
        nn.Sequential(Backbone(shapes, stem, block, blocks, layers), make_head(shapes, options)) for _ in range(members)
    ]
    network = made[0] if members == 1 else Members(made)
    return MirrorAverage(network) if mirror_average else network


def _refuse_idle(given: Mapping[str, tuple[object, bool, str]]) -> None:
    """Refuses what is not at its default and has no part in the network: a factor of it would compare equals.

    Args:
        given: parameter -> its value, whether it has a part, and what it is for.
    """
    defaults = inspect.signature(keypoint_net).parameters
    for name, (value, used, what) in given.items():
        if value != defaults[name].default and not used:
            raise UsageError(f"network.{name} = {value} has no part here, it is for {what}; give it a condition (when)")


class Members(nn.Module):
    """Several networks as one, their outputs averaged; in train mode each member's own, so that each learns its own."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 96, 96) -> (N, 30); in train mode (members, N, 30)."""
        each = torch.stack([member(x).float() for member in self.members])
        return each if self.training else each.mean(dim=0)


class MirrorAverage(nn.Module):
    """In eval mode the mean of a network's points and its points of the mirrored picture, mirrored back."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 96, 96) -> (N, 30)."""
        out: Tensor = self.network(x)
        if self.training:
            return out
        points = self.network(x.flip(-1)).unflatten(1, (POINTS, 2))[:, list(mirrored_order())]
        x_axis = -points[..., :1] - 2 / SIZE  # pixel k becomes 95 - k, (k - 48) / 48 becomes -((k - 48) / 48) - 1 / 48
        return (out + torch.cat([x_axis, points[..., 1:]], dim=2).flatten(1)) / 2
