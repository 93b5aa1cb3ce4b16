"""The table of formats in which a model leaves kpbench."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from kpbench.models.about import About
from kpbench.models.course import write_course
from kpbench.models.onnx import write_onnx
from kpbench.models.torchscript import write_torchscript
from kpbench.training.model_files import ModelCard, save_model

Export = Callable[[nn.Module, About, Path], list[Path]]
"""Writes a network in eval mode on the CPU to a path; returns what it wrote, the model first."""


def write_safetensors(network: nn.Module, about: About, path: Path) -> list[Path]:
    """Writes the weights with the `About` in their header, and beside them the card that kpbench builds from."""
    card = ModelCard(
        benchmark=about.benchmark,
        params=about.params,
        seed=about.seed,
        epochs=about.epochs,
        data=about.data_digest,
        device=about.device,
        kpbench=about.kpbench,
    )
    written = save_model(network, card, path.with_suffix(""), about={"kpbench": about.model_dump_json()})
    return [written, written.with_suffix(".json")]


EXPORTS: Mapping[str, tuple[str, Export]] = {
    "safetensors": (".safetensors", write_safetensors),
    "torchscript": (".ts", write_torchscript),
    "onnx": (".onnx", write_onnx),
    "course": (".p", write_course),
}
"""Format -> the suffix of its file, and what writes it."""
