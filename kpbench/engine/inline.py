"""The in-process engine: one job at a time, for tests, debugging and small studies."""

from kpbench.engine.evaluate import Staged, prepare, work
from kpbench.engine.jobs import Queue


def run(queue: Queue, staged: Staged) -> None:
    """Works through `queue`: ask, train epoch by epoch, report, tell."""
    ready = prepare(staged)
    while (job := queue.ask()) is not None:
        for progress in work(job, ready):
            if queue.report(job, progress):
                break
        queue.tell(job)
