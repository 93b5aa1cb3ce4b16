"""Family `timm_backbone`: any timm model with one input channel and 30 outputs."""

from typing import Any

import torch
from torch import nn

from kpbench.errors import UsageError, nearest
from kpbench.networks.checks import check_rate, first_line
from kpbench.networks.heads import OUTPUTS
from kpbench.networks.torchvision_ops import declare_missing_operators


def timm_backbone(*, model: str = "mobilenetv3_small_100", dropout_rate: float = 0.0) -> nn.Module:
    """The timm model `model`, untrained, (N, 1, 96, 96) -> (N, 30); `dropout_rate` is timm's own before its head.

    Raises:
        UsageError: timm knows no such model, or the model cannot be built for a 1x96x96 picture and 30 outputs.
    """
    check_rate(dropout_rate)
    timm = known_model(model)
    try:
        network: nn.Module = timm.create_model(
            model, pretrained=False, in_chans=1, num_classes=OUTPUTS, drop_rate=dropout_rate
        )
        with torch.no_grad():
            device = next(network.parameters()).device
            network.eval()(torch.zeros(1, 1, 96, 96, device=device))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise UsageError(f"timm model '{model}' does not take a 1x96x96 picture: {first_line(error)}") from error
    return network.train()


def known_model(model: str) -> Any:
    """The package timm, which knows `model`.

    Raises:
        UsageError: it does not; the nearest name is shown.
    """
    # timm takes seconds to import; searches over the other families must not pay for it.
    declare_missing_operators()
    import timm  # noqa: PLC0415

    if not timm.is_model(model):
        raise UsageError(
            f"timm has no model '{model}'; {nearest(model, timm.list_models(f'{model[:3]}*') or timm.list_models())}"
        )
    return timm
