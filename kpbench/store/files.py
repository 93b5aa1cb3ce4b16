"""The files of a study folder: their names, and reading them."""

import gc
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kpbench.errors import UsageError
from kpbench.version import __version__

PLAN, ROWS, READINGS, SESSIONS = "plan.json", "rows.jsonl", "test_readings.jsonl", "sessions.jsonl"
JOURNAL, MODELS, FLOOR, EXAMPLES = "journal.jsonl", "models", "floor.json", "examples.npz"
COSTS, RESULT, REPORT, LOCK = "costs.json", "result.json", "report.html", ".lock"
REUSED, PERSONS, WARM, CHECKPOINTS = "reused.jsonl", "persons.json", "warm.jsonl", "checkpoints"
PROGRESS, LATENCY, INFERENCE, LAYERS = "progress.json", "latency.jsonl", "inference.jsonl", "layers.json"
READ_BEFORE = "test_read_before.jsonl"
ASKED = "asked.json"
"""What the two studies of a verification are; beside them, in a folder that is no study itself."""

V = TypeVar("V")
"""A kind of value that is a line of a file: a `kpbench.cell.Value`, or a dataclass with its configuration."""

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic says of a field that a model, or a dataclass, does not have."""


@cache
def adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """What reads a kind of value from JSON and writes it."""
    return TypeAdapter(kind)


def as_line(value: Any) -> bytes:
    """A value as a line of a JSONL file."""
    line: bytes = adapter(value.__class__).dump_json(value)
    return line + b"\n"


def read_lines(path: Path, kind: type[V]) -> list[V]:
    """The values in a JSONL file; a torn last line, which a killed writer leaves, is passed over.

    Raises:
        UsageError: any other line is not such a value; file and line are named.
    """
    if not path.exists():
        return []
    values: list[V] = []
    read = adapter(kind).validator.validate_json  # type: ignore[arg-type]  # mypy has no class for hashable
    with path.open("rb") as lines, no_collection():
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                values.append(read(line))
            except ValidationError as error:
                where, why = (
                    f"{path}: line {number}",
                    error.errors()[0]["msg"].replace(" at line 1 column", " at column"),
                )
                remedy = "remove it, its run is trained again" if path.name == ROWS else "put it back from a copy"
                raise newer_version(where, path.parent, error) or UsageError(
                    f"{where} is damaged: {why}; {remedy}"
                ) from error
    return values


def newer_version(where: str, folder: Path, error: ValidationError) -> UsageError | None:
    """What to say of a value that only a later version knows; None where something else is wrong.

    That is one with a field that this version does not know, or any in a study whose last session was by a later one.
    """
    unknown = [problem["loc"] for problem in error.errors() if problem["type"] in UNKNOWN]
    by = ""
    with suppress(OSError, ValueError, KeyError, IndexError, TypeError):
        by = str(json.loads((folder / SESSIONS).read_bytes().splitlines()[-1])["versions"]["kpbench"])
    if not unknown and (error.errors()[0]["type"] == "json_invalid" or _numbers(by) <= _numbers(__version__)):
        return None
    field = ".".join(map(str, (unknown or [error.errors()[0]["loc"]])[0]))
    return UsageError(
        f"{where} is by a later kpbench{by and ' '}{by}: this one, {__version__}, does not know its '{field}'; "
        "use that version"
    )


def _numbers(version: str) -> list[int]:
    """`1.10.0rc1` as numbers to compare by."""
    return [int(digits) for digits in re.findall(r"\d+", version)]


@contextmanager
def no_collection() -> Iterator[None]:
    """Keeps Python from searching a million values for circles again and again: rows have none.

    For what reads or goes through every row of a study, as a decorator too.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()  # and at once back: what was read is in the oldest generation, which is searched last
            gc.unfreeze()
            gc.enable()


def cut_torn_line(path: Path) -> None:
    """Cuts a last line that has no end, so that the next append starts on a line of its own."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def read_json(path: Path) -> Mapping[str, Any] | None:
    """A JSON object of a study, or None while it has not been written.

    Raises:
        UsageError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: {error}; move it away and run the study's command again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is damaged: no JSON object; move it away and run the study's command again")
    return content
