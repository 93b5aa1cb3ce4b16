"""Experiment trackers through their own clients: a run for each job, with its parameters, a score an epoch, its end."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from kpbench.engine.events import Advanced, Ended, Event, Notice, Notify, Started
from kpbench.engine.jobs import Job
from kpbench.errors import UsageError, lookup
from kpbench.space.space import with_part

LAST_WAIT = 30.0
"""Seconds that a study waits at its end for a tracker that is behind."""


@dataclass(frozen=True)
class Run:
    """A tracker's run of one job.

    Attributes:
        epoch: takes an epoch and its validation score.
        end: takes the state (`interrupted` too), the score that the job ended with and what failed.
    """

    epoch: Callable[[int, float], None]
    end: Callable[[str, float | None, str | None], None]


Begin = Callable[[Job], Run]


def tensorboard(study: str, folder: Path) -> Begin:
    """Event files in the study's own folder `tensorboard/`, one a job, with what its HPARAMS tab compares."""
    make = import_module("torch.utils.tensorboard").SummaryWriter

    def begin(job: Job) -> Run:
        writer = make(str(folder / "tensorboard" / run_name(job)))

        def end(state: str, score: float | None, detail: str | None) -> None:
            writer.add_text("state", state if detail is None else f"{state}: {detail}")
            writer.add_hparams(with_part(job.params, {}), {"score": math.nan if score is None else score}, run_name=".")
            writer.close()

        return Run(lambda epoch, score: writer.add_scalar("val_score", score, epoch), end)

    return begin


def mlflow(study: str, folder: Path) -> Begin:
    """Runs of an experiment named as the study, where `MLFLOW_TRACKING_URI` says."""
    package = import_module("mlflow")
    client = package.MlflowClient()
    found = client.get_experiment_by_name(study)
    experiment = client.create_experiment(study) if found is None else found.experiment_id
    status = {"complete": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}

    def begin(job: Job) -> Run:
        run = client.create_run(experiment, run_name=run_name(job)).info.run_id
        given = {**with_part(job.params, {}), **_more(job)}
        client.log_batch(run, params=[package.entities.Param(name, str(value)) for name, value in given.items()])

        def end(state: str, score: float | None, detail: str | None) -> None:
            for key, value in {"state": state, "detail": detail}.items():
                if value is not None:
                    client.set_tag(run, key, value)
            client.set_terminated(run, status[state])

        return Run(lambda epoch, score: client.log_metric(run, "val_score", score, step=epoch), end)

    return begin


def wandb(study: str, folder: Path) -> Begin:
    """Runs of the project `kpbench` in a group named as the study."""
    package = import_module("wandb")

    def begin(job: Job) -> Run:
        config = {**with_part(job.params, {}), **_more(job)}
        run = package.init(
            project="kpbench", group=study, name=run_name(job), config=config, dir=str(folder), reinit="create_new"
        )

        def end(state: str, score: float | None, detail: str | None) -> None:
            run.summary.update({"state": state, "score": score, "detail": detail})
            run.finish(exit_code=int(state == "failed"))

        return Run(lambda epoch, score: run.log({"val_score": score}, step=epoch), end)

    return begin


TRACKERS: Mapping[str, Callable[[str, Path], Begin]] = {"tensorboard": tensorboard, "mlflow": mlflow, "wandb": wandb}
"""Each by the name of its package."""


def run_name(job: Job) -> str:
    """`trial-7`; other runs by role, cell and seeds, so that the name is the same when one is run again."""
    if job.role == "trial":
        return f"trial-{job.number}"
    return f"{job.role}-{job.cell}-seed{'-'.join(map(str, job.seeds))}"


def _more(job: Job) -> dict[str, str]:
    return {"role": job.role, "cell": job.cell, "seeds": ",".join(map(str, job.seeds)), "epochs": str(job.epochs)}


def check_tracker(name: str | None) -> None:
    """Refuses a tracker that is unknown, or whose package is not installed.

    Raises:
        UsageError: either, with the command that installs it.
    """
    if name is not None:
        lookup(TRACKERS, name, "tracker")
        if find_spec(name) is None:
            raise UsageError(f"--track {name} needs the package {name}: pip install {name}")


@contextmanager
def tracked(name: str, study: str, folder: Path, notify: Notify) -> Iterator[Notify]:
    """What hands each event to a tracker, which works in a thread of its own.

    A study never waits for it but at the end, and then for `LAST_WAIT` seconds. Its first error ends the tracking and
    is told once; the study goes on.
    """
    events: SimpleQueue[Event | None] = SimpleQueue()
    errors: list[str] = []
    told = False

    def work() -> None:
        try:
            _follow(TRACKERS[name](study, folder), iter(events.get, None))
        except BaseException as error:  # whatever a tracker does, SystemExit too, ends the tracking alone
            errors.append(next(iter(str(error).splitlines()), "") or type(error).__name__)

    def tell() -> None:
        nonlocal told
        if errors and not told:
            told = True
            notify(Notice(f"{name} tracks no more, the study goes on: {errors[0]}"))

    def put(event: Event) -> None:
        events.put(event)
        tell()

    thread = Thread(target=work, name=f"track {name}", daemon=True)
    thread.start()
    try:
        yield put
    finally:
        events.put(None)
        thread.join(LAST_WAIT)
        if thread.is_alive():
            errors.append(f"it was still busy {LAST_WAIT:.0f} s after the last run")
        tell()


def _follow(begin: Begin, events: Iterator[Event]) -> None:
    """Opens a run for each job and closes it with the job; those left open at the end were interrupted."""
    runs: dict[int, Run] = {}
    for event in events:
        match event:
            case Started(job):
                runs[job.number] = begin(job)
            case Advanced(job, epoch, score):
                if run := runs.get(job.number):
                    run.epoch(epoch, score)
            case Ended(job, state, score, detail):
                if run := runs.pop(job.number, None):  # one that was lost too often is settled without a start
                    run.end(state, score, detail)
    for left in runs.values():
        left.end("interrupted", None, None)
