"""What travels between a queue of work and an engine: a job out, progress back."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from kpbench.cell import EpochRecord, Params, Reason, Role, Scalar, Value, cell_id, epochs_of


class Job(Value):
    """One cell to train with one or several seeds, epoch by epoch.

    Attributes:
        number: the Optuna trial's, or the place in a plan.
        budget: epochs of the study, of which `training.exposure` may be a share.
        split: seed with which train and val are drawn anew for it; None where the staged ones are kept.
        models: folder in which each seed's trained model is kept, seen by driver and worker; None keeps none.
    """

    number: int
    role: Role
    params: dict[str, Scalar]
    seeds: tuple[int, ...]
    budget: int
    models: str | None = None
    split: int | None = None

    @property
    def cell(self) -> str:
        """The cell's identity."""
        return cell_id(self.params)

    @property
    def epochs(self) -> int:
        """Epochs that it trains."""
        return job_epochs(self.params, self.budget)

    def is_over(self, progress: "Progress") -> bool:
        """Whether no epoch follows: the last is done, or every seed failed; of a trial, any, for it has one outcome."""
        over = any if self.role == "trial" else all
        return progress.epoch == self.epochs or over(isinstance(seed, Failure) for seed in progress.seeds)


class Failure(Value):
    """Why a seed's training ended early, with one line for a person."""

    reason: Reason
    detail: str


class Progress(Value):
    """One epoch of a job: for each seed its record, or why it has none (a failed seed stays failed).

    Attributes:
        device: where it was trained, if not on the study's own device.
    """

    epoch: int
    device: str | None = None
    seeds: tuple[EpochRecord | Failure, ...]

    @property
    def failed(self) -> bool:
        """Whether any seed has failed."""
        return any(isinstance(seed, Failure) for seed in self.seeds)


class Queue(Protocol):
    """Where an engine's work comes from and its results go; only the driver process touches it."""

    def ask(self) -> Job | None:
        """The next job, or None when there is none now; with none under way, when there is none left."""

    def report(self, job: Job, progress: Progress) -> bool:
        """Takes one epoch's progress; True asks the engine to stop the job early."""

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Takes the end of a job: finished, stopped as asked, or lost with its process (`crash`)."""


class Counted(Queue, Protocol):
    """A queue that knows how much is left of it."""

    def left(self) -> int:
        """How many jobs are still to come."""

    def finish(self) -> None:
        """Waits for what is still done with jobs that ended, once the engine asks no more."""


def job_epochs(params: Params, budget: int) -> int:
    """Epochs that a cell trains in a study of so many."""
    return epochs_of(budget, float(params.get("training.exposure", 1.0)))


def model_name(params: Params, seed: int) -> str:
    """The stem of a model file: cell and seed."""
    return f"{cell_id(params)}-seed{seed}"


K = TypeVar("K")


def grouped(runs: Iterable[tuple[K, int]], size: int) -> list[tuple[K, tuple[int, ...]]]:
    """At most `size` seeds of one kind together, each group in the place of its first run; with 1, all as they come."""
    groups: list[tuple[K, list[int]]] = []
    last: dict[K, list[int]] = {}
    for kind, seed in runs:
        if kind not in last or len(last[kind]) == size:
            last[kind] = []
            groups.append((kind, last[kind]))
        last[kind].append(seed)
    return [(kind, tuple(seeds)) for kind, seeds in groups]
