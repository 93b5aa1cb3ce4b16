"""The queue of a search: trials whose cells a sampler chooses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from optuna.trial import FixedTrial, FrozenTrial, TrialState

from kpbench.cell import Params, RunResult, Scalar, State
from kpbench.engine.events import Advanced, Notice, Notify, Started
from kpbench.engine.jobs import Failure, Job, Progress
from kpbench.engine.live import Facts, Live, ended, rows_of
from kpbench.errors import UsageError
from kpbench.sampling.journal import LOST, STOPPED, Journal, varying
from kpbench.sampling.samplers import Sampler, propose
from kpbench.sampling.schedulers import Scheduler, never, stops
from kpbench.seeds import block_seed
from kpbench.space.space import SearchSpace
from kpbench.statistics.words import plural
from kpbench.store.files import JOURNAL, ROWS
from kpbench.store.study import Study
from kpbench.task.objectives import values_of
from kpbench.training.device import threads

ENDS: Mapping[State, TrialState] = {
    "failed": TrialState.FAIL,
    "pruned": TrialState.PRUNED,
    "complete": TrialState.COMPLETE,
}
"""A trial ends as the first of these in which one of its seeds did."""


@dataclass
class Trials:
    """A queue that asks Optuna's sampler for each next cell and keeps journal and rows in step.

    A row is written before the journal is told: a driver killed between the two leaves a running trial with a row,
    and `recover` tells what the row says.

    Attributes:
        costs: what a cell costs before it is trained, by the objective's name.
        legal_cells: how many cells keep the search's constraints, where that is counted.
    """

    study: Study
    journal: Journal
    space: SearchSpace
    sampler: Sampler
    scheduler: Scheduler
    facts: Facts
    notify: Notify
    complete: Callable[[Params], dict[str, Scalar]]
    legal: Callable[[Params], bool]
    n_trials: int
    epochs: int
    seeds: int
    seed: int
    warm: Sequence[FrozenTrial] = ()
    costs: Callable[[Params], Mapping[str, float]] = lambda params: {}
    legal_cells: int | None = None
    live: dict[int, Live] = field(default_factory=dict)

    @property
    def size(self) -> int | None:
        """How many cells may be tried; None for a continuum."""
        return self.space.size if self.legal_cells is None else self.legal_cells

    def recover(self) -> None:
        """Settles trials that an earlier driver left running: told from their rows, or ended as interrupted.

        Trials that ended and whose rows were lost are void, and their cells are trained again.

        Raises:
            UsageError: there are rows of trials that the journal does not have.
        """
        ended = {trial.number for trial in self.journal.history() if trial.state.is_finished()}
        rows = self._rows()
        if more := sorted(set(rows) - ended - {trial.number for trial in self.journal.running()}):
            raise UsageError(
                f"{self.study.folder / ROWS} has trial {more[0]}, of which {JOURNAL} beside it does not tell: it was "
                "cut or changed; put it back from a copy, or move the study away and search again"
            )
        if lost := sorted(number for number in ended if len(rows.get(number, ())) < self.seeds):
            for number in lost:
                self.study.drop_rows_of(number)
            self.journal.void(lost)
            self.notify(Notice(f"{ROWS} lacks {plural(len(lost), 'trial')} that ended: trained again"))
        self._end_running(LOST)

    def abandon(self) -> None:
        """Settles the trials under way after a stop that was asked for; cells that were cut come again."""
        self._end_running(STOPPED)

    def _rows(self) -> dict[int, list[RunResult]]:
        rows: dict[int, list[RunResult]] = {}
        for row in self.study.rows():
            if row.trial is not None:
                rows.setdefault(row.trial, []).append(row)
        return rows

    def _end_running(self, how: str) -> None:
        rows = self._rows()
        for trial in self.journal.running():
            if len(found := rows.get(trial.number, [])) == self.seeds:
                self.journal.adopt(trial)
                self._tell(trial.number, found)
                continue
            self.study.drop_rows_of(trial.number)
            if how == STOPPED or not self.journal.lives_spent(trial):
                self.journal.interrupt(trial, how)
                continue
            live = Live(self._job(trial.number, self.complete(self.space.suggest(FixedTrial(varying(trial))))))
            lost = Failure(reason="crash", detail="lost with its driver again and again; it may be what kills it")
            live.failures = [lost] * self.seeds
            self._settle(live)
            self.journal.adopt(trial)
            self.journal.end(trial.number, TrialState.FAIL)

    def total(self) -> int:
        """How many trials the study will have."""
        return self.n_trials if self.size is None else min(self.n_trials, self.size)

    def left(self) -> int:
        """How many trials are still to come."""
        return max(0, self.total() - len(self.journal))

    def finish(self) -> None:
        """Nothing: a trial is told whole."""

    def ask(self) -> Job | None:
        """The next cell that was never trained, or None once the study has its trials or the space is used up."""
        if not self.left():
            return None
        shown = self.journal.shown(self.sampler.memory)
        with threads():  # a sampler may think in torch
            params = next(iter(self.journal.interrupted()), None) or propose(
                self.space,
                shown,
                self.journal.seen(),
                sampler=self.sampler,
                seed=self.seed,
                enumerated=self.size is not None and self.size <= self.n_trials,
                legal=self.legal,
                warm=self.warm,
                left_out=len(self.journal) - len(shown),
            )
        if params is None:
            return None
        suggested = FixedTrial(params)
        cell = self.complete(self.space.suggest(suggested))
        known = {name: cost for name, cost in self.costs(cell).items() if name in self.journal.objectives}
        job = self._job(self.journal.start(suggested, known), cell)
        self.live[job.number] = Live(job)
        self.notify(Started(job))
        return job

    def report(self, job: Job, progress: Progress) -> bool:
        """Enters the epoch in the journal; True where a seed failed or the scheduler stops the trial."""
        live = self.live[job.number]
        new = live.add(progress)
        if progress.failed or not new:
            return progress.failed
        score = live.score()
        self.journal.report(job.number, score, progress.epoch)
        self.notify(Advanced(job, progress.epoch, score))
        if self.scheduler is never:
            return False
        point, *others = self.journal.points_at(progress.epoch, first=job.number)
        return stops(self.scheduler, progress.epoch, job.epochs, point, others)

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Writes the rows, then tells Optuna: complete, pruned or failed."""
        live = self.live.pop(job.number)
        live.crashed(crash)
        self._settle(live)
        self._tell(job.number, rows_of(live, self.facts))

    def _settle(self, live: Live) -> None:
        rows = rows_of(live, self.facts)
        for row in rows:
            self.study.append(ROWS, row)
        self.notify(ended(live.job, rows))

    def _tell(self, number: int, rows: Sequence[RunResult]) -> None:
        states = {row.state for row in rows}
        state = next(state for state in ENDS if state in states)
        values = values_of(rows, self.journal.objectives) if state == "complete" else None
        self.journal.end(number, ENDS[state], values)

    def _job(self, number: int, params: dict[str, Scalar]) -> Job:
        seeds = tuple(block_seed(self.seed, block) for block in range(self.seeds))
        return Job(number=number, role="trial", params=params, seeds=seeds, budget=self.epochs)
