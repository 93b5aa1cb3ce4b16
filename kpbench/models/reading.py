"""A network in a file, whoever wrote it: safetensors with a card, TorchScript, ONNX, or code with weights."""

import inspect
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn.parameter import is_lazy

from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE
from kpbench.models.about import About
from kpbench.models.course import SOURCE
from kpbench.models.exports import card_of
from kpbench.models.onnx import read_onnx
from kpbench.models.pickled import read_pickle, state_of
from kpbench.models.torchscript import read_torchscript, stored_values
from kpbench.networks.checks import first_line
from kpbench.networks.families import count_parameters
from kpbench.networks.heads import OUTPUTS
from kpbench.networks.own import told
from kpbench.statistics.words import plural
from kpbench.training.model_files import LONGEST, ModelCard, load_model

WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of a state dict."""

PIXELS = 4.0
"""A network whose points lie this far out, in (k - 48) / 48 units, answers in pixels."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network opened to be scored or to predict, on the CPU in eval mode.

    Attributes:
        file: whose size counts as the model's.
        parameters: trainable values; of an ONNX graph all its stored values.
        card: what kpbench wrote beside or into the file; None of a foreign one.
    """

    network: nn.Module
    name: str
    file: Path
    parameters: int
    card: ModelCard | None = None
    notes: tuple[str, ...] = ()


def read_model(path: Path, *, trusted: bool = False) -> Model:
    """The network that a file holds by itself.

    Args:
        trusted: its code may do what it likes.

    Raises:
        UsageError: it holds none, is torn, or gives something else than 30 numbers a face; weights alone name the way.
    """
    if not path.is_file():
        raise UsageError(f"no model file {path}")
    if path.suffix in (".safetensors", ".json"):
        return _safetensors(path)
    if path.suffix.lower() == ".onnx":
        network, about, values = read_onnx(path)
        return _foreign(network, path, values, about)
    if _is_torchscript(path):
        network, about = read_torchscript(path, trusted=trusted)
        return _foreign(network, path, count_parameters(network) or stored_values(network), about)
    if path.suffix == ".npy":
        raise UsageError(f"{path} is one array; predictions come as .npz (keypoints) or .csv")
    state_of(read_pickle(path), path)
    source = path.with_name(SOURCE) if path.with_name(SOURCE).is_file() else "FILE.py"
    raise UsageError(f"{path} holds weights and no network; name its source: {source}:KeypointModel --weights {path}")


def read_own_weights(
    name: str, make: Callable[..., nn.Module], path: Path, *, hparams: Mapping[str, object] | None = None
) -> Model:
    """A network of a person's own with weights from a file; no code in that file is run.

    Args:
        name: for messages.
        make: makes the network; called with `hparams` where it takes them.
        hparams: beside those of the file, and in place of them.
        path: `.safetensors`, or a state dict by `torch.save` or `pickle.dump`, alone or as the course's hand-in.

    Raises:
        UsageError: the file cannot be read, or its tensors are not this network's.
    """
    if path.suffix == ".safetensors":
        try:
            state, stored = load_file(path), None
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or first_line(error)}") from error
        except SafetensorError as error:
            raise UsageError(f"{path}: torn, or no safetensors: {first_line(error)}") from error
    else:
        state, stored = state_of(read_pickle(path), path)
    takes = False
    try:
        with told(name):
            takes = "hparams" in inspect.signature(make).parameters
            network = make(hparams={**(stored or {}), **(hparams or {})}) if takes else make()
    except UsageError as error:
        if takes and not stored:
            raise UsageError(f"{path} holds no hparams; give them as --param NAME=VALUE: {error}") from error
        raise
    if not isinstance(network, nn.Module):
        raise UsageError(f"{name} made {type(network).__name__}, not a torch.nn.Module")
    state = _unwrapped(state, network)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        why = _difference(state, network) or shorten(str(error), LONGEST, placeholder=" ...")
        raise UsageError(f"{path}: not a state dict of {name}: {why}") from error
    notes = _check_answer(network, name)
    values = count_parameters(network) or sum(t.numel() for t in network.buffers() if t.is_floating_point())
    return Model(in_batches(network.eval()), name, path, values, None, notes)


def _unwrapped(state: dict[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """The state without what DataParallel and torch.compile put before each name."""
    for prefix in WRAPPERS * len(WRAPPERS):  # one may stand within the other
        if all(key.startswith(prefix) for key in state) and not any(key in state for key in network.state_dict()):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _difference(state: Mapping[str, torch.Tensor], network: nn.Module) -> str:
    """What tells a state from the network's in a few words: other shapes first, then other names; empty for neither."""
    wanted = {key: value for key, value in network.state_dict().items() if not is_lazy(value)}
    sizes = [key for key, value in wanted.items() if key in state and state[key].shape != value.shape]
    if sizes:
        key = sizes[0]
        others = f" ({plural(len(sizes), 'tensor')} in all)" if len(sizes) > 1 else ""
        return (
            f"'{key}' is {list(state[key].shape)} in the file, {list(wanted[key].shape)} in the network{others}; give "
            "the parameters that it was trained with, as in --param width=16"
        )
    missing, more = [key for key in wanted if key not in state], [key for key in state if key not in wanted]
    said = [f"the file lacks {_named(missing)}"] if missing else []
    return ", ".join([*said, f"it holds {_named(more)}, which the network has not"] if more else said)


