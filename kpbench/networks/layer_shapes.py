"""A network layer by layer: what each layer is, the shape that it gives, and its parameters."""

from typing import NamedTuple

import torch
from torch import nn

from kpbench.cell import Params
from kpbench.faces.faces import SIZE
from kpbench.networks.families import build, is_foreign
from kpbench.networks.fused import run_plain


class Layer(NamedTuple):
    """One layer in the order in which a face passes it; `shape` without the batch, empty where it gives no tensor."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def layer_shapes(params: Params) -> list[Layer]:
    """The layers of a cell's network that do something, found in a pass of one face.

    On the CPU: a pass without memory, on torch's meta device, would import two seconds of compiler first.

    A module with parameters of its own or without parts of its own is a layer. Foreign code is not run: it has none.

    Raises:
        Exception: as `build`, or whatever the network raises.
    """
    if is_foreign(params):
        return []
    found: list[Layer] = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network = run_plain(build(params)).eval()
        for name, module in network.named_modules():
            parts, own = list(module.children()), list(module.parameters(recurse=False))
            if isinstance(module, nn.Identity) or (parts and not own):
                continue
            module.register_forward_hook(_writer(found, name))
        network(torch.zeros(1, 1, SIZE, SIZE))
    return found


def _writer(found: list[Layer], name: str):  # type: ignore[no-untyped-def]
    def write(module: nn.Module, _: object, output: object) -> None:
        shape = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else ()
        own = sum(p.numel() for p in module.parameters(recurse=False) if p.requires_grad)
        found.append(Layer(name, _kind(module), shape, own))

    return write


def _kind(module: nn.Module) -> str:
    """A layer's class with what tells it apart: `Conv2d 3x3, stride 2`."""
    text = type(module).__name__
    kernel = getattr(module, "kernel_size", None)
    if kernel is not None:
        text += f" {'x'.join(map(str, kernel))}" if isinstance(kernel, tuple) else f" {kernel}x{kernel}"
        if isinstance(module, nn.Conv2d) and module.stride[0] > 1:
            text += f", stride {module.stride[0]}"
        if (groups := getattr(module, "groups", 1)) > 1:
            text += f", {groups} groups"
    return text
