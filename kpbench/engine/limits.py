"""When a queue stops asking: time, failures, a disk that is nearly full. What is under way ends first."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from kpbench.engine.jobs import Failure, Job, Progress, Queue
from kpbench.errors import UsageError

FREE = 100_000_000
"""Bytes that must be free where a study is kept before another job begins: rows, models and the report fit in it."""


@dataclass
class Limits:
    """What a person allows a command, and what of it is used.

    Attributes:
        seconds: after which no job is begun, from the first; so each command begins one. None without end.
        failures: after so many failed jobs none is begun; one that diverged has an outcome and does not count.
        broken: the jobs of the command that failed so far, in all its queues.
    """

    seconds: float | None = None
    failures: int | None = None
    begun: float | None = None
    broken: set[tuple[str, str, tuple[int, ...]]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Refuses what would begin nothing.

        Raises:
            UsageError: no time, or no failure allowed.
        """
        if self.seconds is not None and self.seconds <= 0:
            raise UsageError("--time-budget must be above 0; write 90s, 30m or 2h")
        if self.failures is not None and self.failures < 1:
            raise UsageError(f"--max-failures must be at least 1, got {self.failures}")


@dataclass
class Limited:
    """Passes a queue's jobs on until a limit is reached; `ended` then says which, in words for a person."""

    queue: Queue
    limits: Limits
    folder: Path
    ended: str | None = None

    def ask(self) -> Job | None:
        """The next job, or None from the moment a limit is reached.

        Raises:
            UsageError: the disk is nearly full; nothing is torn, and the same command goes on once there is room.
        """
        check_room(self.folder)
        self.ended = self.ended or self._reached()
        return None if self.ended else self.queue.ask()

    def _reached(self) -> str | None:
        limits, now = self.limits, time.monotonic()
        limits.begun = now if limits.begun is None else limits.begun
        if limits.seconds is not None and now - limits.begun >= limits.seconds:
            return f"the time budget of {spoken_seconds(limits.seconds)} is used"
        if limits.failures is not None and len(limits.broken) >= limits.failures:
            return f"{len(limits.broken)} failed, as many as --max-failures allows"
        return None

    def report(self, job: Job, progress: Progress) -> bool:
        """Hands an epoch on."""
        if any(isinstance(seed, Failure) and seed.reason != "nan" for seed in progress.seeds):
            self._failed(job)
        return self.queue.report(job, progress)

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Hands the end of a job on."""
        if crash is not None:
            self._failed(job)
        self.queue.tell(job, crash)

    def _failed(self, job: Job) -> None:
        self.limits.broken.add((job.role, job.cell, job.seeds))


def check_room(folder: Path) -> None:
    """Refuses a folder, which need not be there yet, whose disk is nearly full.

    Raises:
        UsageError: how much is free, and how much a run needs.
    """
    free = shutil.disk_usage(next(one for one in (folder, *folder.absolute().parents) if one.exists())).free
    if free < FREE:
        raise UsageError(
            f"{free / 1e6:.0f} MB are free where {folder} lies and a run needs {FREE / 1e6:.0f}; "
            "make room, then the same command continues"
        )


def spoken_seconds(seconds: float) -> str:
    """A duration as a person writes it: 90s, 30m, 2h."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