def _named(keys: list[str]) -> str:
    return f"'{keys[0]}'" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")


def card_model(path: Path) -> Model:
    """The network of a `.safetensors` file with its card beside it, checked.

    Raises:
        UsageError: as `load_model`, or it gives no finite numbers.
    """
    network, card = load_model(path)
    notes = _check_answer(network, str(path))
    return Model(
        in_batches(network), str(path), path.with_suffix(".safetensors"), count_parameters(network), card, notes
    )


def _safetensors(path: Path) -> Model:
    if path.suffix == ".json" or path.with_suffix(".json").is_file():
        return card_model(path)
    try:
        with safe_open(path, framework="pt") as file:
            written = "kpbench" in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path}: torn, or no safetensors: {first_line(error)}") from error
    if written:
        raise UsageError(f"{path}: the card {path.with_suffix('.json').name}, exported with it, is not beside it")
    raise UsageError(f"{path} holds weights and no network; name its source: FILE.py:NAME --weights {path}")


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/constants.pkl") for name in file.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _foreign(network: nn.Module, path: Path, parameters: int, about: str) -> Model:
    notes = _check_answer(network, str(path))
    card = None
    with suppress(ValidationError):
        card = card_of(About.model_validate_json(about))
    if card is None:
        notes = (*notes, "what it was trained on is not known")
    return Model(in_batches(network), str(path), path, parameters, card, notes)


class OneByOne(nn.Module):
    """A network that answers no batches as it answers single faces, asked for one face at a time."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 96, 96) -> its answers to each face."""
        return torch.cat([self.network(face) for face in x.split(1)])


def in_batches(network: nn.Module) -> nn.Module:
    """The network, asked face by face where two faces at once fail or have other answers than each alone."""
    faces = torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    alone = OneByOne(network)
    try:
        with torch.inference_mode():
            same = torch.allclose(network(faces).reshape(2, -1), alone(faces).reshape(2, -1), atol=1e-4)
    except Exception:  # of a foreign network; what it says of single faces is what counts
        return alone
    return network if same else alone


def _check_answer(network: nn.Module, name: str) -> tuple[str, ...]:
    """Asks the network for one face, as the scorer does.

    Raises:
        UsageError: a weight or an answer is NaN, or it fails or does not give 30 numbers.
    """
    for key, tensor in network.state_dict().items():
        if tensor.isnan().any():
            raise UsageError(f"{name}: its weight '{key}' holds NaN")
    with torch.random.fork_rng(devices=[]), torch.inference_mode(), told(name):
        output = network.eval()(torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)))
    shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if isinstance(output, torch.Tensor) and not output.is_floating_point():
        raise UsageError(f"{name}: returned {output.dtype} values, not floating ones")
    if not isinstance(output, torch.Tensor) or output.numel() != OUTPUTS or shape[:1] != (1,):
        raise UsageError(f"{name}: returned {shape} for a face (1, 1, {SIZE}, {SIZE}), not (1, {OUTPUTS})")
    if output.isnan().any():
        raise UsageError(f"{name}: its answer to a face holds NaN")
    if output.abs().median() > PIXELS:
        return ("its points lie far outside the picture: are they in pixels? a network gives (k - 48) / 48",)
    return ()
