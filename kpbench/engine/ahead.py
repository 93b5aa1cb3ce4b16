"""A search's final runs, begun while its last trials are under way and a worker would wait for them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.planned import Planned
from kpbench.engine.trials import Trials


@dataclass
class Early:
    """A final run begun before the last trial ended, and what is known of it: told to nobody before it is wanted."""

    job: Job
    seen: list[Progress] = field(default_factory=list)
    over: bool = False
    crash: Failure | None = None

    def fits(self, job: Job) -> bool:
        """Whether this is the run that a plan has."""
        return (self.job.cell, self.job.seeds) == (job.cell, job.seeds)


@dataclass
class Ahead:
    """The trials of a search, then its final runs, in one queue.

    Once no trial is left to ask for, runs of the cells that lead so far are handed out too. When the last trial has
    ended it is known which are wanted: these go on, or are scored and kept if they have ended; the others are dropped.
    So the rows are those of one after the other, and nothing is scored before the last trial has ended.

    Attributes:
        plan: the final runs that the trials so far ask for.
        begin: told the plan once it is final.
        drop: told a run that is not wanted any more, or no plan any more has.
    """

    trials: Trials
    plan: Callable[[], Planned]
    begin: Callable[[Planned], None]
    drop: Callable[[Job], None]
    finals: Planned | None = None
    early: dict[int, Early] = field(default_factory=dict)
    asked: bool = False
    led: tuple[int, list[Job]] = (0, [])

    def left(self) -> int:
        """How many jobs are still to come, as far as that is known."""
        return self.trials.left() if self.finals is None else self.finals.left()

    def ask(self) -> Job | None:
        """The next trial, else a final run; None while there is nothing for a worker, and at the end."""
        if self.finals is not None:
            return self.finals.ask()
        job = None if self.asked else self.trials.ask()
        if job is not None:
            return job
        self.asked = True
        if self.trials.live:
            return self._early()
        self._turn()
        return self.ask()

    def _early(self) -> Job | None:
        """A run of the cells that lead while these trials are under way."""
        if self.led[0] != len(self.trials.live):
            self.led = len(self.trials.live), self.plan().jobs
        job = next((one for one in self.led[1] if not any(early.fits(one) for early in self.early.values())), None)
        if job is None:
            return None
        number = -1 - len(self.early)  # a number that no trial has
        self.early[number] = Early(job.model_copy(update={"number": number}))
        return self.early[number].job

    def report(self, job: Job, progress: Progress) -> bool:
        """Hands an epoch on; True for a run that is not wanted any more."""
        early = self.early.get(job.number)
        if self.finals is not None:
            return job.number not in self.finals.live or self.finals.report(job, progress)
        if early is None:
            return self.trials.report(job, progress)
        early.seen.append(progress)
        return False

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Hands the end of a job on; that of the last trial settles what becomes of the runs begun before it."""
        early = self.early.get(job.number)
        if self.finals is not None:
            self.finals.tell(job, crash) if job.number in self.finals.live else self.drop(job)
        elif early is not None:
            early.over, early.crash = True, crash
        else:
            self.trials.tell(job, crash)
            if self.asked and not self.trials.live:
                self._turn()

    def finish(self) -> None:
        """Waits for final runs that are still being scored."""
        if self.finals is not None:
            self.finals.finish()

    def _turn(self) -> None:
        """No trial is left: the runs begun early that are wanted become those of the plan."""
        self.finals = finals = self.plan()
        self.begin(finals)
        for early in self.early.values():
            wanted = next(filter(early.fits, finals.jobs), None)
            if wanted is None:
                self.drop(early.job)
                continue
            finals.jobs.remove(wanted)
            finals.start(early.job)
            for progress in early.seen:
                finals.report(early.job, progress)
            if early.over:
                finals.tell(early.job, early.crash)

    def abandon(self) -> None:
        """Settles the trials under way after a stop that was asked for; what was begun early is forgotten."""
        self.trials.abandon()
        if self.finals is None:
            for early in self.early.values():
                self.drop(early.job)
