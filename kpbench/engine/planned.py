"""The queue of a fixed plan: an ablation's runs, final runs, tuning."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kpbench.cell import EpochRecord, RunResult
from kpbench.engine.events import Advanced, Notify, Started
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.live import Facts, Live, ended, rows_of


@dataclass
class Planned:
    """A queue over a fixed list of jobs, none of which is stopped early; each row goes to `settle` as its job ends."""

    jobs: list[Job]
    facts: Facts
    notify: Notify
    settle: Callable[[RunResult], RunResult]
    live: dict[int, Live] = field(default_factory=dict)

    def left(self) -> int:
        """How many jobs are still to come."""
        return len(self.jobs)

    def ask(self) -> Job | None:
        """The next job of the plan."""
        if not self.jobs:
            return None
        job = self.jobs.pop(0)
        self.start(job)
        return job

    def start(self, job: Job) -> None:
        """A job of the plan, taken out of `jobs`, is under way."""
        self.live[job.number] = Live(job)
        self.notify(Started(job))

    def report(self, job: Job, progress: Progress) -> bool:
        """Keeps the epoch; a seed that fails stops no other."""
        live = self.live[job.number]
        if live.add(progress) and any(isinstance(seed, EpochRecord) for seed in progress.seeds):
            self.notify(Advanced(job, progress.epoch, live.score()))
        return False

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Hands each of the job's rows to `settle`, which scores and keeps it."""
        live = self.live.pop(job.number)
        live.crashed(crash)
        self.notify(ended(job, [self.settle(row) for row in rows_of(live, self.facts)]))
