"""ONNX: a network as a graph with a free batch size, for programs without torch; written and run by its own packages.

`pip install "kpbench[onnx]"`: onnx, onnxscript, onnxruntime.
"""

import contextlib
import importlib
import io
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE
from kpbench.models.about import About
from kpbench.models.traced import check_same, examples, tracing
from kpbench.networks.checks import first_line
from kpbench.whole_file import write_whole

FLOATS = (1, 10, 11, 16)
"""float, float16, double and bfloat16, by onnx's number."""

TOLERANCE = 1e-5
"""Largest difference between onnxruntime and torch, in (k - 48) / 48 units: .0005 px."""


class OnnxNetwork(nn.Module):
    """An ONNX graph run by onnxruntime on one CPU thread, as a module without parameters of its own."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        runtime = _package("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        (self.input,) = self.session.get_inputs()
        self.single = self.input.shape[:1] == [1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 96, 96) -> what the graph returns, one face at a time where its batch size is fixed at 1."""
        parts = x.split(1) if self.single else [x]
        outputs = [self.session.run(None, {self.input.name: part.cpu().numpy()})[0] for part in parts]
        return torch.cat([torch.as_tensor(output) for output in outputs])


def write_onnx(network: nn.Module, about: About, path: Path) -> list[Path]:
    """Writes `faces` (N, 1, 96, 96) -> `keypoints` (N, 30) with the `About` among its metadata.

    onnxruntime has to agree with torch within `TOLERANCE`.

    Raises:
        UsageError: a package is missing, or the network cannot be exported.
        OSError: the file cannot be written.
    """
    _package("onnxscript")
    _package("onnxruntime")
    with tracing("ONNX"), _silent():
        program = torch.onnx.export(
            network,
            (examples()[0],),
            dynamo=True,
            input_names=["faces"],
            output_names=["keypoints"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
        assert program is not None
        model = program.model_proto
        model.metadata_props.add(key="kpbench", value=about.model_dump_json())
        content = model.SerializeToString()
        check_same(network, OnnxNetwork(content), "ONNX", tolerance=TOLERANCE)
    return [write_whole(path, content)]


def read_onnx(path: Path) -> tuple[nn.Module, str, int]:
    """The network, what it says of itself ("" of a foreign one), and how many floating values it stores.

    Raises:
        UsageError: a package is missing, or the file is torn or takes or gives something else than the task's.
    """
    onnx = _package("onnx")
    _package("onnxruntime")
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own kinds
        raise UsageError(f"{path}: no ONNX, or torn: {first_line(error)}") from error
    if not model.graph.node:
        raise UsageError(f"{path}: no ONNX, or torn: it has no layer")
    values = 0
    for tensor in _tensors(model.graph):
        if tensor.data_location == tensor.EXTERNAL:
            raise UsageError(f"{path}: keeps its weights in another file; export it as one (external_data=False)")
        values += math.prod(tensor.dims) if tensor.data_type in FLOATS else 0
    if len(model.graph.input) != 1:
        raise UsageError(f"{path}: takes {len(model.graph.input)} inputs, not the faces alone")
    about = next((one.value for one in model.metadata_props if one.key == "kpbench"), "")
    try:
        network = OnnxNetwork(content)
    except Exception as error:  # protobuf's and onnxruntime's own kinds
        raise UsageError(f"{path}: onnxruntime cannot run it: {first_line(error)}") from error
    shape = network.input.shape
    free = [
        wanted if isinstance(n, str) or n is None else n for n, wanted in zip(shape, (1, 1, SIZE, SIZE), strict=False)
    ]
    if len(shape) != 4 or free != [1, 1, SIZE, SIZE] or network.input.type != "tensor(float)":
        raise UsageError(f"{path}: takes {shape} {network.input.type}, not float (N, 1, {SIZE}, {SIZE})")
    return network, about, values


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor that a graph stores, those of its constants and of the graphs inside it too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from ([attribute.t] if attribute.HasField("t") else [])
            yield from attribute.tensors
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _tensors(inner)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(f'ONNX needs the package {name}: pip install "kpbench[onnx]"') from None


@contextlib.contextmanager
def _silent() -> Any:
    """The exporter prints and logs steps of its own."""
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            Path(os.devnull).open("w") as null,
            contextlib.redirect_stderr(null),
        ):
            yield
    finally:
        logging.disable(logging.NOTSET)
