"""Progress on stderr: a live view in a terminal, a line an ended job elsewhere."""

import re
import sys
from collections.abc import Mapping
from types import TracebackType

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from kpbench.cell import Role
from kpbench.engine.events import Advanced, Ended, Event, Notice, Stage, Started
from kpbench.engine.jobs import Job
from kpbench.space.space import Parameter, varied
from kpbench.statistics.words import cell_text

BESIDE: Mapping[Role, str] = {"control": "A/A", "matched": "size-matched"}
"""Runs of an ablation beside those of its cells."""


FEW = 4
"""Seeds of a job that are named one by one."""


class View:
    """Shows events and reading progress; a context manager that leaves the terminal as it was."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._quiet = quiet
        self._told: set[str] = set()
        self._live = self._console.is_terminal and not quiet
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
            console=self._console,
            transient=True,
            expand=True,
            speed_estimate_period=3600.0,  # a trial may take minutes
            disable=not self._live,
        )
        self._stage: TaskID | None = None
        self._title, self._jobs_done, self._jobs_of, self._runs = "", 0, 0, False
        self._reading: TaskID | None = None
        self._running: dict[int, TaskID] = {}
        self._epochs: dict[int, int] = {}
        self._best: float | None = None
        self._names: tuple[str, ...] = ()
        self._parameters: Mapping[str, Parameter] = {}

    def __enter__(self) -> "View":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, what: str, share: float) -> None:
        """Reading or drawing faces."""
        if self._reading is None:
            self._reading = self._progress.add_task(what, total=1.0, count="")
            if not self._live:
                self._console.print(what)
        self._progress.update(self._reading, description=what, completed=share, count=f"{share:.0%}")
        if share >= 1:
            self._progress.remove_task(self._reading)
            self._reading = None

    def notify(self, event: Event) -> None:
        """Takes what happens in a study."""
        match event:
            case Stage():
                self._begin(event)
            case Notice(text):
                self._console.print(text, markup=False)
            case Started(job):
                task = self._progress.add_task(f"  {self._label(job)}", total=job.epochs, count=f"0/{job.epochs}")
                self._running[job.number] = task
            case Advanced(job, epoch, score):
                self._epochs[job.number] = epoch * self._counts(job)
                self._progress.update(
                    self._running[job.number],
                    completed=epoch,
                    description=f"  {score:.0f}  {self._label(job)}",
                    count=f"{epoch}/{job.epochs}",
                )
                self._show(job.epochs)
            case Ended():
                self._end(event)

    def _begin(self, stage: Stage) -> None:
        if self._stage is not None:
            self._progress.remove_task(self._stage)
        self._title, self._best = stage.title, stage.best
        self._names, self._parameters = stage.names, stage.parameters
        self._jobs_done, self._jobs_of, self._runs = stage.done, stage.jobs, stage.runs
        count = f"{stage.done}/{stage.jobs}" if stage.jobs else ""
        self._stage = self._progress.add_task(stage.title, total=None, count=count)
        if not self._live:
            left = f": {stage.jobs - stage.done} of {stage.jobs} to train" if stage.done else ""
            self._console.print(stage.title + left)

    def _show(self, epochs: int) -> None:
        """The stage's bar moves with epochs, so that there is an estimate long before the first job ends."""
        if self._stage is None:
            return
        best = "" if self._best is None else f", best {self._best:.0f}"
        self._progress.update(
            self._stage,
            description=self._title + best,
            total=self._jobs_of * epochs,
            completed=self._jobs_done * epochs + sum(self._epochs.values()),
            count=f"{self._jobs_done}/{self._jobs_of}",
        )

    def _end(self, event: Ended) -> None:
        task = self._running.pop(event.job.number, None)
        if task is not None:
            self._progress.remove_task(task)
        self._epochs.pop(event.job.number, None)
        self._jobs_done += self._counts(event.job)
        if event.score is not None and event.state == "complete":
            self._best = max(event.score, self._best or event.score)
        self._show(event.job.epochs)
        place = f"{self._jobs_done:>{len(str(self._jobs_of))}}/{self._jobs_of}"
        score = "" if event.score is None else f"{event.score:.1f}"
        detail = f": {event.detail}" if event.detail else ""
        why = event.detail or "no reason is known"
        kind = re.sub(r"\d+", "", why)
        if self._quiet and event.state == "failed" and kind not in self._told:
            self._told.add(kind)  # a line a kind: what fails has to be known beside a result too
            typer.echo(f"failed: {why}", err=True)
        self._console.print(f"{place} {event.state:8} {score:>6}  {self._label(event.job)}{detail}", markup=False)

    def _counts(self, job: Job) -> int:
        return len(job.seeds) if self._runs else 1

    def _label(self, job: Job) -> str:
        """A job in a few words: its seeds, what it is beside the plan, and what tells its cell from others."""
        some = f"seeds {', '.join(map(str, job.seeds))}" if len(job.seeds) <= FEW else f"{len(job.seeds)} seeds"
        seeds = f"seed {job.seeds[0]}" if len(job.seeds) == 1 else some
        cell = cell_text(varied(job.params, self._names, self._parameters))
        return "  ".join(filter(None, (seeds, BESIDE.get(job.role), cell)))
