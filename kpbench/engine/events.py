"""What happens while a study runs, for whoever shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kpbench.cell import State
from kpbench.engine.jobs import Job
from kpbench.space.space import Parameter


@dataclass(frozen=True)
class Stage:
    """A part of the command begins: what it does, its jobs, those done already, and the best score among them.

    Attributes:
        names: the parameters that tell its cells apart, by dotted name.
        parameters: of the space, whose conditions say which of them have a part in a cell.
        runs: jobs are counted by their seeds, for several may be trained together.
    """

    title: str
    jobs: int = 0
    done: int = 0
    best: float | None = None
    names: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    runs: bool = False


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
