"""The table of formats in which a model leaves kpbench."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from kpbench.models.about import About
from kpbench.models.course import SOURCE, write_course
from kpbench.models.onnx import write_onnx
from kpbench.models.torchscript import write_torchscript
from kpbench.models.traced import check_same
from kpbench.training.model_files import ModelCard, load_model, save_model

Export = Callable[[nn.Module, About, Path], list[Path]]
"""Writes a network in eval mode on the CPU to a path; returns what it wrote, the model first."""


def card_of(about: About) -> ModelCard:
    """The same as the JSON beside a study's model."""
    return ModelCard(
        benchmark=about.benchmark,
        params=about.params,
        seed=about.seed,
        epochs=about.epochs,
        data=about.data_digest,
        device=about.device,
        kpbench=about.kpbench,
    )


def write_safetensors(network: nn.Module, about: About, path: Path) -> list[Path]:
    """Writes the weights with the `About` in their header, and beside them the card that kpbench builds from.

    Raises:
        UsageError: what was written is not the network.
        OSError: a file cannot be written.
    """
    written = save_model(network, card_of(about), path.with_suffix(""), about={"kpbench": about.model_dump_json()})
    check_same(network, load_model(written)[0], "safetensors")
    return [written, written.with_suffix(".json")]


def alone(path: Path) -> list[Path]:
    """The files of a format that has one."""
    return [path]


EXPORTS: Mapping[str, tuple[str, Export, Callable[[Path], list[Path]]]] = {
    "safetensors": (".safetensors", write_safetensors, lambda path: [path, path.with_suffix(".json")]),
    "torchscript": (".ts", write_torchscript, alone),
    "onnx": (".onnx", write_onnx, alone),
    "course": (".p", write_course, lambda path: [path, path.with_name(SOURCE)]),
}
"""Format -> the suffix of its file, what writes it, and the files that it writes for a path."""
