"""TorchScript: a network as one file that torch alone runs, and whose code can do nothing but compute."""

import io
import json
from pathlib import Path

import torch
from torch import nn

from kpbench.errors import UsageError
from kpbench.models.about import About
from kpbench.models.traced import check_same, examples, tracing
from kpbench.networks.checks import first_line
from kpbench.whole_file import write_whole

KEY = "kpbench"


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


def read_torchscript(path: Path) -> tuple[nn.Module, dict[str, object]]:
    """The network on the CPU in eval mode, and what it says of itself (nothing in a foreign one).

    Raises:
        UsageError: the file is torn, or not TorchScript.
    """
    extra = {KEY: b""}
    try:
        network = torch.jit.load(path, map_location="cpu", _extra_files=extra)
        about = json.loads(extra[KEY] or "{}")
    except Exception as error:  # torch's reader raises many kinds
        raise UsageError(f"{path}: not TorchScript, or torn: {first_line(error)}") from error
    return network.eval(), about
