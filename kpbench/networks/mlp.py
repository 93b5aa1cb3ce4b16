"""Family `mlp`: the fully connected baseline on the flattened picture."""

from torch import nn

from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE
from kpbench.networks.checks import check_counts, check_rate
from kpbench.networks.heads import OUTPUTS
from kpbench.networks.layers import ACTIVATIONS, DROPOUTS, NORMS, OF_MAPS
from kpbench.networks.own import layer_of


def mlp(
    *,
    depth: int = 2,
    width: int = 256,
    norm: str = "batch",
    dropout: str = "none",
    dropout_rate: float = 0.1,
    activation: str = "relu",
) -> nn.Module:
    """A fully connected network (N, 1, 96, 96) -> (N, 30).

    `depth` hidden layers of linear - norm - activation - dropout, each of `width` units. What needs feature maps
    (`layers.OF_MAPS`) is refused.

    Raises:
        UsageError: an unknown norm, dropout or activation, or a value out of range.
    """
    check_counts(depth=depth, width=width)
    check_rate(dropout_rate)
    for name, value in (("norm", norm), ("dropout", dropout)):
        if value in OF_MAPS:
            raise UsageError(f"network.{name} '{value}' needs feature maps; a fully connected layer has none")
    layers: list[nn.Module] = [nn.Flatten()]
    features = SIZE * SIZE
    for _ in range(depth):
        layers += [
            nn.Linear(features, width, bias=norm == "none"),
            layer_of(NORMS, norm, "network.norm")((width,)),
            layer_of(ACTIVATIONS, activation, "network.activation")(),
            layer_of(DROPOUTS, dropout, "network.dropout")((width,), dropout_rate),
        ]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, OUTPUTS))
