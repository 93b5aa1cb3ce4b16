"""What travels between a queue of work and an engine: a job out, progress back."""

from typing import Protocol

from kpbench.cell import EpochRecord, Params, Reason, Role, Scalar, Value, cell_id


class Job(Value):
    """One cell to train with one or several seeds, epoch by epoch.

    Attributes:
        number: the Optuna trial's, or the place in a plan.
        split: seed with which train and val are drawn anew for it; None where the staged ones are kept.
        models: folder in which each seed's trained model is kept, seen by driver and worker; None keeps none.
    """

    number: int
    role: Role
    params: dict[str, Scalar]
    seeds: tuple[int, ...]
    epochs: int
    models: str | None = None
    split: int | None = None

    @property
    def cell(self) -> str:
        """The cell's identity."""
        return cell_id(self.params)


class Failure(Value):
    """Why a seed's training ended early, with one line for a person."""

    reason: Reason
    detail: str


class Progress(Value):
    """One epoch of a job: for each seed its record, or why it has none (a failed seed stays failed)."""

    epoch: int
    seeds: tuple[EpochRecord | Failure, ...]

    @property
    def failed(self) -> bool:
        """Whether any seed has failed."""
        return any(isinstance(seed, Failure) for seed in self.seeds)


class Queue(Protocol):
    """Where an engine's work comes from and its results go; only the driver process touches it."""

    def ask(self) -> Job | None:
        """The next job, or None when there is none left."""

    def report(self, job: Job, progress: Progress) -> bool:
        """Takes one epoch's progress; True asks the engine to stop the job early."""

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Takes the end of a job: finished, stopped as asked, or lost with its process (`crash`)."""


def model_name(params: Params, seed: int) -> str:
    """The stem of a model file: cell and seed."""
    return f"{cell_id(params)}-seed{seed}"
