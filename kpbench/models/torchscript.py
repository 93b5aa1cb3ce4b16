"""TorchScript: a network as one file that torch alone runs.

It is code, of torch's operators alone. Some of them write and read files; a file whose code names one is refused.
"""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kpbench.errors import UsageError
from kpbench.models.about import About
from kpbench.models.traced import check_same, examples, tracing
from kpbench.networks.checks import first_line
from kpbench.whole_file import write_whole

KEY = "kpbench"

REACHING = re.compile(r"\b(?:\w*from_file|save|load)\s*\(|\bops\.(?!aten\.|prim\.|torchvision\.|prims\.)[\w.]+")


def write_torchscript(network: nn.Module, about: About, path: Path) -> list[Path]:
    """Writes the traced network with its `About` as the extra file `kpbench`; the same bit for bit, which is checked.

    Raises:
        UsageError: torch cannot trace the network.
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    with tracing("TorchScript"):
        traced = torch.jit.trace(network, examples()[0])
        torch.jit.save(traced, content, _extra_files={KEY: about.model_dump_json().encode()})
        check_same(network, torch.jit.load(io.BytesIO(content.getvalue())), "TorchScript")
    return [write_whole(path, content.getvalue())]


def read_torchscript(path: Path, *, trusted: bool = False) -> tuple[nn.Module, str]:
    """The network on the CPU in eval mode, and what it says of itself ("" of a foreign one).

    Args:
        trusted: runs it whatever operators its code names.

    Raises:
        UsageError: the file is torn, is not TorchScript, or its code reaches beyond the network.
    """
    extra = {KEY: b""}
    try:
        if not trusted and (found := _reaches_out(path)):
            raise UsageError(f"{path}: its code calls {found}, which may touch files; --trust-code runs it anyway")
        network = torch.jit.load(path, map_location="cpu", _extra_files=extra)
        about = extra[KEY].decode()
    except UsageError:
        raise
    except Exception as error:  # torch's reader raises many kinds
        raise UsageError(f"{path}: not TorchScript, or torn: {first_line(error)}") from error
    return network.eval(), about


def _reaches_out(path: Path) -> str | None:
    """The first operator in a file's code that is known to touch files, or is no operator of torch's own."""
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            if name.endswith(".py") and (found := REACHING.search(file.read(name).decode())):
                return found[0].strip("( ")
    return None


def stored_values(network: nn.Module) -> int:
    """How many floating values a TorchScript stores in buffers and constants, where nothing in it can be trained."""
    graph: Any = network.inlined_graph
    constants = (node.t("value") for node in graph.findAllNodes("prim::Constant") if _is_tensor(node))
    tensors = [*network.buffers(), *constants]
    return sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())


def _is_tensor(node: Any) -> bool:
    return "value" in node.attributeNames() and node.kindOf("value") == "t"
