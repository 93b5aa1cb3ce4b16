"""A study folder, opened for writing: one row a run, the readings of the sealed test, the models."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kpbench.cell import RunResult
from kpbench.errors import UsageError
from kpbench.store.driver import is_worked_on, read_driver
from kpbench.store.files import (
    CHECKPOINTS,
    JOURNAL,
    LOCK,
    MODELS,
    PLAN,
    READINGS,
    ROWS,
    SESSIONS,
    V,
    as_line,
    cut_torn_line,
    read_lines,
)
from kpbench.store.plan import Plan, read_plan, refuse_other_plan
from kpbench.store.values import LINES, Reading, Session
from kpbench.whole_file import naming, write_whole


class Study:
    """A study folder opened for writing by the one driver that holds its lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def begin(self, session: Session) -> None:
        """Writes down that a command starts.

        Raises:
            UsageError: the study has runs by another version of training, with which new ones would not go together.
        """
        _refuse_other_recipe(self.folder, session.recipe)
        self.append(SESSIONS, session)

    def append(self, file: str, value: V) -> V:
        """Adds one line to a JSONL file of the study and flushes it to the disk; returns the value."""
        path = self.folder / file
        with naming(path), path.open("ab") as lines:
            lines.write(as_line(value))
            lines.flush()
            os.fsync(lines.fileno())
        return value

    def test_reading(self, command: str, model: str) -> Callable[[], None]:
        """What writes down that `command` opens the sealed test for `model`; for `SealedFaces.open`."""

        def write_down() -> None:
            self.append(READINGS, Reading(when=now(), command=command, model=model))

        return write_down

    def rows(self) -> list[RunResult]:
        """Every row so far."""
        return read_lines(self.folder / ROWS, RunResult)

    def drop_rows_of(self, trial: int) -> None:
        """Removes rows of a trial that was cut between its seeds' rows and will be trained again."""
        rows = self.rows()
        kept = [row for row in rows if row.trial != trial]
        if len(kept) < len(rows):
            self.write(ROWS, b"".join(map(as_line, kept)))

    @contextmanager
    def checkpoints(self) -> Iterator[str]:
        """The path of a folder for the state of long runs; it is gone once what is done inside has ended."""
        folder = (self.folder / CHECKPOINTS).resolve()
        folder.mkdir(exist_ok=True)
        try:
            yield str(folder)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            with suppress(OSError):  # it holds runs that were cut
                folder.rmdir()

    def write(self, file: str, content: str | bytes, *, lasting: bool = True) -> Path:
        """Writes a file of the study whole or not at all."""
        return write_whole(self.folder / file, content, lasting=lasting)


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
        raise _in_use(folder) from None
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}; choose another --out") from error
    try:
        study = Study(folder)
        if not plan_file.exists():
            study.write("space.toml", plan.space_text)
            study.write("benchmark.toml", plan.benchmark_text)
            for name, text in (plan.own_texts or {}).items():  # beside the models, which need them
                (folder / MODELS).mkdir(exist_ok=True)
                study.write(f"{MODELS}/{name}", text)
            study.write(PLAN, plan.model_dump_json(indent=2) + "\n")
        for file in (*LINES, JOURNAL):
            cut_torn_line(folder / file)
        _read_all(folder)  # damaged files are named now, not after hours of training
        yield study
    finally:
        lock.release()


def check_open(folder: Path, plan: Plan, recipe: str) -> None:
    """Refuses what `open_study` and `Study.begin` would refuse, as far as it can be told without writing.

    Raises:
        UsageError: as `check_folder`; nothing can be written there, another process works on it, one of its files is
            damaged, or its runs are by another version of training than `recipe`.
    """
    check_folder(folder, plan)
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        raise UsageError(f"cannot write to {folder}: {there} is a file; choose another --out")
    if not os.access(there, os.W_OK | os.X_OK) or (there != folder and not _makes_folders(there)):
        raise UsageError(f"cannot write to {folder}: {there} cannot be written; choose another --out")
    if is_worked_on(folder, read_driver(folder)):
        raise _in_use(folder)
    _read_all(folder)
    _refuse_other_recipe(folder, recipe)


def _makes_folders(there: Path) -> bool:
    """Whether a folder can be made in `there`: one is, and is gone again; rights alone do not tell it everywhere."""
    try:
        Path(tempfile.mkdtemp(prefix=".kpbench-", dir=there)).rmdir()
    except OSError:
        return False
    return True


def _read_all(folder: Path) -> None:
    for file, kind in LINES.items():
        read_lines(folder / file, kind)


def _refuse_other_recipe(folder: Path, recipe: str) -> None:
    earlier = {one.recipe for one in read_lines(folder / SESSIONS, Session)} - {recipe}
    if earlier and read_lines(folder / ROWS, RunResult):
        raise UsageError(
            f"{folder} was trained by recipe {min(earlier)} of another kpbench and this one trains by recipe "
            f"{recipe}: its runs would be others; `kpbench report` reads it, another --name begins anew"
        )


def _in_use(folder: Path) -> UsageError:
    return UsageError(f"study {folder} is in use by another process; wait for it, or choose another --name")


def check_folder(folder: Path, plan: Plan) -> None:
    """Refuses a folder that cannot become or continue the study of `plan`; writes nothing.

    Raises:
        UsageError: it is a file, holds something else, or holds a study with another plan (the difference is named).
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; choose another --name or --out")
        if (folder / PLAN).exists():
            old = read_plan(folder)
            if old.digest != plan.digest:
                refuse_other_plan(folder, old, plan, kept=_holds_results(folder))
        elif folder.exists() and any(path.name != LOCK for path in folder.iterdir()):
            raise UsageError(f"{folder} exists and holds no study; choose another --name or --out")
    except OSError as error:
        raise UsageError(f"cannot use {folder}: {error.strerror or error}; choose another --out") from error


def _holds_results(folder: Path) -> bool:
    """Whether a run of a study is complete, or may become so: somebody may be at work on it."""
    done = any(row.settled for row in read_lines(folder / ROWS, RunResult))
    return done or is_worked_on(folder, read_driver(folder)) is not False


def now() -> str:
    """The time in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
