"""A study folder: what was asked, one row a run, the readings of the sealed test, the models."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from kpbench.cell import RunResult, Value
from kpbench.errors import UsageError
from kpbench.space.design import Design

PLAN, ROWS, READINGS, SESSIONS = "plan.json", "rows.jsonl", "test_readings.jsonl", "sessions.jsonl"
JOURNAL, MODELS, FLOOR, EXAMPLES = "journal.jsonl", "models", "floor.json", "examples.npz"
COSTS, RESULT, REPORT, LOCK = "costs.json", "result.json", "report.html", ".lock"

V = TypeVar("V", bound=Value)


class Plan(Value):
    """What was asked of a study; its identity. Totals (trials, final cells and seeds) may grow and stand elsewhere.

    Attributes:
        space, benchmark: the definitions' digests, their texts beside them.
        design: of an ablation; None for a search.
        data: digest of the three splits; `data_name` and `data_notes` are for people.
        precision: of the training steps, as found on the device.
        held_out: digest of val and test alone; None in plans made before there was one.
        labels: `partial` where training faces may lack keypoints; None where all are complete.
    """

    kind: str
    space_name: str
    space: str
    benchmark_name: str
    benchmark: str
    scorer: int
    data_name: str
    data: str
    epochs: int
    seeds: int
    sampler: str
    scheduler: str
    seed: int
    device: str
    precision: str
    labels: str | None = None
    held_out: str | None = None
    data_sizes: dict[str, int]
    data_notes: tuple[str, ...]
    design: Design | None = None
    space_text: str
    benchmark_text: str

    def identity(self) -> dict[str, Any]:
        """The fields that make it this study and no other."""
        loose = {"held_out", "space_text", "benchmark_text", "data_notes", "data_sizes", "space_name", "data_name"}
        return self.model_dump(exclude=loose, exclude_none=True, mode="json")

    @property
    def digest(self) -> str:
        """Sixteen hex digits over `identity`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]


class Session(Value):
    """One start of a command on a study."""

    when: str
    command: str
    device: str
    workers: int
    versions: dict[str, str]


class Reading(Value):
    """One opening of the sealed test split."""

    when: str
    command: str
    model: str


class Study:
    """A study folder opened for writing by the one driver that holds its lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def append(self, file: str, value: Value) -> None:
        """Adds one line to a JSONL file of the study and flushes it to the disk."""
        with (self.folder / file).open("ab") as lines:
            lines.write(value.model_dump_json().encode() + b"\n")
            lines.flush()
            os.fsync(lines.fileno())

    def test_reading(self, command: str, model: str) -> Callable[[], None]:
        """What writes down that `command` opens the sealed test for `model`; for `SealedFaces.open`."""
        return lambda: self.append(READINGS, Reading(when=now(), command=command, model=model))

    def rows(self) -> list[RunResult]:
        """Every row so far."""
        return read_lines(self.folder / ROWS, RunResult)

    def drop_rows_of(self, trial: int) -> None:
        """Removes rows of a trial that was cut between its seeds' rows and will be trained again."""
        rows = self.rows()
        kept = [row for row in rows if row.trial != trial]
        if len(kept) < len(rows):
            self.write(ROWS, "".join(row.model_dump_json() + "\n" for row in kept))

    def write(self, file: str, content: str | bytes) -> Path:
        """Writes a file of the study whole or not at all."""
        path = self.folder / file
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path


@contextmanager
def open_study(folder: Path, plan: Plan) -> Iterator[Study]:
    """The study in `folder`, created with `plan` or continued; locked against a second driver meanwhile.

    Raises:
        UsageError: the folder cannot be written, holds something else or a study with another plan (the difference
            is in the message), or another process works on it.
    """
    check_folder(folder, plan)
    plan_file = folder / PLAN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"study {folder} is in use by another process; wait for it, or choose another --name"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}; choose another --out") from error
    try:
        study = Study(folder)
        if not plan_file.exists():
            study.write("space.toml", plan.space_text)
            study.write("benchmark.toml", plan.benchmark_text)
            study.write(PLAN, plan.model_dump_json(indent=2) + "\n")
        for file in (ROWS, READINGS, SESSIONS, JOURNAL):
            cut_torn_line(folder / file)
        for file, kind in ((ROWS, RunResult), (READINGS, Reading), (SESSIONS, Session)):
            read_lines(folder / file, kind)  # damaged files are named now, not after hours of training
        yield study
    finally:
        lock.release()


def check_folder(folder: Path, plan: Plan) -> None:
    """Refuses a folder that cannot become or continue the study of `plan`; writes nothing.

    Raises:
        UsageError: it is a file, holds something else, or holds a study with another plan (the difference is named).
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; choose another --name or --out")
        if (folder / PLAN).exists():
            refuse_other_plan(folder, read_plan(folder), plan)
        elif folder.exists() and any(path.name != LOCK for path in folder.iterdir()):
            raise UsageError(f"{folder} exists and holds no study; choose another --name or --out")
    except OSError as error:
        raise UsageError(f"cannot use {folder}: {error.strerror or error}; choose another --out") from error


def refuse_other_plan(folder: Path, old: Plan, new: Plan) -> None:
    """Refuses a plan that differs from the study's own, naming each difference.

    Raises:
        UsageError: with `field old -> new` for each.
    """
    before, after = old.identity(), new.identity()
    keys = list(dict.fromkeys([*before, *after]))
    differences = [f"{key} {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)]
    if differences:
        raise UsageError(
            f"study {folder} exists with another plan ({'; '.join(differences)}); "
            "give the study's own options to continue it, or another --name"
        )


def read_plan(folder: Path) -> Plan:
    """The plan of the study in `folder`.

    Raises:
        UsageError: there is no study, or its plan cannot be read.
    """
    path = folder / PLAN
    if not path.is_file():
        raise UsageError(f"no study at {folder}: it has no {PLAN}; `kpbench ls studies` lists what is there")
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UsageError(f"{path}: not a plan of this version of kpbench: {error.errors()[0]['msg']}") from error


def read_lines(path: Path, kind: type[V]) -> list[V]:
    """The values in a JSONL file; a torn last line, which a killed writer leaves, is passed over.

    Raises:
        UsageError: any other line is not such a value; file and line are named.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    values = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            values.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise UsageError(f"{path}: line {number} is damaged: {error.errors()[0]['msg']}") from error
    return values


def cut_torn_line(path: Path) -> None:
    """Cuts a last line that has no end, so that the next append starts on a line of its own."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def find_study(name: str, out: Path) -> Path:
    """The folder of a study given by path or by its name in `out`.

    Raises:
        UsageError: neither is a study.
    """
    for folder in (Path(name), out / name):
        if (folder / PLAN).is_file():
            return folder
    known = [folder.name for folder in studies(out)]
    raise UsageError(f"no study '{name}' here or in {out}; known: {', '.join(known) or 'none'}")


def studies(out: Path) -> list[Path]:
    """The study folders in `out`, by name."""
    return sorted(plan.parent for plan in out.glob(f"*/{PLAN}"))


def now() -> str:
    """The time in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


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
