"""The queue of a fixed plan: an ablation's runs, final runs, tuning."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from kpbench.cell import EpochRecord, RunResult
from kpbench.engine.events import Advanced, Notify, Started
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.live import Facts, Live, ended, rows_of


def unscored(row: RunResult) -> Future[RunResult]:
    """A row that stays as it is."""
    done: Future[RunResult] = Future()
    done.set_result(row)
    return done


@dataclass
class Planned:
    """A queue over a fixed list of jobs, none of which is stopped early; a job's rows are scored and kept as it ends.

    Attributes:
        keep: takes a row once it is scored.
        score: the row with its official scores, which may come later; they are kept in the order in which they come.
    """

    jobs: list[Job]
    facts: Facts
    notify: Notify
    keep: Callable[[RunResult], object]
    score: Callable[[RunResult], Future[RunResult]] = unscored
    live: dict[int, Live] = field(default_factory=dict)
    scoring: list[tuple[Job, list[Future[RunResult]]]] = field(default_factory=list)

    def left(self) -> int:
        """How many jobs are still to come."""
        return len(self.jobs)

    def ask(self) -> Job | None:
        """The next job of the plan."""
        self._keep_scored()
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
        self._keep_scored()
        live = self.live[job.number]
        if live.add(progress) and any(isinstance(seed, EpochRecord) for seed in progress.seeds):
            self.notify(Advanced(job, progress.epoch, live.score()))
        return False

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Has each of the job's rows scored."""
        live = self.live.pop(job.number)
        live.crashed(crash)
        self.scoring.append((job, [self.score(row) for row in rows_of(live, self.facts)]))
        self._keep_scored()

    def finish(self) -> None:
        """Waits for what is still being scored, and keeps it."""
        wait([row for _, rows in self.scoring for row in rows])
        self._keep_scored()

    def _keep_scored(self) -> None:
        done = [one for one in self.scoring if all(row.done() for row in one[1])]
        for job, scored in done:
            rows = [row.result() for row in scored]
            self.scoring.remove((job, scored))
            for row in rows:
                self.keep(row)
            self.notify(ended(job, rows))
