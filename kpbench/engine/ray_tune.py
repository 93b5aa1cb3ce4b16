"""Ray Tune executes: the same queue as the in-process engine, several workers.

Tune decides nothing here. What to try, when to stop and how a trial ended is the queue's, in the driver; Tune carries
jobs to actors and epochs and models back. So Tune's own snapshots are never used: a study continues from its journal,
and no folder is shared with a worker.
"""

import faulthandler
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C is the command's
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")

import ray
from ray import tune
from ray.exceptions import OutOfMemoryError
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from kpbench.cell import Role
from kpbench.engine.again import Again
from kpbench.engine.cluster import Cluster
from kpbench.engine.evaluate import Staged, own_versions, prepare, step_memory, work
from kpbench.engine.jobs import Failure, Job, Progress, Queue
from kpbench.engine.resources import room, share_of_card
from kpbench.errors import UsageError
from kpbench.training.device import find_device
from kpbench.whole_file import write_whole

RETRIES = 1
"""How often a job whose process died is begun again on another."""

GRACE = 5.0
"""Seconds by which a worker's clock runs longer than the driver's, which must know first that a job is overdue."""

_ready: dict[str, Any] = {}  # in a worker process: the data on its device, copied once


class Trainable(tune.Trainable):  # type: ignore[misc]
    """One job in an actor that lives on for the next: a step is an epoch."""

    def setup(self, config: dict[str, Any], staged: Any = None) -> None:
        """Copies the node's staged arrays to the device, once a process."""
        if "data" not in _ready:
            data: Staged = ray.get(staged["ref"])
            _ready["data"] = prepare(data)
            _ready["device"] = _told(data, staged["versions"]) if staged["away"] else None
        self._timeout = staged["timeout"]
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next job; always possible, for a job's seeds reset everything that it draws from."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._job = Job.model_validate_json(config["job"])
        self._deadline = None if self._timeout is None else time.monotonic() + self._timeout + GRACE
        self._kept = tempfile.TemporaryDirectory(dir=self.logdir)  # among Ray's own files, which go with it
        models = None if self._job.models is None else self._kept.name
        self._work = work(self._job.model_copy(update={"models": models}), _ready["data"])

    def step(self) -> dict[str, Any]:
        """Trains one epoch of every seed; the last brings the models with it.

        A process that is past its deadline ends, even where it hangs in a library that never lets Python run.
        """
        with _within(self._deadline):
            progress = next(self._work).model_copy(update={"device": _ready["device"]})
        last = self._job.is_over(progress)
        models = [(path.name, path.read_bytes()) for path in Path(self._kept.name).iterdir()]
        if last:
            self._kept.cleanup()
        return {"progress": progress.model_dump_json(), "epoch": progress.epoch, "models": models, "done": last}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a study keeps its own models."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as above: a job whose process died begins again."""


