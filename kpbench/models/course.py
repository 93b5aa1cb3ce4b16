"""The exercise's hand-in: a pickled dict of `state_dict` and `hparams`, the source of its `KeypointModel` beside it.

The source is plain torch, one line an operation, written from the network's own trace. So each family has one, and what
it computes is what the network computes in eval mode.
"""

import io
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export

from kpbench.models.about import About
from kpbench.models.traced import check_same, examples, tracing
from kpbench.whole_file import write_whole

SOURCE = "keypoint_model.py"

TEMPLATE = '''"""KeypointModel: (N, 1, 96, 96) grey faces in 0..1 -> (N, 30), x then y of 15 keypoints as (k - 48) / 48.

    saved = pickle.load(open("HAND-IN.p", "rb"))
    model = KeypointModel(saved["hparams"])
    model.load_state_dict(saved["state_dict"])

It computes what the network computes in eval mode: dropout does nothing, batch norms use their running statistics.
"""

{about}

from math import inf

import torch
from torch import device, nn

aten = torch.ops.aten
PARAMETERS = {{
{parameters}
}}
BUFFERS = {{
{buffers}
}}


class KeypointModel(nn.Module):
    def __init__(self, hparams=None):
        super().__init__()
        self.hparams = dict(hparams or {{}})
        for name, shape in PARAMETERS.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        for name, (shape, dtype) in BUFFERS.items():
            self.register_buffer(name, torch.zeros(shape, dtype=dtype))

    def forward(self, x):
        x = x if x.ndim == 4 else x[None]  # one picture, (1, 96, 96)
{forward}
'''


def write_course(network: nn.Module, about: About, path: Path) -> list[Path]:
    """Writes the hand-in and `keypoint_model.py` beside it, and holds them to the network bit for bit.

    Raises:
        UsageError: torch cannot trace the network.
        OSError: a file cannot be written.
    """
    with tracing("a hand-in"):
        program = export(network, (examples()[0],), dynamic_shapes=({0: Dim.DYNAMIC},))
        weights, parameters = _weights(program)
        source = _source(program, weights, parameters, about)
        saved = {"state_dict": weights, "hparams": {**about.params, "kpbench": about.model_dump(mode="json")}}
        content = io.BytesIO()
        pickle.dump(saved, content, 4)
        check_same(network, _loaded(source, saved), "a hand-in")
    beside = write_whole(path.with_name(SOURCE), source)
    return [write_whole(path, content.getvalue()), beside]


def loading_lines(path: Path) -> list[str]:
    """The three lines that load the hand-in in a program without kpbench."""
    return [
        "import pickle; from keypoint_model import KeypointModel",
        f'saved = pickle.load(open("{path.name}", "rb")); model = KeypointModel(saved["hparams"])',
        'model.load_state_dict(saved["state_dict"]); model.eval()',
    ]


def _weights(program: ExportedProgram) -> tuple[dict[str, torch.Tensor], set[str]]:
    """Tensors that the graph uses, by the name of their placeholder, and which of them can be trained."""
    used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    held = {**program.state_dict, **program.constants}
    inputs = {
        spec.arg.name: str(spec.target)
        for spec in program.graph_signature.input_specs
        if spec.target is not None and getattr(spec.arg, "name", "") in used
    }
    weights = {name: held[target].detach().cpu().contiguous().clone() for name, target in inputs.items()}
    return weights, {name for name, target in inputs.items() if held[target].requires_grad}


def _source(program: ExportedProgram, weights: dict[str, torch.Tensor], parameters: set[str], about: About) -> str:
    # torch's own printing of the graph; weights become attributes, and its freeing of each value is left out
    lines = program.graph_module.code.split("\n    ")[1:]
    names = re.compile(rf"\b({'|'.join(map(re.escape, sorted(weights, key=len, reverse=True)))})\b")
    forward = ["input = x"] if re.search(r"= input$|= input;", lines[0]) else []
    for line in lines:
        operation = re.sub(r";  .*", "", line).strip()
        if operation and "_assert_tensor_metadata" not in operation:
            operation = operation.replace("torch.ops.aten.", "aten.").replace("device(type='cpu')", "x.device")
            forward.append(names.sub(r"self.\1", operation))
    returned = re.sub(r"^return \((\w+),\)$", r"return \1", forward[-1])

    def table(rows: dict[str, str]) -> str:
        return "\n".join(f"    {name!r}: {value}," for name, value in rows.items())

    return TEMPLATE.format(
        about="\n".join(map(_comment, [*about.lines(), f"Written by kpbench {about.kpbench}."])),
        parameters=table({name: str(tuple(w.shape)) for name, w in weights.items() if name in parameters}),
        buffers=table(
            {name: f"({tuple(w.shape)}, {w.dtype})" for name, w in weights.items() if name not in parameters}
        ),
        forward="\n".join(f"        {line}" for line in [*forward[:-1], returned]),
    )


def _comment(text: str) -> str:
    """A line of Python that does nothing, whatever stands in a study's names."""
    return "# " + "".join(letter if letter.isprintable() else " " for letter in text)


def _loaded(source: str, saved: dict[str, Any]) -> nn.Module:
    """The model as somebody without kpbench loads it."""
    names: dict[str, Any] = {"__name__": "keypoint_model"}
    exec(compile(source, SOURCE, "exec"), names)
    model: nn.Module = names["KeypointModel"](saved["hparams"])
    model.load_state_dict(saved["state_dict"])
    return model.eval()
