"""A queue's surroundings without training: a scripted trainer that answers what a test wants."""

from kpbench.cell import EpochRecord, RunResult
from kpbench.engine.jobs import Failure, Progress
from kpbench.store.files import ROWS, read_lines
from kpbench.task.score import score_from_mse


def quiet(*_):
    """Shows nothing."""


def rows(folder):
    """Every row of the study in `folder`."""
    return read_lines(folder / ROWS, RunResult)


def record(epoch, mse):
    return EpochRecord(epoch=epoch, train_mse=mse, val_mse=mse, val_score=score_from_mse(mse), seconds=0.1)


def play(queue, mse_of, *, lose=(), interrupt=None):
    """Works through `queue` like an engine; `mse_of(job, seed, epoch)` gives an MSE or a `Failure`.

    Jobs whose number is in `lose` end as a crash; `interrupt` raises KeyboardInterrupt before that many reports.
    """
    reports = 0
    while (job := queue.ask()) is not None:
        crash = None
        for epoch in range(1, job.epochs + 1):
            if interrupt is not None and reports >= interrupt:
                raise KeyboardInterrupt
            reports += 1
            if job.number in lose:
                crash = Failure(reason="crash", detail="its worker process died")
                break
            answers = [mse_of(job, seed, epoch) for seed in job.seeds]
            seeds = tuple(a if isinstance(a, Failure) else record(epoch, a) for a in answers)
            progress = Progress(epoch=epoch, seeds=seeds)
            if queue.report(job, progress) or progress.failed:
                break
        queue.tell(job, crash)
