"""Weights in pickles, read without running what a pickle may hold and without more memory than the file has."""

import io
import math
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from kpbench.errors import UsageError
from kpbench.networks.checks import first_line

MOST_OPCODES = 1_000_000
"""Steps of a pickle that are read; a tensor takes about forty."""

KEPT = 100
"""Characters of a foreign name in a message."""


class _NoPickleError(Exception):
    """The content is of another kind, or torn."""


class _Call(NamedTuple):
    """What a pickle may call; a tuple, since a pickle can set attributes on functions and methods for good."""

    do: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.do(*args)


class _Stored(NamedTuple):
    """A storage that no later step of the pickle can change."""

    values: torch.UntypedStorage
    dtype: torch.dtype


class _Ordered(dict[Any, Any]):
    """In place of an OrderedDict; the state that torch puts on it, versions of modules, is dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Plain(pickle.Unpickler):
    """Reads what `pickle.dump` makes of tensors, containers and numbers; torch's own reader knows torch.save alone."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.left = 2 * len(content)  # protocol 2 stores bytes as text: they pass here twice

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): _ordered,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch.storage", "_load_from_bytes"): self._stored,
            ("_codecs", "encode"): self._bytes,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it holds {_shown(f'{module}.{name}')}")
        return _Call(known[module, name])

    def _stored(self, content: bytes) -> _Stored:
        self._count(content)
        found = _by_torch(content)
        if not isinstance(found, torch.storage.TypedStorage) or found.nbytes() > len(content):
            raise pickle.UnpicklingError("a storage of another size than its content")
        return _Stored(found.untyped(), found.dtype)

    def _bytes(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise pickle.UnpicklingError("it holds _codecs.encode of other than bytes")
        self._count(text)
        return text.encode("latin1")

    def _count(self, content: bytes | str) -> None:
        """A pickle can name one content many times."""
        self.left -= len(content)
        if self.left < 0:
            raise pickle.UnpicklingError("it unfolds to more than the file holds")


def _ordered() -> _Ordered:
    return _Ordered()


def _tensor(stored: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    """A view of a storage; torch's own would let the storage grow to what the view names."""
    if not isinstance(stored, _Stored) or len(size) != len(stride):
        raise pickle.UnpicklingError("a tensor without a storage of its own")
    if not all(type(one) is int and one >= 0 for one in (offset, *size, *stride)):
        raise pickle.UnpicklingError("a tensor with a size that is no number")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) and (last + 1) * stored.dtype.itemsize > stored.values.nbytes():
        raise pickle.UnpicklingError(f"a tensor {_shown(str(tuple(size)))} larger than its storage")
    return torch.empty(0, dtype=stored.dtype).set_(stored.values, offset, tuple(size), tuple(stride))


def _parameter(data: Any, *_: Any) -> torch.Tensor:
    if not isinstance(data, torch.Tensor):
        raise pickle.UnpicklingError("a parameter without a tensor")
    return data


def _by_torch(content: bytes) -> Any:
    """What torch.save wrote, now or in its old format."""
    if content[:2] == b"PK":
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                unfolded = sum(one.file_size for one in file.infolist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise _NoPickleError("a torn zip") from error
        if unfolded > len(content):
            raise pickle.UnpicklingError("it unfolds to more than the file holds")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _walk(content: bytes) -> None:
    """Reads a pickle's steps without taking them.

    Raises:
        _NoPickleError: it is none, or torn.
        pickle.UnpicklingError: reading it takes more memory than the file has.
    """
    try:
        for steps, (code, value, _) in enumerate(pickletools.genops(content), 1):
            number = value if isinstance(value, int) else 0
            if code.name == "FRAME" and number > len(content):
                raise ValueError("torn")
            if steps > MOST_OPCODES or (code.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= number <= steps):
                raise pickle.UnpicklingError("its steps would take more memory than the file has")
    except (ValueError, OverflowError, EOFError) as error:
        raise _NoPickleError("neither what torch.save nor what pickle.dump writes, or torn") from error


def _read(content: bytes) -> Any:
    if not content:
        raise _NoPickleError("it is empty")
    if content[:2] == b"PK":
        return _by_torch(content)
    _walk(content)
    found = _Plain(content).load()
    old_format = isinstance(found, int) and found == torch.serialization.MAGIC_NUMBER
    return _by_torch(content) if old_format else found


def read_pickle(path: Path) -> Any:
    """What a file by `torch.save` or `pickle.dump` holds, as long as that is tensors, containers and numbers.

    Raises:
        UsageError: the file cannot be read, is no pickle, or holds anything that could run code.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or first_line(error)}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of protocols
            return _read(content)
    except _NoPickleError as error:
        raise UsageError(f"{path} is no model file: {error}") from error
    except Exception as error:  # a pickle may raise anything
        raise UsageError(
            f"{path}: holds no weights alone: {_shown(_why(error), 2 * KEPT)}; reading the rest could run code; write "
            "it by torch.save(model.state_dict(), ...), or the network as TorchScript"
        ) from error


def state_of(held: Any, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """The state dict in what was read from `path`, and the `hparams` beside it where there are some.

    Raises:
        UsageError: there is none, its tensors are larger than the file, or the hparams are no dict.
    """
    state = held
    hparams = None
    if isinstance(held, dict):
        state = next((held[key] for key in ("state_dict", "model_state_dict", "model") if key in held), held)
        hparams = held.get("hparams") if state is not held else None
    if not isinstance(state, dict) or not state or not all(_named(name, value) for name, value in state.items()):
        raise UsageError(f"{path}: no state dict in it (names and tensors)")
    if hparams is not None and not isinstance(hparams, dict):
        raise UsageError(f"{path}: its hparams are a {type(hparams).__name__}, not a dict")
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in state.values()}
    if sum(storages.values()) > path.stat().st_size:  # torch's reader lets them grow; what grew is not yet in memory
        raise UsageError(f"{path}: its tensors are larger than the file; write it by torch.save")
    return dict(state), None if hparams is None else dict(hparams)


def _why(error: Exception) -> str:
    """What is wrong; of torch's message, a page of advice, its point."""
    if held := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds {held[1]}"
    if "Unsupported operand" in str(error):
        return "it has another pickle protocol than torch.save's own"
    point = re.search(r"WeightsUnpickler error: (.+)", str(error))
    return point[1] if point else first_line(error)


def _named(name: Any, value: Any) -> bool:
    dense = isinstance(value, torch.Tensor) and value.layout is torch.strided and value.device.type == "cpu"
    return isinstance(name, str) and dense


def _shown(text: str, most: int = KEPT) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:most])
