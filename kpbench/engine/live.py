"""A job under way and the rows that it leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kpbench.cell import EpochRecord, Params, RunResult, State
from kpbench.engine.events import Ended
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.store.study import now
from kpbench.task.score import mean_score


@dataclass
class Live:
    """A job under way: its curves so far and what failed."""

    job: Job

    def __post_init__(self) -> None:
        self.curves: list[list[EpochRecord]] = [[] for _ in self.job.seeds]
        self.failures: list[Failure | None] = [None for _ in self.job.seeds]
        self.device: str | None = None

    def add(self, progress: Progress) -> bool:
        """Takes a progress; False for an epoch that is known already (a worker that was lost began again)."""
        self.device = progress.device
        known = progress.epoch <= max(len(curve) for curve in self.curves)
        for place, seed in enumerate(progress.seeds):
            if isinstance(seed, Failure):
                self.failures[place] = seed
            elif not known:
                self.curves[place].append(seed)
        return not known

    def crashed(self, crash: Failure | None) -> None:
        """The process was lost: every seed that had not failed by itself fails with it."""
        if crash is not None:
            self.failures = [failure or crash for failure in self.failures]

    def score(self) -> float:
        """The score after the last epoch over the seeds that have not failed."""
        running = zip(self.curves, self.failures, strict=True)
        return mean_score([curve[-1].val_mse for curve, failure in running if failure is None])

    def state(self, place: int) -> State:
        """How one seed ended; a seed whose sister failed ended too, short of its last epoch."""
        if self.failures[place] is not None:
            return "failed"
        return "complete" if len(self.curves[place]) == self.job.epochs else "pruned"


@dataclass(frozen=True)
class Facts:
    """What every row of a study says besides the run itself."""

    device: str
    data: str
    size: Callable[[Params], tuple[int, float]]
    train_faces: int
    costs: Callable[[Params], dict[str, float] | None] = lambda params: None


def rows_of(live: Live, facts: Facts) -> list[RunResult]:
    """One row for each seed of a job that ended."""
    parameters, megabytes = facts.size(live.job.params)
    rows = []
    for place, seed in enumerate(live.job.seeds):
        curve, failure, state = live.curves[place], live.failures[place], live.state(place)
        last = curve[-1] if curve and state != "failed" else None
        rows.append(
            RunResult(
                role=live.job.role,
                trial=live.job.number if live.job.role == "trial" else None,
                cell=live.job.cell,
                params=live.job.params,
                seed=seed,
                state=state,
                reason=failure.reason if failure else None,
                detail=failure.detail if failure else None,
                epochs=len(curve),
                images=len(curve) * facts.train_faces,
                val_mse=last.val_mse if last else None,
                val_score=last.val_score if last else None,
                costs=facts.costs(live.job.params),
                parameters=parameters,
                megabytes=round(megabytes, 3),
                seconds=round(sum(record.seconds for record in curve), 3),
                device=live.device or facts.device,
                data=facts.data,
                curve=curve,
                finished=now(),
            )
        )
    return rows


def ended(job: Job, rows: Sequence[RunResult]) -> Ended:
    """The event of a job that left these rows: failed where any seed failed, else with the score over its seeds."""
    failed = next((row for row in rows if row.state == "failed"), None)
    scores = [row.val_mse for row in rows if row.val_mse is not None]
    score = mean_score(scores) if scores and not failed else None
    return Ended(job, "failed" if failed else rows[0].state, score, failed.detail if failed else None)
