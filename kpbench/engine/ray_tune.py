"""Ray Tune executes: the same queue as the in-process engine, several workers.

Tune decides nothing here. What to try, when to stop and how a trial ended is the queue's, in the driver; Tune carries
jobs to actors and epochs back. So Tune's own snapshots are never used: a study continues from its journal.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C is the command's
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")

import ray
import torch
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from kpbench.engine.cluster import Cluster
from kpbench.engine.evaluate import Staged, prepare, work
from kpbench.engine.jobs import Failure, Job, Progress, Queue

RETRIES = 1
"""How often a job whose process died is begun again on another."""

_ready: dict[str, Any] = {}  # in a worker process: the data on its device, copied once


class Trainable(tune.Trainable):  # type: ignore[misc]
    """One job in an actor that lives on for the next: a step is an epoch."""

    def setup(self, config: dict[str, Any], staged: Any = None) -> None:
        """Copies the node's staged arrays to the device, once a process."""
        if "data" not in _ready:
            _ready["data"] = prepare(ray.get(staged["ref"]))
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next job; always possible, for a job's seeds reset everything that it draws from."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._job = Job.model_validate_json(config["job"])
        self._work = work(self._job, _ready["data"])

    def step(self) -> dict[str, Any]:
        """Trains one epoch of every seed."""
        progress = next(self._work)
        last = self._job.is_over(progress)
        return {"progress": progress.model_dump_json(), "epoch": progress.epoch, "done": last}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a study keeps its own models."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as above: a job whose process died begins again."""


class _Asks(Searcher):  # type: ignore[misc]
    """Tune's searcher: asks the queue for each trial, hands it each epoch and tells it the end.

    An error of the queue's own (a full disk) would reach the caller wrapped in Tune's words; it is kept here.
    """

    def __init__(self, queue: Queue) -> None:
        super().__init__(metric="epoch", mode="max")
        self._queue = queue
        self._jobs: dict[str, Job] = {}
        self.error: Exception | None = None

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            raise

    def suggest(self, trial_id: str) -> Any:
        """The next job as Tune's configuration, or the word that there is none."""
        with self._keeping_errors():
            job = self._queue.ask()
        if job is None:
            return Searcher.FINISHED
        self._jobs[trial_id] = job
        return {"job": job.model_dump_json()}

    def report(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Takes an epoch; True asks for the trial to be stopped."""
        with self._keeping_errors():
            return self._queue.report(self._jobs[trial_id], Progress.model_validate_json(result["progress"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the queue; a trial that ended in an error lost its process."""
        job = self._jobs.pop(trial_id, None)
        crash = Failure(reason="crash", detail=f"its worker process died {RETRIES + 1} times")
        if job is not None:
            with self._keeping_errors():
                self._queue.tell(job, crash if error else None)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Never done."""
        raise NotImplementedError("a study continues from its journal")

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher and scheduler; the queue is the driver's alone


class _Stops(FIFOScheduler):  # type: ignore[misc]
    """Tune's scheduler: hands each epoch to the queue and stops a trial when the queue says so."""

    def __init__(self, asks: _Asks) -> None:
        super().__init__()
        self._asks = asks

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """An epoch that is not the last."""
        return str(TrialScheduler.STOP if self._asks.report(trial.trial_id, result) else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """The last epoch, which does not pass `on_trial_result`; Tune calls the searcher's method after this."""
        if result["done"]:
            self._asks.report(trial.trial_id, result)


def run(queue: Queue, staged: Staged, cluster: Cluster) -> None:
    """Works through `queue` with the cluster's workers; the arrays are staged once a node.

    On a GPU the workers share the cards evenly.

    Raises:
        KeyboardInterrupt: as it comes; jobs under way are left untold.
        UsageError: Ray did not start.
        Exception: an error of the queue's own, as it is.
    """
    gpus = torch.cuda.device_count() / cluster.workers if staged.device.kind == "cuda" else 0
    asks = _Asks(queue)
    trainable = tune.with_parameters(Trainable, staged={"ref": cluster.put(staged)})
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=asks,
            scheduler=_Stops(asks),
            num_samples=-1,
            max_concurrent_trials=cluster.workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(cluster.scratch() / "tune"),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    finally:
        if asks.error is not None:
            raise asks.error
