"""What happens while a study runs, for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass

from kpbench.cell import State
from kpbench.engine.jobs import Job


@dataclass(frozen=True)
class Stage:
    """A part of the command begins: what it does, its jobs, those done already, and the best score among them."""

    title: str
    jobs: int = 0
    done: int = 0
    best: float | None = None


@dataclass(frozen=True)
class Notice:
    """What a person must know of the study and find again above its result, in one line."""

    text: str


@dataclass(frozen=True)
class Started:
    """A job went to a worker."""

    job: Job


@dataclass(frozen=True)
class Advanced:
    """A job finished an epoch with this validation score."""

    job: Job
    epoch: int
    score: float


@dataclass(frozen=True)
class Ended:
    """A job ended; `score` is None unless it has one."""

    job: Job
    state: State
    score: float | None
    detail: str | None = None


Event = Stage | Notice | Started | Advanced | Ended
Notify = Callable[[Event], None]
