"""What several commands do alike: words of options to values, options to a request."""

import inspect
import math
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

from kpbench.errors import UsageError
from kpbench.whole_file import write_whole

R = TypeVar("R")


def request_of(kind: Callable[..., R], options: Mapping[str, Any], **read: Any) -> R:
    """A request from the command line and the options named as its fields; `read` replaces those given as words."""
    given = {name: options[name] for name in inspect.signature(kind).parameters if name in options}
    return kind(**(given | read), command=command_line())


def command_line() -> str:
    """The command as it was called."""
    return shlex.join(["kpbench", *sys.argv[1:]])


def own_prints_aside() -> AbstractContextManager[object]:
    """Sends what a person's own network prints to stderr: stdout carries the result alone."""
    return redirect_stdout(sys.stderr)


def named_levels(words: list[str], factors: list[str]) -> dict[str, tuple[str, ...]]:
    """`norm=none,batch` by factor; without a name the levels are those of the only factor.

    Raises:
        UsageError: no name where there are several factors, or no level.
    """
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, values = word.rpartition("=")
        if not equals and (len(factors) != 1 or factors == ["all"]):
            raise UsageError(f"'{word}' does not say whose level it is; write FACTOR={word}")
        levels = tuple(value for value in values.split(",") if value)
        if not levels:
            raise UsageError(f"'{word}' names no level; write {name or factors[0]}=LEVEL,LEVEL")
        found[name or factors[0]] = levels
    return found


def share(word: str, *, option: str = "--sesoi") -> float:
    """`5%` or `0.05` as a share.

    Raises:
        UsageError: neither.
    """
    try:
        return float(word.removesuffix("%")) / 100 if word.endswith("%") else float(word)
    except ValueError:
        raise UsageError(f"{option} must be a share such as 5% or 0.05, got '{word}'") from None


def images_asked(word: str | None, epochs: int | None) -> int | None:
    """`2600000`, `2.6M`, `93k` or `1e6` as a number of images; None where `--images` is not given.

    Raises:
        UsageError: no positive number, or `--epochs` is given too.
    """
    if word is None:
        return None
    if epochs is not None:
        raise UsageError("--images and --epochs say the same in two ways; give one of them")
    return amount(word, option="--images")


def amount(word: str, *, option: str) -> int:
    """`2600000`, `2.6M`, `93k` or `1e6` as a whole number, at least 1.

    Raises:
        UsageError: no positive number.
    """
    scale = {"k": 1e3, "M": 1e6}.get(word[-1:], 1.0)
    try:
        found = float(word[:-1] if scale > 1 else word) * scale
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise UsageError(f"{option} must be a positive number such as 2600000, 2.6M, 93k or 1e6, got '{word}'")
    return max(1, round(found))


def whole_numbers(words: str, *, option: str) -> tuple[int, ...]:
    """`0,4,8` as numbers; nothing between the commas is none.

    Raises:
        UsageError: a word is no whole number.
    """
    try:
        return tuple(int(word) for word in words.split(",") if word.strip())
    except ValueError:
        raise UsageError(f"{option} must be whole numbers such as 0,4,8, got '{words}'") from None


def kind_of_file(to: Path | None, asked: str | None, suffixes: Mapping[str, str], *, default: str) -> str:
    """What kind of file to write: as asked, else by the suffix of `to`, else the default.

    Args:
        suffixes: of each kind.

    Raises:
        UsageError: the suffix is none of these, or of another kind than was asked for.
    """
    if to is None:
        return asked or default
    if asked is not None and to.suffix.lower() != suffixes[asked]:
        raise UsageError(f"--to {to} is no {suffixes[asked]} file; write {to.with_suffix(suffixes[asked])}")
    found = [kind for kind, suffix in suffixes.items() if suffix == to.suffix.lower()]
    if not found:
        raise UsageError(f"--to {to}: its suffix must be one of {', '.join(suffixes.values())}")
    return found[0]


def file_to_write(to: Path, content: str | bytes) -> Path:
    """Writes a file that a person named, whole or not at all; returns its path.

    Raises:
        UsageError: its folder is missing or cannot be written.
    """
    try:
        return write_whole(to, content)
    except OSError as error:
        raise UsageError(f"cannot write {to}: {error.strerror or error}; choose another --to") from error
