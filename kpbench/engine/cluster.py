"""One local Ray for all queues of a command, started in a thread beside what the command does."""

import gc
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray

from kpbench.errors import UsageError

TRAINING = "kpbench.engine.ray_tune"
"""What a worker process imports while the command still reads its faces; imported by name, for it comes after this."""


class Cluster:
    """A local Ray of its own with one CPU a worker, started once it is asked for; its files are gone when it is closed.

    One thread starts Ray, waits and ends it: Ray's processes are killed by the kernel when the thread that started
    them ends, which is how they die with a driver that is killed.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._started: Future[Path] = Future()
        self._over = threading.Event()
        self._staged: tuple[Any, Any] = (None, None)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to start Ray, without waiting for it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name="ray")
            self._thread.start()

    def scratch(self) -> Path:
        """A folder for files that need not last; waits until Ray has started.

        Raises:
            UsageError: Ray did not start.
        """
        self.start()
        return self._started.result()

    def put(self, value: object) -> Any:
        """A reference to a value on the node, where it is put once however often one asks for it."""
        self.scratch()
        if self._staged[0] is not value:
            self._staged = value, ray.put(value)
        return self._staged[1]

    def leave(self) -> None:
        """Lets Ray end, without waiting for it: nothing is trained after this.

        Ray ends the whole process, with status 1, when one of its references dies while it shuts down. Tune leaves
        references in cycles, so those are collected first, and no other thread collects before Ray has ended.
        """
        if self._thread is not None and not self._over.is_set():
            gc.collect()
            gc.disable()
        self._over.set()

    def close(self) -> None:
        """Ends Ray, or waits until it has started to end it then."""
        self.leave()
        if self._thread is not None:
            self._thread.join()

    def _live(self) -> None:
        scratch = Path(tempfile.mkdtemp(prefix="kpb-"))  # short: Ray keeps sockets below it, whose paths are limited
        for name in ("ray", "ray.tune", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            ray.init(
                address="local",
                num_cpus=self.workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="CRITICAL",
                _temp_dir=str(scratch / "ray"),
            )
            for _ in range(0 if self._over.is_set() else self.workers):
                _warm.remote()
            self._started.set_result(scratch)
            self._over.wait()
        except BaseException as error:  # raised where the cluster is used
            what = next(iter(str(error).splitlines()), type(error).__name__)
            self._started.set_exception(UsageError(f"Ray did not start: {what}; --workers 0 trains in this process"))
        finally:
            try:
                ray.shutdown()
            finally:
                gc.enable()
                shutil.rmtree(scratch, ignore_errors=True)


@ray.remote(num_cpus=1, max_retries=0)  # type: ignore[untyped-decorator]
def _warm() -> None:
    import_module(TRAINING)


@contextmanager
def cluster(workers: int) -> Iterator[Cluster | None]:
    """One Ray for all queues of a command; None without workers."""
    if workers < 1:
        yield None
        return
    one = Cluster(workers)
    try:
        yield one
    finally:
        one.close()
