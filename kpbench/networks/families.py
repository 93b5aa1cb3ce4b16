"""The table of network families, and building a network from a cell under the course's rules."""

import inspect
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kpbench.cell import Params, Scalar
from kpbench.errors import UsageError, lookup
from kpbench.faces.faces import SIZE
from kpbench.networks.checks import first_line
from kpbench.networks.cnn import cnn
from kpbench.networks.fused import run_plain
from kpbench.networks.keypoint_net import keypoint_net
from kpbench.networks.mlp import mlp
from kpbench.networks.timm_backbone import timm_backbone
from kpbench.networks.timm_features import timm_features
from kpbench.task.benchmark import Rules

FAMILIES: Mapping[str, Callable[..., nn.Module]] = {
    "cnn": cnn,
    "keypoint_net": keypoint_net,
    "mlp": mlp,
    "timm_backbone": timm_backbone,
    "timm_features": timm_features,
}

PREFIX = "network."


def build(params: Params) -> nn.Module:
    """The network of a cell; initial weights come from torch's global generator.

    Raises:
        UsageError: an unknown family, or a value that the family refuses.
    """
    family = lookup(FAMILIES, str(params["family"]), "family")
    return family(**{name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)})


def family_defaults(family: str) -> dict[str, Scalar]:
    """The parameters of a family by dotted name with their defaults: its keyword-only signature."""
    signature = inspect.signature(lookup(FAMILIES, family, "family"))
    return {PREFIX + name: parameter.default for name, parameter in signature.parameters.items()}


def size_of(params: Params) -> tuple[int, float]:
    """Trainable parameters and megabytes (10^6 bytes) of weights and buffers, without allocating them."""
    with torch.device("meta"):
        network = build(params)
    return count_parameters(network), megabytes(network)


def count_parameters(network: nn.Module) -> int:
    """The number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def megabytes(network: nn.Module) -> float:
    """Bytes of weights and buffers over 10^6: what a model file holds besides its header."""
    return float(sum(t.numel() * t.element_size() for t in network.state_dict().values())) / 1e6


def flops(params: Params) -> int:
    """Floating-point operations of one face's forward pass, by torch's counter (multiply and add are two)."""
    with torch.device("meta"):
        network = build(params).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 1, SIZE, SIZE))
    return int(counter.get_total_flops())


def step_megabytes(params: Params) -> float:
    """Memory of a training step in 10^6 bytes, counted rather than measured: the same on every machine.

    Weights, gradients and AdamW's two moments, and what autograd keeps of the forward pass of one batch for the
    backward pass, all in fp32, each storage once. A device's own peak is higher by its work space.
    """
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    faces = 2  # what is kept grows with the batch, so that two faces tell it for any number
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network = run_plain(build(params)).train()  # the fused block keeps less, on a CPU alone
        output = network(torch.rand(faces, 1, SIZE, SIZE))
        own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
        activations = sum(size for pointer, size in kept.items() if pointer not in own)
        del output
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    return (4 * weights + activations / faces * int(params.get("training.batch_size", 1))) / 1e6


def check_rules(params: Params, rules: Rules) -> tuple[int, float]:
    """Parameters and megabytes of a cell that keeps the course's rules.

    Raises:
        UsageError: the cell cannot be built, or has too many parameters or too large a file; the number is named.
    """
    try:
        parameters, size = size_of(params)
    except (RuntimeError, OverflowError, TypeError) as error:
        raise UsageError(f"{describe(params)}: cannot be built: {first_line(error)}") from error
    if parameters > rules.max_parameters:
        raise UsageError(
            f"{describe(params)}: {parameters:,} parameters, the rules allow {rules.max_parameters:,}; "
            "lower the width, the head or the depth of what norms each activation"
        )
    if size > rules.max_model_megabytes:
        raise UsageError(f"{describe(params)}: a model of {size:.1f} MB, the rules allow {rules.max_model_megabytes:g}")
    return parameters, size


def describe(params: Params) -> str:
    """A cell on one line: `cnn depth=4 norm=batch`."""
    parts = (f"{k.removeprefix(PREFIX)}={v}" for k, v in params.items() if k.startswith(PREFIX))
    return " ".join([str(params["family"]), *parts])
