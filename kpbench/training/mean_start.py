"""Training that begins at the mean face: what `training.mean_start` does."""

import torch
from torch import Tensor, nn

from kpbench.cell import Params
from kpbench.errors import UsageError
from kpbench.networks.families import built_without_memory
from kpbench.networks.heads import OUTPUTS, HasOwnLoss
from kpbench.networks.keypoint_net import Members
from kpbench.networks.timm_features import TimmFeatures

SHARE = 0.1

NO_PART = "training.mean_start is for networks that end in a linear layer of 30 outputs (heads fc and global_pool)"


def check_mean_start(params: Params) -> None:
    """Refuses `training.mean_start` for a cell whose network ends in no linear layer of 30 outputs.

    Heads that read points off maps give an expectation over places, and a softmax takes no notice of what is added to a
    whole map: they begin at the picture's middle and have no bias that would move one point to its mean.

    Raises:
        UsageError: naming the cell's head or family.
    """
    if params.get("training.mean_start", False) and not built_without_memory(params, last_layers):
        what = params.get("network.head", params["family"])
        raise UsageError(f"{NO_PART}, not for {what}; give it a condition (when)")


@torch.no_grad()
def start_at_mean(network: nn.Module, target: Tensor) -> None:
    """Makes the last layer, of each member, begin at the mean of `target`, (N, 15, 2); NaN is no label.

    Nearly so: its bias is the mean, its weights are `SHARE` of what they were drawn as. With the whole weights networks
    with batch norm never leave the mean face, with none of them all networks learn more slowly (reports/LOG.md).

    Raises:
        UsageError: the network ends in no linear layer of 30 outputs, or a keypoint has no label at all.
    """
    layers = last_layers(network)
    if not layers:
        raise UsageError(NO_PART)
    mean = target.nanmean(dim=0).flatten()
    if not bool(torch.isfinite(mean).all()):
        raise UsageError("training.mean_start needs a label of every keypoint among the training faces")
    for layer in layers:
        layer.bias.copy_(mean)
        layer.weight.mul_(SHARE)


def last_layers(network: nn.Module) -> list[nn.Linear]:
    """The linear layer of 30 outputs in which a network ends, of each of its members; none where it ends otherwise."""
    found = [_last(one) for one in _members(network)]
    return [layer for layer in found if layer is not None]


def _members(network: nn.Module) -> list[nn.Module]:
    inner = getattr(network, "network", network)  # of a mirror average
    return list(inner.members) if isinstance(inner, Members) else [inner]


def _last(network: nn.Module) -> nn.Linear | None:
    network = network.head if isinstance(network, TimmFeatures) else network
    if any(isinstance(module, HasOwnLoss) for module in network.modules()):
        return None
    ask = getattr(network, "get_classifier", None)  # timm's; there it need not be the last module
    layer = ask() if callable(ask) else list(network.modules())[-1]
    if isinstance(layer, nn.Linear) and layer.out_features == OUTPUTS and layer.bias is not None:
        return layer
    return None
