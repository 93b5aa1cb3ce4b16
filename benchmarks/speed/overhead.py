"""What a trial costs besides its training: `python -m benchmarks.speed.overhead`, from the checkout's top.

In this process a search asks, enters epochs and rows and tells, with a trainer that answers at once. With one Ray
worker each trial trains one epoch of the smallest network on four faces.
"""

import gc
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from kpbench.cell import EpochRecord
from kpbench.engine.cluster import cluster
from kpbench.engine.evaluate import Staged
from kpbench.engine.events import Ended
from kpbench.engine.jobs import Progress
from kpbench.engine.limits import Limits
from kpbench.engine.live import Facts
from kpbench.engine.resources import Resources
from kpbench.engine.running import run_queue
from kpbench.engine.trials import Trials
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces, SealedFaces, Splits
from kpbench.sampling import samplers, schedulers
from kpbench.sampling.journal import Journal
from kpbench.seeds import derive
from kpbench.store.files import JOURNAL
from kpbench.store.study import Study
from kpbench.studies.preflight import Task, prepare_task
from kpbench.task.score import score_from_mse

EPOCHS = 3
LAST = 100
"""Trials over which the cost at a number of trials is taken: the last so many before it."""

TINY = """
family = "cnn"
[network]
depth = 1
width = 4
head_width = { low = 4, high = 8 }
[training]
lr = { low = 1e-4, high = 1e-2, log = true }
batch_size = 4
"""


Cost = dict[str, float]
Clocks = tuple[float, float]
"""Seconds by the wall and of this process's CPU time."""


def measure(at: tuple[int, ...] = (200, 1000, 2000), *, ray: int = 200) -> dict[str, Cost]:
    """Milliseconds a trial, wall time and CPU time of the driver: in this process at each of `at`, then with Ray."""
    return in_process(at) | with_ray(ray)


def in_process(at: tuple[int, ...]) -> dict[str, Cost]:
    """The cost of trials of nothing, `EPOCHS` epochs each, at each of these numbers of trials.

    Each number has a search of its own, whose last trials are run in turn with the others': a machine's pace changes
    by more within a minute than what a trial costs should from one number to another.
    """
    with ExitStack() as stack:
        queues = [stack.enter_context(_queue(prepare_task("cnn_tune", "cpu", EPOCHS), n))[0] for n in at]
        for queue, n in zip(queues, at, strict=True):
            for _ in range(n - LAST):
                _trial(queue)
        gc.collect()  # the next one of everything, .3 s every 1,000 trials or more, would fall on one of them
        spent = [(0.0, 0.0)] * len(at)
        for _ in range(LAST):
            for place, queue in enumerate(queues):
                (wall, cpu), (began, began_cpu) = spent[place], _clocks()
                _trial(queue)
                ended, ended_cpu = _clocks()
                spent[place] = wall + ended - began, cpu + ended_cpu - began_cpu
    return {f"in this process, {n} trials": _cost((0, 0), total, LAST) for n, total in zip(at, spent, strict=True)}


def _trial(queue: Trials) -> None:
    job = queue.ask()
    assert job is not None
    for epoch in range(1, EPOCHS + 1):
        mse = (1 + derive(0, job.cell) / 2**63 + 1 / epoch) / 1000
        record = EpochRecord(epoch=epoch, train_mse=mse, val_mse=mse, val_score=score_from_mse(mse), seconds=0)
        if queue.report(job, Progress(epoch=epoch, seeds=(record,))):
            break
    queue.tell(job)


def with_ray(n: int) -> dict[str, Cost]:
    """The cost of `n` trials of one epoch with one Ray worker, after the first tenth, which waits for Ray to start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.toml"
        path.write_text(TINY)
        task = prepare_task(str(path), "cpu", 1)
    with _queue(task, n) as (queue, marks), cluster(Resources(1)) as one:
        run_queue(queue, _four_faces(task), one, Limits(), Path.cwd())
    return {f"one Ray worker, {n} trials": _cost(marks[n // 10], marks[n], n - n // 10)}


@contextmanager
def _queue(task: Task, n: int) -> Iterator[tuple[Trials, list[Clocks]]]:
    """A search of `n` trials in a folder of its own, and the clocks' state at each trial's end."""
    marks = [_clocks()]

    def mark(event: object) -> None:
        if isinstance(event, Ended):
            marks.append(_clocks())

    with tempfile.TemporaryDirectory() as folder:
        queue = Trials(
            study=Study(Path(folder)),
            journal=Journal(Path(folder) / JOURNAL),
            space=task.space,
            sampler=samplers.SAMPLERS[samplers.DEFAULT],
            scheduler=schedulers.SCHEDULERS[schedulers.DEFAULT],
            facts=Facts("cpu", "none", task.size, 4),
            notify=mark,
            complete=task.complete,
            legal=task.legal,
            n_trials=n,
            epochs=task.epochs,
            seeds=1,
            seed=0,
        )
        yield queue, marks


def _four_faces(task: Task) -> Staged:
    four = Faces(np.zeros((4, 1, SIZE, SIZE), np.uint8), np.full((4, len(KEYPOINTS), 2), SIZE / 2, np.float32))
    return task.stage(Splits("four", four, four, SealedFaces(four)))


def _clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def _cost(began: Clocks, ended: Clocks, trials: int) -> Cost:
    wall, cpu = (round((end - start) * 1000 / trials, 1) for start, end in zip(began, ended, strict=True))
    return {"wall_ms": wall, "cpu_ms": cpu}


if __name__ == "__main__":
    print(json.dumps(in_process((200, 1000, 2000)), indent=2), flush=True)
    print(json.dumps(with_ray(200), indent=2))
