"""Networks and layers from a person's own file: `FILE.py:NAME` becomes a callable.

In a cell it is called `my_nets.py:make#3f9a12c0`: the file's name, the callable and the digest of the file's bytes. So
a cell is the same on every machine and another one once the file changes, and no path of a machine stands in it.

A file runs in a process only where it was admitted: by the command in which a person named it, and in the workers of
that command. Reading a study or a model admits nothing, for its code may be anybody's.
"""

import hashlib
import inspect
import io
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from torch import nn

from kpbench.cell import OWN, Scalar, spoken
from kpbench.errors import UsageError, lookup, nearest
from kpbench.networks.checks import first_line

T = TypeVar("T")

WRITTEN = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
"""As a person writes it: a path and a name."""

DIGITS = 8
"""Of the file's digest, in a cell."""

IMPORT_SECONDS = 20
"""Longest import of a file, not counting torch's."""

FINISHED = 86
"""Exit code of a watched import that came to its end."""


@dataclass(frozen=True)
class OwnFile:
    """A Python file of a person's own: its name without folders, and its text."""

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits over the file's bytes."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


# Of this process. Both are keyed by content, so that what a name in a cell stands for can never change.
_admitted: dict[tuple[str, str], OwnFile] = {}
_modules: dict[OwnFile, ModuleType] = {}


def admit(files: Iterable[OwnFile]) -> None:
    """Allows this process to run these files; each runs once one of its names is resolved."""
    _admitted.update({(file.name, file.digest[:DIGITS]): file for file in files})


def is_own(value: object) -> bool:
    """Whether a value of a cell names code of a person's own file."""
    return isinstance(value, str) and OWN.fullmatch(value) is not None


def read_own(word: str, folder: Path) -> tuple[str, OwnFile]:
    """The name in a cell and the file of `FILE.py:NAME`; the file is imported and from now on admitted.

    Args:
        word: its path is relative to `folder`.

    Raises:
        UsageError: no such file or name in it, or its import fails, hangs or ends the process; file and line are named.
    """
    match = WRITTEN.fullmatch(word)
    if match is None:
        raise UsageError(f"'{word}' does not name code of a file; write FILE.py:NAME")
    path = folder / Path(match[1]).expanduser()
    try:
        file = OwnFile(path.name, path.read_bytes().decode())
    except OSError as error:
        raise UsageError(f"{word}: cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{word}: {path} is not UTF-8") from error
    if file not in _admitted.values():
        _watch(file, match[2])
        admit([file])
    name = f"{file.name}:{match[2]}#{file.digest[:DIGITS]}"
    resolve(name)
    return name, file


