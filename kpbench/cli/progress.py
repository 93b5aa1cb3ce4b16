"""Progress on stderr: a live view in a terminal, a line an ended job elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kpbench.events import Advanced, Ended, Event, Stage, Started
from kpbench.jobs import Job


class View:
    """Shows events and reading progress; a context manager that leaves the terminal as it was."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._live = self._console.is_terminal and not quiet
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._stage: TaskID | None = None
        self._reading: TaskID | None = None
        self._jobs: dict[int, TaskID] = {}
        self._best: float | None = None
        self._title = ""

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
            self._reading = self._progress.add_task(what, total=100)
            if not self._live:
                self._console.print(what)
        self._progress.update(self._reading, description=what, completed=int(100 * share))
        if share >= 1:
            self._progress.remove_task(self._reading)
            self._reading = None

    def notify(self, event: Event) -> None:
        """Takes what happens in a study."""
        match event:
            case Stage():
                self._begin(event)
            case Started(job):
                self._jobs[job.number] = self._progress.add_task(f"  {label(job)}", total=job.epochs)
            case Advanced(job, epoch, score):
                self._progress.update(
                    self._jobs[job.number], completed=epoch, description=f"  {label(job)}  {score:.0f}"
                )
                self._advance(1)
            case Ended():
                self._end(event)

    def _begin(self, stage: Stage) -> None:
        if self._stage is not None:
            self._progress.remove_task(self._stage)
        self._title, self._best = stage.title, None
        self._stage = self._progress.add_task(stage.title, total=stage.jobs or None, completed=stage.done)
        if not self._live:
            self._console.print(stage.title)

    def _advance(self, epochs: int) -> None:
        best = "" if self._best is None else f", best so far {self._best:.0f}"
        if self._stage is not None:
            self._progress.update(self._stage, description=self._title + best)

    def _end(self, event: Ended) -> None:
        task = self._jobs.pop(event.job.number, None)
        if task is not None:
            self._progress.remove_task(task)
        if self._stage is not None:
            self._progress.advance(self._stage)
        if event.score is not None and event.state == "complete":
            self._best = max(event.score, self._best or event.score)
        self._advance(0)
        score = "" if event.score is None else f"  {event.score:.1f}"
        detail = f"  {event.detail}" if event.detail else ""
        self._console.print(f"{event.state:9}{score:>8}  {label(event.job)}{detail}", markup=False)


def label(job: Job) -> str:
    """A job in a few words: the cell's main parameters and, for a final run, its seed."""
    shown = ("depth", "norm", "dropout", "model", "width")
    words = [str(job.params[f"network.{name}"]) for name in shown if f"network.{name}" in job.params]
    seed = f" seed {job.seeds[0]}" if job.role == "final" else ""
    return f"{job.params['family']} {' '.join(words)}{seed}"