@contextmanager
def _within(deadline: float | None) -> Iterator[None]:
    if deadline is None:
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(max(0.001, deadline - time.monotonic()), exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _told(staged: Staged, versions: dict[str, str]) -> str:
    """This node's device for the rows, with the versions that are not the driver's."""
    other = [f"{name} {version}" for name, version in own_versions().items() if versions[name] != version]
    return ", ".join([find_device(staged.device.kind).title, *other])


class _Asks(Searcher):  # type: ignore[misc]
    """Tune's searcher: asks the queue for each trial, hands it each epoch and tells it the end.

    A job whose process died is begun again here, `RETRIES` times. Tune's own retries would miss a process that dies
    while it takes the next trial: Tune ends such a trial at once. An error of the queue's own (a full disk) would reach
    the caller wrapped in Tune's words; it is kept here.
    """

    def __init__(self, queue: Queue, cluster: Cluster) -> None:
        super().__init__(metric="epoch", mode="max")
        self._queue = queue
        self._cluster = cluster
        self._jobs: dict[str, Job] = {}
        self._lost: list[Job] = []
        self._losses: Counter[tuple[Role, int]] = Counter()
        self.failures: dict[str, Failure] = {}
        self.error: Exception | None = None

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            raise

    def suggest(self, trial_id: str) -> Any:
        """The next job as Tune's configuration; None while those under way may bring more, then that it is over."""
        with self._keeping_errors():
            job = self._lost.pop(0) if self._lost else self._queue.ask()
        if job is None:
            return None if self._jobs else Searcher.FINISHED
        self._jobs[trial_id] = job
        return {"job": job.model_dump_json()}

    def report(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Takes an epoch, and writes the models that came with it; True asks for the trial to be stopped."""
        job = self._jobs[trial_id]
        with self._keeping_errors():
            for name, content in result["models"]:
                assert job.models is not None
                Path(job.models).mkdir(exist_ok=True)
                write_whole(Path(job.models) / name, content)
            result["models"].clear()  # Tune keeps results
            return self._queue.report(job, Progress.model_validate_json(result["progress"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the queue; a trial that ended in an error lost its process, and is begun again before it is told."""
        job = self._jobs.pop(trial_id, None)
        if job is None:
            return
        with self._keeping_errors():
            self._queue.tell(job) if not error else self._died(job, self.failures.get(trial_id))

    def _died(self, job: Job, why: Failure | None) -> None:
        if self._cluster.broken():
            raise UsageError("Ray's own processes died; what was finished is kept, the same command continues")
        self._losses[job.role, job.number] += 1
        if why is None and self._losses[job.role, job.number] <= RETRIES:
            self._lost.append(job)
            return
        crash = Failure(reason="crash", detail=f"its worker process died {RETRIES + 1} times")
        self._queue.tell(job, why or crash)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Never done."""
        raise NotImplementedError("a study continues from its journal")

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher and scheduler; the queue is the driver's alone


class _Stops(FIFOScheduler):  # type: ignore[misc]
    """Tune's scheduler: hands each epoch to the queue and stops a trial when the queue says so."""

    def __init__(self, asks: _Asks, clock: "_Clock") -> None:
        super().__init__()
        self._asks = asks
        self._clock = clock

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """An epoch that is not the last."""
        return str(TrialScheduler.STOP if self._asks.report(trial.trial_id, result) else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """The last epoch, which does not pass `on_trial_result`; Tune calls the searcher's method after this."""
        if result["done"]:
            self._asks.report(trial.trial_id, result)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """A trial whose process died: why, where that is known; the searcher's method is called after this."""
        if self._clock.overdue(trial):
            detail = f"longer than --trial-timeout, {self._clock.timeout:g} s"
            self._asks.failures[trial.trial_id] = Failure(reason="timeout", detail=detail)
        elif isinstance(trial.get_pickled_error(), OutOfMemoryError):
            detail = "its worker process was ended, for the machine ran out of memory"
            self._asks.failures[trial.trial_id] = Failure(reason="oom", detail=detail)


class _Clock(tune.Callback):  # type: ignore[misc]
    """Knows since when a worker has a trial."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._begun: dict[str, float] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker takes the trial."""
        self._begun[trial.trial_id] = time.monotonic()

    def overdue(self, trial: Any) -> bool:
        """Whether a trial under way has had its time."""
        begun = self._begun.get(trial.trial_id)
        return self.timeout is not None and begun is not None and time.monotonic() - begun > self.timeout


def run(queue: Queue, staged: Staged, cluster: Cluster) -> None:
    """Works through `queue` with the cluster's workers; the arrays are staged once a node.

    A job that ran out of memory beside others is tried once more when the rest is done, with the machine or a card to
    itself.

    Raises:
        KeyboardInterrupt: as it comes; jobs under way are left untold.
        UsageError: Ray did not start, or no node holds a trial.
        Exception: an error of the queue's own, as it is.
    """
    gpus = _gpus(staged, cluster)
    workers = cluster.workers(gpus)
    first = Again(queue)
    _fit(first, staged, cluster, workers, gpus)
    if first.held:
        first.again()
        whole = max(1.0, gpus) if gpus else 0.0
        alone = room(cluster.nodes(), cluster.resources.cpus, whole) if whole else 1
        _fit(first, staged, cluster, min(workers, alone), whole)


def _gpus(staged: Staged, cluster: Cluster) -> float:
    """Cards of a trial: as asked; else none on CPUs, and on cards by the memory of the heaviest cell's step."""
    asked = cluster.resources.gpus
    if asked is not None:
        return asked
    if staged.device.kind != "cuda":
        return 0.0
    if staged.heaviest is None:
        return 1.0
    measured = ray.remote(num_gpus=1, max_retries=0)(step_memory).remote(staged.heaviest, cluster.put(staged))
    return share_of_card(*ray.get(measured))


def _fit(queue: Queue, staged: Staged, cluster: Cluster, workers: int, gpus: float) -> None:
    asked = cluster.resources
    asks, clock = _Asks(queue, cluster), _Clock(asked.trial_timeout)
    given = {
        "ref": cluster.put(staged),
        "versions": own_versions(),
        "away": asked.address is not None,
        "timeout": asked.trial_timeout,
    }
    trainable = tune.with_parameters(Trainable, staged=given)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": asked.cpus, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=asks,
            scheduler=_Stops(asks, clock),
            num_samples=-1,
            max_concurrent_trials=workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(cluster.scratch() / "tune"),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[clock],
        ),
    )
    try:
        tuner.fit()
    finally:
        if asks.error is not None:
            raise asks.error