def resolve(name: str) -> Callable[..., Any]:
    """What a cell's `FILE.py:NAME#DIGEST` calls.

    Raises:
        UsageError: the file is not admitted here, its import fails, or it has nothing of this name to call.
    """
    match = OWN.fullmatch(name)
    if match is None or (match[1], match[3]) not in _admitted:
        file_name = name.partition(":")[0]
        if any(file_name == admitted for admitted, _ in _admitted):
            raise UsageError(f"this {file_name} is not the file that {name} is of: its text is another")
        raise UsageError(f"the network is your own code, {file_name}: add --trust-code to run it, if you trust it")
    file = _admitted[match[1], match[3]]
    module = _module(file)
    found = getattr(module, match[2], None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise UsageError(f"{file.name} has no '{match[2]}' to call; {nearest(match[2], known)}")
    return found  # type: ignore[no-any-return]


def takes_hparams(name: str) -> bool:
    """Whether it is made from a dict of hyperparameters, as the course's `KeypointModel(hparams)` is.

    Raises:
        UsageError: as `resolve`.
    """
    make = resolve(name)
    with told(name):
        return "hparams" in inspect.signature(make).parameters


def knows_layout(network: nn.Module) -> bool:
    """Whether all modules are of packages that take maps in channels_last order; `x.view(len(x), -1)` does not."""
    packages = {type(module).__module__.partition(".")[0] for module in network.modules()}
    return packages <= {"torch", "torchvision", "timm", "kpbench"}


def layer_of(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry `name` of a table of layers, or the person's own layer of that name.

    Raises:
        UsageError: as `lookup` and `resolve`.
    """
    return resolve(name) if is_own(name) else lookup(table, name, what)  # type: ignore[return-value]


def keyword_defaults(make: Callable[..., Any], name: str) -> dict[str, Scalar]:
    """The keyword parameters of a family with their defaults; they are what a space may vary.

    Raises:
        UsageError: a parameter that has no default, or one that is no bool, int, float or text; it is named.
    """
    if getattr(make, "__init__", None) is nn.Module.__init__:
        return {}  # a class without an initialiser of its own; torch's takes anything, and uses none of it
    with told(name):
        parameters = inspect.signature(make).parameters.values()
    for parameter in parameters:
        if parameter.name == "hparams":
            called = spoken(name).rpartition(":")[2]
            raise UsageError(
                f"{name}: 'hparams' does not say what may vary; put a function below it and search that one: "
                f'def make(*, depth=3): return {called}(hparams={{"depth": depth}})'
            )
        by_keyword = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if not by_keyword or type(parameter.default) not in (bool, int, float, str):
            raise UsageError(
                f"{name}: parameter '{parameter}' is not a keyword with a plain default (a number, text, true or "
                "false); give each value that may vary a keyword of its own, as in make(*, width=16)"
            )
    return {parameter.name: parameter.default for parameter in parameters}


@contextmanager
def told(what: str) -> Iterator[None]:
    """Tells what fails inside in one line: with the place in a person's own file where that is known, else `what`.

    Whatever asks for input inside finds its end, as in a watched import: nobody knows that an answer is waited for.

    Raises:
        UsageError: instead of any other exception but Ctrl-C.
    """
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    except (UsageError, KeyboardInterrupt):
        raise
    except BaseException as error:  # asyncio's and pytest's own are no Exception
        raise UsageError(f"{place(error) or what}: {type(error).__name__}: {first_line(error)}") from error
    finally:
        sys.stdin = stdin


def place(error: BaseException) -> str | None:
    """`my_nets.py:12`, the innermost line of an admitted file that an exception passed; None where there is none."""
    names = {file.name for file in _admitted.values()}
    if isinstance(error, SyntaxError) and error.filename in names:
        return f"{error.filename}:{error.lineno}"
    passed = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return next((f"{name}:{line}" for name, line in reversed(passed) if name in names), None)


def raised_in_own(error: BaseException) -> bool:
    """Whether a line of an admitted file raised it, and not what interrupted or was called by such a line."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(file.name in files[-1:] for file in _admitted.values())


def _module(file: OwnFile) -> ModuleType:
    if file not in _modules:
        module = ModuleType(f"kpbench_own_{file.digest}")
        module.__file__ = file.name
        sys.modules[module.__name__] = module  # where dataclasses and pickle look for the module of a class
        with told(file.name):
            exec(compile(file.text.encode(), file.name, "exec"), module.__dict__)
        _modules[file] = module
    return _modules[file]


_WATCHED = f"""
import os, sys, types
text = sys.stdin.buffer.read()
import torch
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
module = sys.modules["own"] = types.ModuleType("own")
try:
    exec(compile(text, sys.argv[1], "exec"), module.__dict__)
    getattr(module, sys.argv[2])()
except BaseException:
    pass
os._exit({FINISHED})
"""
"""Imports a file from stdin and makes what is named there by its defaults. Closing stdout says that torch is there and
the time counts. What is raised is told by the command, which does both next; a layer, which needs a shape, is not made.
"""


def _watch(file: OwnFile, name: str) -> None:
    """Tries a file in a process of its own first: one that hangs, or ends its process, must not take the command."""
    command = [sys.executable, "-P", "-c", _WATCHED, file.name, name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as child:
        assert child.stdin and child.stdout
        try:
            child.stdin.write(file.text.encode())
            child.stdin.close()
            child.stdout.read()
            code = child.wait(IMPORT_SECONDS)
        except subprocess.TimeoutExpired:
            raise UsageError(f"{file.name}: its import, or {name}(), took more than {IMPORT_SECONDS} s") from None
        finally:
            child.kill()
    if code != FINISHED:
        raise UsageError(f"{file.name}: its import, or {name}(), ended the process (exit code {code})")
