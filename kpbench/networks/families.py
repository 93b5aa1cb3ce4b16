"""The table of network families, and building a network from a cell under the course's rules."""

import copy
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kpbench.cell import Params, Scalar
from kpbench.errors import UsageError, lookup, nearest
from kpbench.faces.faces import SIZE
from kpbench.networks.checks import check_kind, first_line
from kpbench.networks.cnn import cnn
from kpbench.networks.fused import run_plain
from kpbench.networks.heads import OUTPUTS
from kpbench.networks.keypoint_net import Members, keypoint_net
from kpbench.networks.mlp import mlp
from kpbench.networks.own import is_own, keyword_defaults, resolve, told
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

GROUP = "kpbench.families"
"""Entry points of installed packages: a family's name -> what makes its network."""

T = TypeVar("T")


class TooManyParametersError(UsageError):
    """A network has more parameters than the rules allow."""


def offered() -> dict[str, EntryPoint]:
    """The families that installed packages offer, by name; a built-in family's name stays the built-in one's."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in FAMILIES}


def family_of(name: str) -> Callable[..., nn.Module]:
    """What makes the networks of a family: a built-in one, a person's own, or one that a package offers.

    Raises:
        UsageError: an unknown name, or code that cannot be imported.
    """
    if is_own(name):
        return resolve(name)
    points = {} if name in FAMILIES else offered()
    if name not in points:
        return lookup(FAMILIES, name, "family")
    with told(f"family '{name}' of {points[name].value}"):
        return points[name].load()  # type: ignore[no-any-return]


def is_foreign(params: Params) -> bool:
    """Whether a cell's network runs code that is not kpbench's: its family's, or a layer's."""
    return params["family"] not in FAMILIES or any(map(is_own, params.values()))


def build(params: Params) -> nn.Module:
    """The network of a cell; initial weights come from torch's global generator.

    Raises:
        UsageError: an unknown family, or a value that the family refuses; of foreign code whatever it raises.
    """
    family = family_of(str(params["family"]))
    chosen = {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}
    known = family_defaults(str(params["family"]))
    for name in (name for name in params if name.startswith(PREFIX)):
        if name not in known:
            raise UsageError(f"{params['family']} has no parameter '{name}'; {nearest(name, known)}")
        check_kind(name, params[name], known[name])
    if not is_foreign(params):
        return family(**chosen)
    with told(str(params["family"])):
        network = family(**chosen)
    if not isinstance(network, nn.Module):
        raise UsageError(f"{params['family']} made {type(network).__name__}, not a torch.nn.Module")
    return network


def family_defaults(family: str) -> dict[str, Scalar]:
    """The parameters of a family by dotted name with their defaults: the signature of what makes it.

    Raises:
        UsageError: an unknown family, or one with a parameter that has no plain default.
    """
    return {PREFIX + name: value for name, value in keyword_defaults(family_of(family), family).items()}


def size_of(params: Params) -> tuple[int, float]:
    """Trainable parameters and megabytes (10^6 bytes) of weights and buffers, without allocating them."""
    return built_without_memory(params, lambda network: (count_parameters(network), megabytes(network)))


def built_without_memory(params: Params, count: Callable[[nn.Module], T]) -> T:
    """What `count` finds of a cell's network without memory, or of foreign code that does not run so, with it.

    Raises:
        Exception: as `build` and `count`, of foreign code from the network with memory.
    """
    try:
        with torch.device("meta"):
            return count(build(params))
    except Exception:
        if not is_foreign(params):
            raise
    with torch.random.fork_rng(devices=[]):
        return count(build(params))


def count_parameters(network: nn.Module) -> int:
    """The number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def megabytes(network: nn.Module) -> float:
    """Bytes of weights and buffers over 10^6: what a model file holds besides its header."""
    return float(sum(t.numel() * t.element_size() for t in network.state_dict().values())) / 1e6


def flops(params: Params) -> int:
    """Floating-point operations of one face's forward pass, by torch's counter (multiply and add are two)."""

    def count(network: nn.Module) -> int:
        network.eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 1, SIZE, SIZE))
        return int(counter.get_total_flops())

    return built_without_memory(params, count)


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
        network = run_plain(build(params)).train()  # the fused block keeps less
        output = network(torch.rand(faces, 1, SIZE, SIZE))
        own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
        activations = sum(size for pointer, size in kept.items() if pointer not in own)
        del output
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    return (4 * weights + activations / faces * int(params.get("training.batch_size", 1))) / 1e6


def check_rules(params: Params, rules: Rules) -> tuple[int, float]:
    """Parameters and megabytes of a cell that keeps the course's rules.

    Raises:
        UsageError: the cell cannot be built, or has too many parameters or too large a file; the number is named. Of
            foreign code also as `check_output`.
    """
    try:
        parameters, size = size_of(params)
    except (RuntimeError, OverflowError, TypeError, ValueError) as error:
        raise UsageError(f"{describe(params)}: cannot be built: {first_line(error)}") from error
    if parameters > rules.max_parameters:
        raise TooManyParametersError(
            f"{describe(params)}: {parameters:,} parameters, the rules allow {rules.max_parameters:,}; "
            "lower its width, depth or head"
        )
    if size > rules.max_model_megabytes:
        raise UsageError(f"{describe(params)}: a model of {size:.1f} MB, the rules allow {rules.max_model_megabytes:g}")
    if is_foreign(params):
        check_output(params)
    return parameters, size


def check_output(params: Params) -> None:
    """Runs a cell's network as training does, on two faces, and as the scorer does, on one in eval mode.

    Raises:
        UsageError: it fails, does not give 30 numbers for each face, learns nothing, or makes weights while it runs.
    """
    with torch.random.fork_rng(devices=[]):
        network = build(params)
        weights = set(network.state_dict())
        with told(describe(params)):
            copy.deepcopy(network)  # as a moving average of the weights does
        for faces, training in ((2, True), (1, False)):
            with told(describe(params)), torch.set_grad_enabled(training):
                output = network.train(training)(torch.rand(faces, 1, SIZE, SIZE))
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            of_members = training and isinstance(getattr(network, "network", network), Members)
            if of_members and shape[1:] == (faces, OUTPUTS):
                continue
            if not isinstance(output, torch.Tensor) or shape[:1] != (faces,) or output.numel() != faces * OUTPUTS:
                wanted = f"{(faces, OUTPUTS)} or {(faces, OUTPUTS // 2, 2)}"
                raise UsageError(f"{describe(params)}: the network returned {shape} for {faces} face(s), not {wanted}")
            if output.is_complex():
                raise UsageError(f"{describe(params)}: the network returned complex numbers")
            if training and not output.requires_grad:
                raise UsageError(f"{describe(params)}: the network has nothing to train: no weight moves its output")
        if new := sorted(set(network.state_dict()) ^ weights):
            raise UsageError(
                f"{describe(params)}: the network makes or drops weights while it runs ('{new[0]}'): none of these "
                "would be trained; make all in its constructor"
            )


def describe(params: Params) -> str:
    """A cell on one line: `cnn depth=4 norm=batch`."""
    parts = (f"{k.removeprefix(PREFIX)}={v}" for k, v in params.items() if k.startswith(PREFIX))
    return " ".join([str(params["family"]), *parts])
