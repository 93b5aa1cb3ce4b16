"""Family `timm_features`: the feature maps of a timm model under a head of one's choice."""

import torch
from torch import Tensor, nn

from kpbench.errors import UsageError, lookup
from kpbench.faces.faces import SIZE
from kpbench.networks.blocks import REDUCTION
from kpbench.networks.checks import check_counts, check_rate, first_line
from kpbench.networks.heads import HEADS, HeadOptions
from kpbench.networks.layers import ACTIVATIONS, Shape
from kpbench.networks.timm_backbone import known_model


def timm_features(
    *,
    model: str = "mobilenetv4_conv_small",
    head: str = "softargmax",
    head_width: int = 48,
    map_size: int = 24,
    dropout_rate: float = 0.0,
) -> nn.Module:
    """The timm model `model`, untrained, as feature maps under a head of `HEADS`, (N, 1, 96, 96) -> (N, 30).

    The maps are those of the model's stages from 24x24 on; `dropout_rate` is per map, before the head.

    Raises:
        UsageError: timm knows no such model, it gives no maps (as transformers without a hierarchy), or a value is out
            of range.
    """
    check_counts(head_width=head_width, map_size=map_size)
    check_rate(dropout_rate)
    make_head = lookup(HEADS, head, "network.head")
    timm = known_model(model)
    try:
        backbone: nn.Module = timm.create_model(model, pretrained=False, in_chans=1, features_only=True)
        device = next(backbone.parameters()).device
        with torch.no_grad():
            maps = backbone.eval()(torch.zeros(1, 1, SIZE, SIZE, device=device))
    except (RuntimeError, ValueError, TypeError, AssertionError, AttributeError) as error:
        raise UsageError(
            f"timm model '{model}' gives no feature maps of a 1x96x96 picture: {first_line(error)}"
        ) from error
    shapes: list[Shape] = [tuple(one.shape[1:]) for one in maps]
    taken = [at for at, shape in enumerate(shapes) if len(shape) == 3 and shape[1] == shape[2] <= SIZE // REDUCTION]
    if not taken:
        raise UsageError(
            f"timm model '{model}' gives no map of {SIZE // REDUCTION} pixels or fewer; head '{head}' needs one"
        )
    options = HeadOptions(head_width, map_size, "learnt", 2 * SIZE, 0.0, 2.0, ACTIVATIONS["relu"])
    return TimmFeatures(backbone.train(), taken, make_head([shapes[at] for at in taken], options), dropout_rate)


class TimmFeatures(nn.Module):
    """A timm backbone whose maps at `taken` go to a head."""

    def __init__(self, backbone: nn.Module, taken: list[int], head: nn.Module, rate: float) -> None:
        super().__init__()
        self.backbone, self.taken, self.head, self.drop = backbone, taken, head, nn.Dropout2d(rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 96, 96) -> (N, 30)."""
        maps = self.backbone(x)
        out: Tensor = self.head([self.drop(maps[at]) for at in self.taken])
        return out
