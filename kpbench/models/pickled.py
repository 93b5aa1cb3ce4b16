"""Weights in pickles, read without running what a pickle may hold."""

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from kpbench.errors import UsageError
from kpbench.networks.checks import first_line


class _Plain(pickle.Unpickler):
    """Reads what `pickle.dump` makes of tensors, containers and numbers; torch's own reader knows torch.save alone."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
            ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
            ("torch.storage", "_load_from_bytes"): _storage,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it holds {module}.{name}")
        return known[module, name]


def _storage(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def read_pickle(path: Path) -> Any:
    """What a file by `torch.save` or `pickle.dump` holds, as long as that is tensors, containers and numbers.

    Raises:
        UsageError: the file cannot be read, or holds anything that could run code.
    """
    try:
        content = path.read_bytes()
        found = None if content[:2] == b"PK" else _Plain(io.BytesIO(content)).load()
        # torch.save writes a zip, its old format begins with a number
        return _storage(content) if found is None or isinstance(found, int) else found
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or first_line(error)}") from error
    except Exception as error:  # a pickle may raise anything
        raise UsageError(
            f"{path}: holds no weights alone, and reading the rest could run code; write it by "
            "torch.save(model.state_dict(), ...), or the network as TorchScript"
        ) from error


def state_of(held: Any, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """The state dict in what was read, and the `hparams` beside it where there are some.

    Raises:
        UsageError: there is none.
    """
    state = held
    hparams = None
    if isinstance(held, dict):
        state = next((held[key] for key in ("state_dict", "model_state_dict", "model") if key in held), held)
        hparams = held.get("hparams") if state is not held else None
    if not isinstance(state, dict) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UsageError(f"{path}: no state dict in it (names and tensors)")
    return dict(state), hparams if isinstance(hparams, dict) else None
